//! `almoner rebuild`: what donations are found by in ScyllaDB, made anew from the donations' own rows.

use tokio::runtime::Builder;

use super::{CommandError, ConfigFile, Problem, print};
use crate::config::{Config, StoreKind};
use crate::store::scylla::{OpenError, ScyllaStore};
use crate::store::{ReadError, scylla_options};

/// Whose lists.
#[derive(clap::Args, Clone, Debug)]
#[command(after_help = "Example: almoner rebuild --config config/almoner.toml")]
pub struct Args {
    #[command(flatten)]
    config: ConfigFile,
}

/// Runs the command.
///
/// # Errors
/// The configuration is wrong, or the cluster did not take it; it can be run again.
pub fn run(args: Args) -> Result<(), CommandError> {
    let config = args.config.load()?.config;
    if config.store.kind == StoreKind::Sqlite {
        return print("nothing to do: SQLite loses nothing of what it acknowledged\n");
    }
    let count = rebuild(&config).map_err(|error| {
        let problem = Problem::new("the lists were not made anew to their end").because(error);
        CommandError::Unavailable(problem.hint("it can be run again: what is done stays done"))
    })?;
    print(&format!("the lists of {count} donations are whole\n"))
}

#[derive(Debug, thiserror::Error)]
enum NotRebuilt {
    #[error("no thread is to be had: {0}")]
    Runtime(#[from] std::io::Error),
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error(transparent)]
    Store(#[from] ReadError),
}

fn rebuild(config: &Config) -> Result<u64, NotRebuilt> {
    let runtime = Builder::new_multi_thread().enable_all().build()?;
    let options = scylla_options(&config.store.scylla);
    let store = ScyllaStore::open(&options, runtime.handle().clone())?;
    Ok(store.rebuild().map_err(ReadError::from)?)
}
