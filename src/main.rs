//! The `almoner` binary: one line a command.

use std::process::ExitCode;

use almoner::cli::{Cli, Command};
use almoner::commands;
use clap::Parser;

// The system allocator costs the actors 60 % more.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Command::Demo(args) => commands::demo::run(args),
        Command::Run(args) => commands::run::run(args),
        Command::GatewaySim(args) => commands::gateway_sim::run(args).map_err(Into::into),
        Command::Health(args) => commands::health::run(args),
        Command::Migrate(args) => commands::migrate::run(args),
        Command::Audit(args) => commands::audit::run(args),
        Command::Backup(args) => commands::backup::run(args),
        Command::Rebuild(args) => commands::rebuild::run(args),
        Command::Dlq(args) => commands::dlq::run(args),
        Command::Offsets(args) => commands::offsets::run(args),
        Command::Config(args) => commands::config::run(args),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Nobody is left to be told that stderr is gone.
            let _ = error.report(&mut std::io::stderr().lock());
            ExitCode::from(error.exit_code())
        }
    }
}
