//! `almoner audit`: the books against the gateway.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use tokio::runtime::Builder;

use almoner_actors::ports::Clock;

use super::{CommandError, ConfigFile, Problem, print};
use crate::app::gateway_options;
use crate::audit::{AuditReport, AuditedBooks, CouldNotAudit, compare};
use crate::clock::SystemClock;
use crate::config::{Config, StoreKind};
use crate::gateway::ListError;
use crate::store::scylla::{self, ScyllaStore};
use crate::store::sqlite::Books;
use crate::store::{ReadError, scylla_options};

/// What to compare, and how to say it.
#[derive(clap::Args, Debug)]
#[command(after_help = "Examples: almoner audit --config config/almoner.toml
          almoner audit --config config/almoner.toml --since 2026-09-01 --json | jq '.findings[]'")]
pub struct Args {
    #[command(flatten)]
    config: ConfigFile,

    /// Print one JSON object instead of a table.
    #[arg(long)]
    json: bool,

    /// Only donations accepted since then: a date (from its midnight in UTC), or a time as RFC 3339 has it.
    #[arg(long, value_name = "DATE|TIME", value_parser = moment)]
    since: Option<Timestamp>,
}

/// Runs the audit.
///
/// # Errors
/// There are findings, or it could not run.
pub fn run(args: Args) -> Result<(), CommandError> {
    let config = args.config.load()?.config;
    let since_ms = args.since.map(Timestamp::as_millisecond);
    let report = audit(&config, since_ms)
        .map_err(|error| CommandError::CouldNotRun(problem(error, &config)))?;
    print(&if args.json {
        json(&report)?
    } else {
        report.to_text()
    })?;
    if report.is_ok() {
        return Ok(());
    }
    let problem = Problem::new("the books and the gateway differ")
        .hint("each finding says what to do; stop payouts of what it names until it is explained");
    Err(CommandError::Verdict(problem))
}

fn audit(config: &Config, since_ms: Option<i64>) -> Result<AuditReport, NoAudit> {
    let runtime = Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    let books: Box<dyn AuditedBooks> = match config.store.kind {
        StoreKind::Sqlite => Box::new(Books::open(&config.store.path).map_err(ReadError::from)?),
        StoreKind::Scylla => {
            let options = scylla_options(&config.store.scylla);
            Box::new(ScyllaStore::open(&options, runtime.handle().clone())?)
        }
    };
    let gateway = gateway_options(config);
    let comparing = compare(&*books, &gateway, since_ms, SystemClock.wall_ms());
    Ok(runtime.block_on(comparing)?)
}

#[derive(Debug, thiserror::Error)]
enum NoAudit {
    #[error(transparent)]
    Compare(#[from] CouldNotAudit),
    #[error(transparent)]
    Books(#[from] ReadError),
    #[error(transparent)]
    Cluster(#[from] scylla::OpenError),
    #[error("a runtime could not be made: {0}")]
    Runtime(#[from] std::io::Error),
}

/// What to do about it.
fn problem(error: NoAudit, config: &Config) -> Problem {
    let base_url = &config.gateway.base_url;
    let hint = match &error {
        NoAudit::Cluster(_)
        | NoAudit::Books(ReadError::Scylla(_))
        | NoAudit::Compare(CouldNotAudit::Books(ReadError::Scylla(_))) => {
            "see [store.scylla]".to_owned()
        }
        NoAudit::Books(ReadError::Sqlite(_))
        | NoAudit::Compare(CouldNotAudit::Books(ReadError::Sqlite(_))) => format!(
            "is [store] path right? It is {}, which must be the folder of a store that an instance has opened",
            config.store.path.display()
        ),
        NoAudit::Compare(CouldNotAudit::List(ListError::BadApiKey)) => {
            "is [gateway] api_key the secret key of the account that charges?".to_owned()
        }
        NoAudit::Compare(CouldNotAudit::List(ListError::RateLimited { .. })) => {
            "run it again when there is less traffic".to_owned()
        }
        NoAudit::Compare(CouldNotAudit::List(ListError::Refused(_))) => {
            "may [gateway] api_key read payment intents?".to_owned()
        }
        NoAudit::Compare(CouldNotAudit::List(_)) => {
            format!(
                "is [gateway] base_url right, and does the gateway answer there? It is {base_url}"
            )
        }
        NoAudit::Compare(CouldNotAudit::Options(_)) => "see [gateway]".to_owned(),
        NoAudit::Runtime(_) => {
            "does the machine have threads and file descriptors left?".to_owned()
        }
    };
    Problem::new("the audit could not run")
        .because(error)
        .hint(hint)
}

fn json(report: &AuditReport) -> Result<String, CommandError> {
    let text = serde_json::to_string_pretty(report).map_err(|error| {
        CommandError::CouldNotRun(Problem::new("the report cannot be written").because(error))
    })?;
    Ok(text + "\n")
}

/// A date or a time.
fn moment(text: &str) -> Result<Timestamp, String> {
    let midnight = |date: Date| date.to_zoned(TimeZone::UTC).map(|at| at.timestamp());
    let parsed = if text.len() == "YYYY-MM-DD".len() {
        text.parse::<Date>().and_then(midnight)
    } else {
        text.parse() // a time without a zone is refused: it could be anybody's
    };
    parsed.map_err(|_| "give a date (2026-09-01) or a time (2026-09-01T10:00:00Z)".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_a_date_or_a_time() {
        let check = |text, expected: Option<i64>| {
            assert_eq!(
                moment(text).ok().map(Timestamp::as_second),
                expected,
                "{text}"
            );
        };
        check("2026-09-21", Some(20_717 * 86_400));
        check("2026-09-21T00:00:01Z", Some(20_717 * 86_400 + 1));
        check("2026-09-21T01:00:00+01:00", Some(20_717 * 86_400));
        check("2026-09-21T15:00:00", None);
        check("yesterday", None);
        check("", None);
    }
}
