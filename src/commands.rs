//! The commands of the binary, one a file, and what they have in common: how they fail and how they print.

pub mod audit;
pub mod backup;
pub mod config;
pub mod demo;
pub mod dlq;
pub mod gateway_sim;
pub mod health;
pub mod migrate;
pub mod offsets;
pub mod rebuild;
pub mod run;

use std::error::Error;
use std::ffi::OsString;
use std::io::{self, Write};
use std::path::PathBuf;

use tokio::signal::unix::{SignalKind, signal};

use crate::config::{Config, ConfigErrors, Loaded, Sources, StoreKind, load, load_unchecked};

/// Refuses what reads or copies SQLite's file, where the configuration names another store.
///
/// # Errors
/// It does.
fn needs_sqlite(config: &Config, command: &str) -> Result<(), CommandError> {
    match config.store.kind {
        StoreKind::Sqlite => Ok(()),
        StoreKind::Scylla => {
            let what = format!("{command} does not read ScyllaDB in this version");
            let hint = "use the cluster's own tools: its snapshots, and cqlsh for its tables (src/store/scylla/schema.rs)";
            Err(CommandError::CouldNotRun(Problem::new(what).hint(hint)))
        }
    }
}

/// Why a command failed. Its exit code tells a process manager what to do.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// The command ran, and what it found is bad: exit code 1.
    #[error(transparent)]
    Verdict(Problem),
    /// The command could not do its work: exit code 2.
    #[error(transparent)]
    CouldNotRun(Problem),
    /// A restart may cure it, such as a port in use or a broker that is away: exit code 69.
    #[error(transparent)]
    Unavailable(Problem),
    /// The runtime gave up on itself after too many restarts: exit code 70.
    #[error(transparent)]
    Escalated(Problem),
    /// The configuration is wrong, and a restart cannot cure it: exit code 78.
    #[error(transparent)]
    Config(#[from] ConfigErrors),
    /// The configuration turned out to be wrong when it was used: exit code 78.
    #[error(transparent)]
    Misconfigured(Problem),
}

impl CommandError {
    /// The process's exit code.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Verdict(_) => 1,
            Self::CouldNotRun(_) => 2,
            Self::Unavailable(_) => 69,
            Self::Escalated(_) => 70,
            Self::Config(_) | Self::Misconfigured(_) => 78,
        }
    }

    /// What can be done about it.
    pub fn hint(&self) -> Option<&str> {
        match self {
            Self::Config(_) | Self::Misconfigured(_) => {
                Some("`almoner config docs` describes every key")
            }
            Self::Verdict(it)
            | Self::CouldNotRun(it)
            | Self::Unavailable(it)
            | Self::Escalated(it) => it.hint.as_deref(),
        }
    }

    /// Writes what went wrong, why, and what can be done about it.
    pub fn report(&self, to: &mut impl Write) -> io::Result<()> {
        writeln!(to, "error: {self}")?;
        let mut cause = self.source();
        while let Some(error) = cause {
            writeln!(to, "  because: {error}")?;
            cause = error.source();
        }
        match self.hint() {
            Some(hint) => writeln!(to, "hint: {hint}"),
            None => Ok(()),
        }
    }
}

/// What went wrong, why, and what can be done about it.
#[derive(Debug, thiserror::Error)]
#[error("{what}")]
pub struct Problem {
    what: String,
    hint: Option<String>,
    source: Option<Box<dyn Error + Send + Sync>>,
}

impl Problem {
    /// What went wrong, in a few words.
    pub fn new(what: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            hint: None,
            source: None,
        }
    }

    /// Why.
    pub fn because(self, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self {
            source: Some(source.into()),
            ..self
        }
    }

    /// What can be done about it.
    pub fn hint(self, hint: impl Into<String>) -> Self {
        Self {
            hint: Some(hint.into()),
            ..self
        }
    }
}

/// The option that names the configuration file, for every command that reads one.
#[derive(clap::Args, Clone, Debug)]
pub struct ConfigFile {
    /// The configuration file; without one, the defaults. `ALMONER__SECTION__KEY` overrides either.
    #[arg(long, value_name = "FILE", env = "ALMONER_CONFIG")]
    config: Option<OsString>,
}

impl ConfigFile {
    /// Reads the configuration from the file and this process's environment.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn load(&self) -> Result<Loaded, ConfigErrors> {
        load(&self.sources())
    }

    /// Reads what can be read of it, to be shown.
    fn load_unchecked(&self) -> (Loaded, Result<(), ConfigErrors>) {
        load_unchecked(&self.sources())
    }

    /// An empty `ALMONER_CONFIG` is as good as none.
    fn sources(&self) -> Sources {
        let named = self.config.as_ref().filter(|path| !path.is_empty());
        Sources::of_process(named.map(PathBuf::from))
    }
}

/// Prints to stdout. Who stops reading early (`almoner … | head`) has what they wanted.
///
/// # Errors
/// Stdout cannot be written to, such as a full disk behind it.
pub fn print(text: &str) -> Result<(), CommandError> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(CommandError::CouldNotRun(
            Problem::new("stdout cannot be written to").because(error),
        )),
        _ => Ok(()),
    }
}

/// Ends when the process is told to stop, by SIGTERM or Ctrl-C.
async fn signalled() {
    let Ok(mut terminated) = signal(SignalKind::terminate()) else {
        // Without a handler the signal ends the process as it always does.
        return std::future::pending().await;
    };
    tokio::select! {
        _ = terminated.recv() => {}
        _ = tokio::signal::ctrl_c() => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_names_what_why_and_what_to_do() {
        let problem = Problem::new("the broker cannot be reached")
            .because("connection refused")
            .hint("is it running?");
        let mut report = Vec::new();
        CommandError::Unavailable(problem)
            .report(&mut report)
            .unwrap();
        let expected = "error: the broker cannot be reached\n  because: connection refused\nhint: is it running?\n";
        assert_eq!(String::from_utf8(report).unwrap(), expected);
    }
}
