//! `almoner offsets …`: where the group stands in the log of the requests.

use almoner_actors::ports::StoreError;
use almoner_domain::ids::Shard;
use clap::Subcommand;
use tokio::runtime::Builder;

use super::{CommandError, ConfigFile, Problem, print};
use crate::app::{kafka_options, read_on_from};
use crate::config::Config;
use crate::kafka::error::KafkaError;
use crate::kafka::positions::{Position, Positions};
use crate::kafka::topics::{self, METADATA_WITHIN};
use crate::store::wait::answered;
use crate::store::{OpenError, ServiceStore};

/// What to do with the offsets.
#[derive(clap::Args, Debug)]
pub struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand, Debug)]
enum Action {
    /// Go on where the log of a partition begins, though requests before that were never read.
    ///
    /// A partition stands still when the log has dropped what was to be read next: those requests are gone, and only a
    /// person can say that nothing of them can be had back (from the front ends, from a mirror). This says so, for every
    /// partition that has lost something or for those that are named. Nothing that the log still holds is left out, and what
    /// was finished of those requests is told from the store. Every instance must be stopped.
    #[command(
        after_help = "Example: almoner offsets accept-loss --config config/almoner.toml --partition 7"
    )]
    AcceptLoss(AcceptLoss),
}

#[derive(clap::Args, Debug)]
struct AcceptLoss {
    #[command(flatten)]
    config: ConfigFile,

    /// Only this partition; may be given more than once.
    #[arg(long, value_name = "N")]
    partition: Vec<u32>,
}

/// Runs the command.
///
/// # Errors
/// The configuration is wrong, or the offsets could not be moved.
pub fn run(args: Args) -> Result<(), CommandError> {
    let Action::AcceptLoss(args) = args.action;
    let config = args.config.load()?.config;
    let accepted = accept(&config, &args.partition).map_err(problem)?;
    print(&said(&accepted))
}

/// What was lost of a partition.
struct Lost {
    shard: Shard,
    from: i64,
    to: i64,
}

#[derive(Debug, thiserror::Error)]
enum NotAccepted {
    #[error(transparent)]
    Store(#[from] OpenError),
    #[error(transparent)]
    Kafka(#[from] KafkaError),
    #[error("no thread is to be had: {0}")]
    Runtime(#[from] std::io::Error),
    #[error("the store did not take it: {0}")]
    Write(#[from] StoreError),
    #[error("partition {0} does not exist: the topic has {1}")]
    NoSuchPartition(u32, u32),
    #[error(
        "of partition {shard} all below {committed} is committed, but its log ends at {high}: that is another log, and no \
         loss; if that is meant, start with --new-log"
    )]
    AnotherLog {
        shard: Shard,
        committed: i64,
        high: i64,
    },
}

fn accept(config: &Config, wanted: &[u32]) -> Result<Vec<Lost>, NotAccepted> {
    let runtime = Builder::new_multi_thread().enable_all().build()?;
    let store = ServiceStore::open(&config.store, runtime.handle())?;
    let kafka = kafka_options(config);
    let partitions = topics::check(&kafka, METADATA_WITHIN)?.request_partitions;
    store.hold_to_partitions(partitions)?;
    if let Some(beyond) = wanted.iter().find(|partition| **partition >= partitions) {
        return Err(NotAccepted::NoSuchPartition(*beyond, partitions));
    }
    let is_wanted = |shard: Shard| wanted.is_empty() || wanted.contains(&shard.0);
    let positions = Positions::new(&kafka, partitions)?;
    let mut accepted = Vec::new();
    for position in positions.read()?.iter().filter(|it| is_wanted(it.shard)) {
        check_log(position)?;
        let Some((from, to)) = position.lost() else {
            continue;
        };
        let shard = position.shard;
        accepted.push(Lost { shard, from, to });
    }
    for Lost { shard, from, to } in &accepted {
        answered(|done| store.tell_lost(*shard, *from..*to, done))?;
    }
    let starts: Vec<_> = accepted.iter().map(|lost| (lost.shard, lost.to)).collect();
    read_on_from::<NotAccepted>(&store, &positions, &starts)?;
    Ok(accepted)
}

fn check_log(position: &Position) -> Result<(), NotAccepted> {
    match position.beyond_end() {
        Some(committed) => Err(NotAccepted::AnotherLog {
            shard: position.shard,
            committed,
            high: position.high,
        }),
        None => Ok(()),
    }
}

fn said(accepted: &[Lost]) -> String {
    if accepted.is_empty() {
        return "nothing is lost: every partition can be read on\n".to_owned();
    }
    let line = |lost: &Lost| {
        let Lost { shard, from, to } = lost;
        format!(
            "partition {shard}: the loss of {} requests, offsets {from} to {}, is accepted; it is read on from {to}\n",
            to - from,
            to - 1
        )
    };
    accepted.iter().map(line).collect()
}

fn problem(error: NotAccepted) -> CommandError {
    let problem = Problem::new("the loss was not accepted").because(error);
    CommandError::CouldNotRun(problem.hint("nothing was left out; it can be run again"))
}
