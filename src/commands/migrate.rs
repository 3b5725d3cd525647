//! `almoner migrate`: makes what the service needs and does not make by itself.

mod store;
mod topics;

use super::{CommandError, ConfigFile, print};
use crate::config::Config;

/// Makes what is missing, one step after another, and says what is there and otherwise than configured. Topics that are there
/// are not changed. It can be run again, before each start and beside running instances.
#[derive(clap::Args, Clone, Debug)]
#[command(after_help = "Example: almoner migrate --config config/almoner.toml")]
pub struct Args {
    #[command(flatten)]
    config: ConfigFile,
}

/// One of the things that are made: what was found and done, for a person.
type Step = fn(&Config) -> Result<String, CommandError>;

/// All of them, in their order.
const STEPS: &[Step] = &[store::make_tables, topics::make_topics];

/// Runs the command.
///
/// # Errors
/// The configuration is wrong, or something could not be made; what was made before stays.
pub fn run(args: Args) -> Result<(), CommandError> {
    let config = args.config.load()?.config;
    for step in STEPS {
        print(&step(&config)?)?;
    }
    Ok(())
}
