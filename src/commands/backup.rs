//! `almoner backup`: a copy of the embedded store.

use std::path::PathBuf;

use super::{CommandError, ConfigFile, Problem, print};
use crate::store::sqlite::{Backup, BackupError, back_up};

/// Where the copy goes.
#[derive(clap::Args, Clone, Debug)]
pub struct Args {
    /// The folder for the copy, which is made where there is none. It becomes a data folder.
    #[arg(value_name = "FOLDER")]
    to: PathBuf,
    #[command(flatten)]
    config: ConfigFile,
}

/// Runs the command.
///
/// # Errors
/// The configuration is wrong, or there is no copy.
pub fn run(args: Args) -> Result<(), CommandError> {
    let config = args.config.load()?.config;
    super::needs_sqlite(&config, "almoner backup")?;
    let store = config.store.path;
    let backup = back_up(&store, &args.to).map_err(|error| problem(&store, error))?;
    print(&said(&backup))
}

fn said(backup: &Backup) -> String {
    format!(
        "{} donations, {} bytes: {}\n\
         To go back to it: stop the service, put this file alone in [store] path, and start once with `run --after-restore`.\n",
        backup.donations,
        backup.bytes,
        backup.file.display()
    )
}

fn problem(store: &std::path::Path, error: BackupError) -> CommandError {
    let hint = match &error {
        BackupError::Exists(_) => None,
        BackupError::Sqlite(_) => Some(format!(
            "is [store] path right? It is {}; is there room for a second copy? If it is damaged, the last backup is the \
             one to keep",
            store.display()
        )),
        BackupError::Write { .. } => Some("may this user write there, and is there room?".into()),
    };
    let problem = Problem::new("there is no copy").because(error);
    CommandError::CouldNotRun(match hint {
        Some(hint) => problem.hint(hint),
        None => problem,
    })
}
