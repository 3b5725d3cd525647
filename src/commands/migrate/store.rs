//! The step of `almoner migrate` for the store: its tables.

use std::error::Error;

use tokio::runtime::Builder;

use crate::commands::{CommandError, Problem};
use crate::config::{Config, StoreKind};
use crate::store::scylla::{self, OpenError};
use crate::store::scylla_options;

/// Makes the keyspace and its tables, or brings them to this release's version; says what it found and did.
///
/// # Errors
/// It could not be done; what was done before stays.
pub(super) fn make_tables(config: &Config) -> Result<String, CommandError> {
    if config.store.kind == StoreKind::Sqlite {
        return Ok("store: SQLite makes its tables itself\n".to_owned());
    }
    let runtime = Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .map_err(|error| unavailable(error.into()))?;
    let options = scylla_options(&config.store.scylla);
    let found = scylla::migrate(&options, runtime.handle()).map_err(problem)?;
    let wanted = scylla::schema_version();
    Ok(match found {
        0 => format!("store: made the tables, version {wanted}\n"),
        found if found == wanted => format!("store: the tables are version {wanted} already\n"),
        found => format!("store: the tables were version {found}, and are {wanted} now\n"),
    })
}

fn problem(error: OpenError) -> CommandError {
    if error.is_transient() {
        return unavailable(error.into());
    }
    CommandError::Misconfigured(Problem::new("the store was not migrated").because(error))
}

fn unavailable(error: Box<dyn Error + Send + Sync>) -> CommandError {
    let problem = Problem::new("the store was not migrated").because(error);
    CommandError::Unavailable(problem.hint("it can be run again: what is done stays done"))
}
