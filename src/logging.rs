//! The log: to stderr, as `[log]`, `RUST_LOG` and `NO_COLOR` say.

use std::io::{IsTerminal, stderr};

use tracing_subscriber::EnvFilter;
use tracing_subscriber::util::{SubscriberInitExt, TryInitError};

use crate::config::{Log, LogFormat};

/// Starts logging for the whole process; once, before anything is logged.
///
/// # Errors
/// `RUST_LOG` cannot be read, or something logs already.
pub fn start(log: &Log) -> Result<(), LoggingError> {
    let filter = filter(log, std::env::var("RUST_LOG").ok().as_deref())?;
    let in_colour =
        stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(stderr)
        .with_ansi(in_colour);
    match log.format {
        LogFormat::Text => lines.finish().try_init()?,
        LogFormat::Json => lines.json().flatten_event(true).finish().try_init()?,
    }
    Ok(())
}

/// Why logging could not be started.
#[derive(Debug, thiserror::Error)]
pub enum LoggingError {
    /// `RUST_LOG` is no filter.
    #[error("RUST_LOG cannot be read; write something like info,almoner::kafka=debug")]
    Filter(#[from] tracing_subscriber::filter::ParseError),
    /// A second start, or a library that logs by itself.
    #[error("logging was started twice")]
    StartedTwice(#[from] TryInitError),
}

/// `RUST_LOG`, if it says anything; else the configured level.
fn filter(log: &Log, rust_log: Option<&str>) -> Result<EnvFilter, LoggingError> {
    let directives = rust_log.map(str::trim).filter(|text| !text.is_empty());
    Ok(EnvFilter::builder().parse(directives.unwrap_or(log.level.as_str()))?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Level;

    fn check(level: Level, rust_log: Option<&str>, expected: &str) {
        let log = Log {
            level,
            ..Log::default()
        };
        assert_eq!(filter(&log, rust_log).unwrap().to_string(), expected);
    }

    #[test]
    fn rust_log_decides_where_it_says_anything() {
        check(Level::Warn, None, "warn");
        check(Level::Warn, Some(""), "warn");
        check(Level::Warn, Some("debug"), "debug");
        check(
            Level::Info,
            Some("almoner::kafka=trace"),
            "almoner::kafka=trace",
        );
    }

    #[test]
    fn a_filter_that_cannot_be_read_is_an_error() {
        let error = filter(&Log::default(), Some("almoner=loud")).unwrap_err();
        assert!(error.to_string().contains("RUST_LOG"), "{error}");
    }
}
