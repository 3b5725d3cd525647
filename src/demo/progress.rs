//! What is seen while it runs: on a terminal a few live lines, in a pipe a plain line now and then.

use std::io::IsTerminal;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use tokio::time::Instant;

/// In a pipe, a line so often.
const PLAIN_EVERY: Duration = Duration::from_secs(2);

/// The live view.
pub struct Progress {
    bar: Option<ProgressBar>,
    began: Instant,
    told_at: Option<Instant>,
    is_quiet: bool,
}

/// What is shown.
#[derive(Clone, Copy, Debug, Default)]
pub struct Now {
    /// Requests to be published.
    pub requests: u64,
    /// Requests that have their fate.
    pub answered: u64,
    /// Donations in flight.
    pub in_flight: usize,
    /// Donations that the store drives on.
    pub outstanding: u64,
    /// Faults that the gateway injected.
    pub faults: u64,
}

impl Progress {
    /// A view on stderr; none at all if `is_quiet`.
    #[must_use]
    pub fn new(requests: u64, is_quiet: bool) -> Self {
        let is_live = !is_quiet && std::io::stderr().is_terminal();
        let bar = is_live.then(|| {
            let bar = ProgressBar::new(requests);
            // The template is a constant that parses; if it did not, the bar would be plainer.
            if let Ok(style) = ProgressStyle::with_template(
                "{bar:40.green} {pos}/{len} requests have their fate\n{msg}",
            ) {
                bar.set_style(style);
            }
            bar
        });
        Self {
            bar,
            began: Instant::now(),
            told_at: None,
            is_quiet,
        }
    }

    /// Shows where it stands.
    pub fn show(&mut self, now: Now) {
        let rate = now.answered as f64 / self.began.elapsed().as_secs_f64().max(0.001);
        let text = format!(
            "{rate:.0}/s   in flight {}   outstanding {}   faults injected {}",
            now.in_flight, now.outstanding, now.faults
        );
        if let Some(bar) = &self.bar {
            bar.set_length(now.requests.max(now.answered));
            bar.set_position(now.answered);
            return bar.set_message(text);
        }
        if !self.is_quiet
            && self
                .told_at
                .is_none_or(|told| told.elapsed() >= PLAIN_EVERY)
        {
            self.told_at = Some(Instant::now());
            eprintln!(
                "{} of {} requests have their fate   {text}",
                now.answered, now.requests
            );
        }
    }

    /// The view goes.
    pub fn end(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
