//! `Retry-After`: seconds, or a date.

use hyper::HeaderMap;
use hyper::header::{DATE, HeaderName, RETRY_AFTER};

/// The longest pause that is believed: a gateway that names a year would park a donation past its key's life.
const LONGEST_S: u64 = 3_600;

/// What `Retry-After` asks for, in milliseconds; a date counts from the answer's own `Date`, so that no clock of ours
/// is needed. `None` where there is none that can be read.
pub(in crate::gateway) fn retry_after_ms(headers: &HeaderMap) -> Option<u64> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let seconds = match text.parse::<u64>() {
        Ok(seconds) => seconds,
        Err(_) if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) => LONGEST_S,
        Err(_) => {
            let due = date(headers, RETRY_AFTER)?;
            // A date that has passed asks for no pause.
            due.duration_since(date(headers, DATE)?)
                .map_or(0, |pause| pause.as_secs())
        }
    };
    Some(seconds.min(LONGEST_S) * 1_000)
}

fn date(headers: &HeaderMap, name: HeaderName) -> Option<std::time::SystemTime> {
    httpdate::parse_http_date(headers.get(name)?.to_str().ok()?.trim()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(retry_after: Option<&str>, date: Option<&str>, expected_ms: Option<u64>) {
        let mut headers = HeaderMap::new();
        let fields = [(RETRY_AFTER, retry_after), (DATE, date)];
        for (name, value) in fields {
            if let Some(value) = value {
                headers.insert(name, value.parse().unwrap());
            }
        }
        assert_eq!(retry_after_ms(&headers), expected_ms, "{retry_after:?}");
    }

    const NOW: Option<&str> = Some("Sat, 21 Nov 2026 12:00:00 GMT");

    #[test]
    fn seconds() {
        check(Some("0"), None, Some(0));
        check(Some("2"), None, Some(2_000));
        check(Some(" 30 "), NOW, Some(30_000));
    }

    #[test]
    fn a_date_counts_from_the_answers_own() {
        check(Some("Sat, 21 Nov 2026 12:00:05 GMT"), NOW, Some(5_000));
        check(Some("Saturday, 21-Nov-26 12:00:05 GMT"), NOW, Some(5_000));
        check(Some("Sat, 21 Nov 2026 11:59:00 GMT"), NOW, Some(0));
        check(Some("Sat, 21 Nov 2026 12:00:05 GMT"), None, None);
    }

    #[test]
    fn no_gateway_parks_a_donation() {
        check(Some("999999999"), None, Some(3_600_000));
        check(Some("99999999999999999999999999"), None, Some(3_600_000));
        check(Some("Sat, 21 Nov 2099 12:00:00 GMT"), NOW, Some(3_600_000));
    }

    #[test]
    fn what_cannot_be_read_says_nothing() {
        check(None, NOW, None);
        check(Some("soon"), NOW, None);
        check(Some("-1"), NOW, None);
        check(Some("1.5"), NOW, None);
        check(Some(""), NOW, None);
    }
}
