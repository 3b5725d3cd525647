//! Reads `application/x-www-form-urlencoded` pairs, from a body or a query string.

use std::borrow::Cow;

/// The text is not a form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the parameters are not valid form-encoded UTF-8")]
pub(crate) struct NotAForm;

/// Decodes every pair, in order. What needs no decoding is borrowed.
pub(crate) fn pairs(
    bytes: &[u8],
) -> impl Iterator<Item = Result<(Cow<'_, str>, Cow<'_, str>), NotAForm>> {
    bytes
        .split(|byte| *byte == b'&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let equals = pair.iter().position(|byte| *byte == b'=');
            let (key, value) = match equals {
                Some(at) => (&pair[..at], &pair[at + 1..]),
                None => (pair, &[][..]),
            };
            Ok((decoded(key)?, decoded(value)?))
        })
}

fn decoded(text: &[u8]) -> Result<Cow<'_, str>, NotAForm> {
    if !text.iter().any(|byte| matches!(byte, b'%' | b'+')) {
        return std::str::from_utf8(text)
            .map(Cow::Borrowed)
            .map_err(|_| NotAForm);
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        match first {
            b'+' => bytes.push(b' '),
            b'%' => {
                let (high, low, after) = match after {
                    [high, low, after @ ..] => (*high, *low, after),
                    _ => return Err(NotAForm),
                };
                bytes.push(hex(high)? << 4 | hex(low)?);
                rest = after;
            }
            plain => bytes.push(*plain),
        }
    }
    String::from_utf8(bytes)
        .map(Cow::Owned)
        .map_err(|_| NotAForm)
}

fn hex(digit: u8) -> Result<u8, NotAForm> {
    match digit {
        b'0'..=b'9' => Ok(digit - b'0'),
        b'a'..=b'f' => Ok(digit - b'a' + 10),
        b'A'..=b'F' => Ok(digit - b'A' + 10),
        _ => Err(NotAForm),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(form: &str, expected: &[(&str, &str)]) {
        let read: Vec<_> = pairs(form.as_bytes()).map(Result::unwrap).collect();
        let read: Vec<_> = read.iter().map(|(key, value)| (&**key, &**value)).collect();
        assert_eq!(read, expected, "{form}");
    }

    #[test]
    fn pairs_are_decoded() {
        check("", &[]);
        check("a=1&b=2", &[("a", "1"), ("b", "2")]);
        check(
            "metadata%5Bdonation_id%5D=x+y%2Bz&e[]=",
            &[("metadata[donation_id]", "x y+z"), ("e[]", "")],
        );
        check("flag&&a=b=c", &[("flag", ""), ("a", "b=c")]);
        check("n=%C3%A9", &[("n", "é")]);
    }

    #[test]
    fn what_is_no_form_is_refused() {
        for form in ["a=%", "a=%4", "a=%zz", "a=%ff", "%+=1"] {
            assert!(pairs(form.as_bytes()).any(|pair| pair.is_err()), "{form}");
        }
    }
}
