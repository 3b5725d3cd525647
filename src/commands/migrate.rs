//! `almoner migrate`: makes what the service needs and does not make by itself.

mod topics;

use super::{CommandError, ConfigFile, print};

/// Makes what is missing, and says what is there and otherwise than configured. Nothing that is there is changed, so it
/// can be run again, before each start and beside running instances.
#[derive(clap::Args, Clone, Debug)]
#[command(after_help = "Example: almoner migrate --config config/almoner.toml")]
pub struct Args {
    #[command(flatten)]
    config: ConfigFile,
}

/// Runs the command.
///
/// # Errors
/// The configuration is wrong, or something could not be made; what was made before stays.
pub fn run(args: Args) -> Result<(), CommandError> {
    let config = args.config.load()?.config;
    print(&topics::make_topics(&config)?)
}
