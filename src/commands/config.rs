//! `almoner config …`: what is wrong with a configuration, what it comes to, and what it can say.

use std::path::Path;

use clap::Subcommand;

use super::{CommandError, ConfigFile, Problem, print};
use crate::config::{example, page};
use crate::metrics;

/// What to do with the configuration.
#[derive(clap::Args, Debug)]
pub struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand, Debug)]
enum Action {
    /// Say everything that is wrong with the configuration, at once.
    ///
    /// Reads the file and the environment as `run` would, and starts nothing. Exit code 78 if anything is wrong.
    #[command(after_help = "Example: almoner config check --config config/almoner.toml")]
    Check(ConfigFile),
    /// Print every value with where it comes from, without the secrets.
    ///
    /// Reads the file and the environment as `run` would. Where a value is wrong it shows the default, and says so.
    #[command(
        after_help = "Example: almoner config show --config config/almoner.toml | grep -v '# default'"
    )]
    Show(ConfigFile),
    /// Print the reference page of all keys, as Markdown.
    #[command(after_help = "Example: almoner config docs | less")]
    Docs {
        /// Write docs/configuration.md, config/almoner.toml and docs/metrics.md below the working folder instead (for Almoner's own source).
        #[arg(long)]
        write: bool,
    },
}

/// Runs the command.
///
/// # Errors
/// The configuration is wrong, or the result cannot be written.
pub fn run(args: Args) -> Result<(), CommandError> {
    match args.action {
        Action::Check(file) => {
            file.load()?;
            print("ok\n")
        }
        Action::Show(file) => {
            let (loaded, checked) = file.load_unchecked();
            print(&loaded.show())?;
            Ok(checked?)
        }
        Action::Docs { write: false } => print(&page()),
        Action::Docs { write: true } => {
            write("docs/configuration.md", &page())?;
            write("config/almoner.toml", &example())?;
            write("docs/metrics.md", &metrics::page())
        }
    }
}

fn write(path: &str, text: &str) -> Result<(), CommandError> {
    let failed = |error| {
        let problem = Problem::new(format!("{path} cannot be written")).because(error);
        CommandError::CouldNotRun(problem.hint("run this in the root folder of the source"))
    };
    std::fs::write(Path::new(path), text).map_err(failed)?;
    print(&format!("wrote {path}\n"))
}
