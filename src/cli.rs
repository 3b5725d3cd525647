//! The command line: every command, in the order of its help.

use clap::{Parser, Subcommand};

use crate::commands;

/// A runtime for donations: no donation lost, no card charged twice, no payout wrong.
#[derive(Parser, Debug)]
#[command(
    name = "almoner",
    version,
    arg_required_else_help = true,
    after_help = "\
Exit codes: 0 done, 1 a bad verdict, 2 wrong usage or could not run, 69 a restart may cure it,
            70 gave up after too many restarts, 78 the configuration is wrong."
)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Subcommand, Debug)]
pub enum Command {
    /// See it work: everything in this one process, with people who give, and a verdict on the money.
    Demo(commands::demo::Args),
    /// Run the service: from Kafka to the gateway, the ledger and published outcomes.
    Run(commands::run::Args),
    /// Run the payment gateway simulator alone.
    GatewaySim(commands::gateway_sim::Args),
    /// Ask the service that runs beside whether it is ready.
    ///
    /// For health checks where there is neither a shell nor curl. Exit code 0: it is; 1: it is not, and why; 69: nobody
    /// answers.
    Health(commands::health::Args),
    /// Make what the service needs: the tables of the store, and the topics.
    Migrate(commands::migrate::Args),
    /// Hold the books against the gateway: every donation, movement and charge.
    ///
    /// Reads alone, so it can run beside the service. What is not finished is listed as open and is no difference. Exit
    /// code 0: all equal; 1: findings, each with its id and what to do; 2: it could not run.
    Audit(commands::audit::Args),
    /// Copy the store, also beside the running service.
    ///
    /// The copy has everything that was durable when this was called; every page of the store is read for it, so that
    /// damage is found out now. What was charged after it is not lost either: `run --after-restore` learns it from the
    /// gateway and from the log.
    #[command(
        after_help = "Example: almoner backup --config config/almoner.toml /backups/2026-11-21"
    )]
    Backup(commands::backup::Args),
    /// Make anew what donations are found by in ScyllaDB.
    ///
    /// For a cluster that lost power everywhere at once: what conditional writes wrote is there, and the lists beside it may
    /// lack their last seconds. It reads every donation, changes nothing that is whole, and can run beside the service.
    Rebuild(commands::rebuild::Args),
    /// Show the dead letters that were too large for the broker and are kept whole.
    Dlq(commands::dlq::Args),
    /// Accept that requests left the log before they were read.
    Offsets(commands::offsets::Args),
    /// Check, show and describe the configuration.
    Config(commands::config::Args),
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
