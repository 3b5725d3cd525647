//! What the Kafka clients say again and again while a broker is away: of each kind one line at once, then at most one in
//! ten seconds, with how many were left out.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// How often a line of one kind is logged at the most.
const EVERY: Duration = Duration::from_secs(10);

/// One for the process, as the log is: all clients speak of the same brokers.
static REPEATS: Mutex<Repeats> = Mutex::new(Repeats::new());

/// Logs a warning, or counts it for its kind's next line.
pub(super) fn warn(kind: &str, text: String) {
    let line = repeats().say(Instant::now(), kind, text);
    log(line);
}

/// Logs what was counted and is due, so that the last words of an outage are not held back until the next one.
pub(super) fn flush() {
    let lines = repeats().due(Instant::now());
    log(lines);
}

fn log(lines: impl IntoIterator<Item = String>) {
    for line in lines {
        tracing::warn!(target: "almoner::kafka", "{line}");
    }
}

fn repeats() -> MutexGuard<'static, Repeats> {
    REPEATS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The kinds are few: error codes and what librdkafka's log calls facilities.
struct Repeats(Vec<Sum>);

struct Sum {
    kind: Box<str>,
    said_at: Instant,
    unsaid: u32,
    last: String,
}

impl Repeats {
    const fn new() -> Self {
        Self(Vec::new())
    }

    fn say(&mut self, now: Instant, kind: &str, text: String) -> Option<String> {
        let Some(sum) = self.0.iter_mut().find(|sum| *sum.kind == *kind) else {
            self.0.push(Sum {
                kind: kind.into(),
                said_at: now,
                unsaid: 0,
                last: String::new(),
            });
            return Some(text);
        };
        sum.unsaid = sum.unsaid.saturating_add(1);
        sum.last = text;
        sum.line(now)
    }

    fn due(&mut self, now: Instant) -> Vec<String> {
        self.0.iter_mut().filter_map(|sum| sum.line(now)).collect()
    }
}

impl Sum {
    /// The last text, and how many came before it since the last line; none before its time.
    fn line(&mut self, now: Instant) -> Option<String> {
        let since = now.saturating_duration_since(self.said_at);
        if self.unsaid == 0 || since < EVERY {
            return None;
        }
        let (left_out, last) = (self.unsaid - 1, std::mem::take(&mut self.last));
        (self.said_at, self.unsaid) = (now, 0);
        Some(match left_out {
            0 => last,
            _ => format!(
                "{last} (and {left_out} more like it in {} s)",
                since.as_secs()
            ),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// At so many milliseconds: a text of a kind, or only a look whether something is due.
    type Step<'a> = (u64, Option<(&'a str, &'a str)>);

    fn check(steps: &[Step<'_>], expected: &[(u64, &str)]) {
        let start = Instant::now();
        let mut repeats = Repeats::new();
        let mut lines = Vec::new();
        for (at_ms, said) in steps {
            let now = start + Duration::from_millis(*at_ms);
            let said = match said {
                Some((kind, text)) => repeats
                    .say(now, kind, (*text).to_owned())
                    .into_iter()
                    .collect(),
                None => repeats.due(now),
            };
            lines.extend(said.into_iter().map(|line| (*at_ms, line)));
        }
        let lines: Vec<_> = lines
            .iter()
            .map(|(at_ms, line)| (*at_ms, line.as_str()))
            .collect();
        assert_eq!(lines, expected);
    }

    #[test]
    fn the_first_is_said_at_once_and_what_is_rare_in_full() {
        check(&[(0, None)], &[]);
        check(
            &[
                (0, Some(("away", "a"))),
                (10_000, Some(("away", "b"))),
                (60_000, Some(("away", "c"))),
            ],
            &[(0, "a"), (10_000, "b"), (60_000, "c")],
        );
    }

    #[test]
    fn hundreds_are_one_line_in_ten_seconds_with_the_last_text() {
        let mut steps: Vec<Step<'_>> = (0..300)
            .map(|n| (n * 100, Some(("away", "refused"))))
            .collect();
        steps.push((30_000, Some(("away", "timed out"))));
        check(
            &steps,
            &[
                (0, "refused"),
                (10_000, "refused (and 99 more like it in 10 s)"),
                (20_000, "refused (and 99 more like it in 10 s)"),
                (30_000, "timed out (and 99 more like it in 10 s)"),
            ],
        );
    }

    #[test]
    fn what_was_left_out_is_said_though_nothing_follows() {
        check(
            &[
                (0, Some(("away", "a"))),
                (1, Some(("away", "b"))),
                (2, Some(("away", "c"))),
                (9_999, None),
                (12_000, None),
                (24_000, None),
            ],
            &[(0, "a"), (12_000, "c (and 1 more like it in 12 s)")],
        );
    }

    #[test]
    fn one_kind_does_not_hide_another() {
        check(
            &[
                (0, Some(("away", "a"))),
                (1, Some(("credentials", "b"))),
                (2, Some(("away", "c"))),
                (11_000, None),
            ],
            &[(0, "a"), (1, "b"), (11_000, "c")],
        );
    }
}
