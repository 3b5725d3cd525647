//! The consumer: a member of the group on a thread of its own. It reads requests into an [`Intake`] while that has credit,
//! hands partitions over only once they are drained, and commits what it is asked to through [`Source::commit`].

mod commits;
mod committer;
mod events;
mod lookups;
mod partitions;
mod reading;
mod status;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::Builder;
use std::time::Duration;

use almoner_actors::ports::{Clock, Commit, CommitError, Done, Intake, LogRange, Source};
use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::RDKafkaErrorCode;

use super::client_config::{Role, client_config};
use super::error::KafkaError;
use super::offsets::ByPartition;
use super::options::KafkaOptions;
use committer::Committer;
use events::GroupEvents;
use lookups::Lookups;
use reading::{Fatal, Reading};
pub use status::{ConsumerStatus, StoppedPartition};

/// How long after the drain's own deadline the intake's answer and the last commits are waited for.
const DRAIN_GRACE: Duration = Duration::from_secs(5);
/// How long leaving the group may take.
const LEAVE_WITHIN: Duration = Duration::from_secs(5);

/// A consumer that does not run yet: whoever makes its intake needs the source first.
pub struct Prepared {
    options: KafkaOptions,
    config: ClientConfig,
    commands: Receiver<Command>,
    sender: Sender<Command>,
}

impl Prepared {
    /// Checks the options.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn new(options: &KafkaOptions) -> Result<Self, KafkaError> {
        let (sender, commands) = channel();
        let config = client_config(options, Role::Member)?;
        Ok(Self {
            options: options.clone(),
            config,
            commands,
            sender,
        })
    }

    /// The side that the actors commit through.
    #[must_use]
    pub fn source(&self) -> Arc<dyn Source> {
        Arc::new(KafkaSource(self.sender.clone()))
    }

    /// Joins the group, and reads until stopped.
    ///
    /// # Errors
    /// The client or its thread could not be made.
    pub fn start(
        self,
        intake: Box<dyn Intake>,
        clock: Arc<dyn Clock>,
    ) -> Result<Consumer, KafkaError> {
        let status = Arc::new(ConsumerStatus::new(&self.options));
        let events = GroupEvents::new(&self.options.topics.requests, Arc::clone(&status));
        let client: BaseConsumer<GroupEvents> = self.config.create_with_context(events)?;
        client.subscribe(&[&self.options.topics.requests])?;
        let commands = self.sender.clone();
        let shown = Arc::clone(&status);
        let (ended, has_ended) = channel::<()>();
        let drain_within =
            Duration::from_millis(u64::from(self.options.drain_timeout_ms)) + DRAIN_GRACE;
        Builder::new()
            .name("kafka-consumer".to_owned())
            .spawn(move || {
                let _ended = ended;
                let session = Session {
                    options: self.options,
                    commands: self.commands,
                    sender: self.sender,
                    clock,
                    status: shown,
                };
                session.run(&client, intake);
                // Leaves the group.
                drop(client);
            })
            .map_err(|error| KafkaError::Client(error.to_string()))?;
        Ok(Consumer {
            commands,
            status,
            has_ended,
            drain_within,
        })
    }
}

/// A running consumer. Dropped without [`Consumer::stop`], it drops what is in flight and leaves the group: nothing more
/// is committed.
pub struct Consumer {
    commands: Sender<Command>,
    status: Arc<ConsumerStatus>,
    /// Disconnected when the thread has ended.
    has_ended: Receiver<()>,
    drain_within: Duration,
}

impl Consumer {
    /// What can be seen of it from outside.
    #[must_use]
    pub fn status(&self) -> Arc<ConsumerStatus> {
        Arc::clone(&self.status)
    }

    /// Hands all partitions over as planned: they are drained, their last offsets committed, and the group is left.
    /// Blocks until that is done, at most the drain's timeout and some seconds: where no broker answers, librdkafka is
    /// left to give up by itself.
    pub fn stop(self) {
        self.end(Command::Stop, self.drain_within + LEAVE_WITHIN);
    }

    fn end(&self, how: Command, within: Duration) {
        // A thread that is gone needs no telling; that it panicked was said through the intake.
        let _ = self.commands.send(how);
        if self.has_ended.recv_timeout(within) == Err(RecvTimeoutError::Timeout) {
            tracing::warn!(target: "almoner::kafka", "the group could not be left in time: its session will lapse");
        }
    }
}

impl Drop for Consumer {
    fn drop(&mut self) {
        self.end(Command::Abort, LEAVE_WITHIN);
    }
}

/// What the consumer's thread is told from outside.
enum Command {
    /// To be committed.
    Commit(Commit, Done<Result<(), CommitError>>),
    /// What the broker said of these commits.
    Committed(Vec<Commit>, Result<(), RDKafkaErrorCode>),
    /// The drain of this number is through.
    Drained(u64),
    /// What the log holds of the partitions of the assignment of this number.
    Ranges(u64, Vec<(i32, LogRange)>),
    /// The logs' ends, in an answer whose question began at this wall time.
    Ends(i64, ByPartition),
    /// The logs' edges.
    Edges(Vec<(i32, LogRange)>),
    /// It cannot go on.
    Fail(String),
    /// Drain all, then end.
    Stop,
    /// End.
    Abort,
}

struct KafkaSource(Sender<Command>);

impl Source for KafkaSource {
    fn commit(&self, commit: Commit, done: Done<Result<(), CommitError>>) {
        // If the thread is gone, the completion comes back in the error, and being dropped it says so.
        let _ = self.0.send(Command::Commit(commit, done));
    }
}

/// One run of the thread.
struct Session {
    options: KafkaOptions,
    commands: Receiver<Command>,
    sender: Sender<Command>,
    clock: Arc<dyn Clock>,
    status: Arc<ConsumerStatus>,
}

impl Session {
    fn run(self, client: &BaseConsumer<GroupEvents>, mut intake: Box<dyn Intake>) {
        let status = Arc::clone(&self.status);
        let ended = catch_unwind(AssertUnwindSafe(|| self.read(client, intake.as_mut())));
        client.context().close(client);
        status.set_assigned(0);
        let reason = match ended {
            Ok(Ok(())) => return,
            Ok(Err(Fatal(reason))) => reason,
            Err(panic) => format!(
                "the consumer's thread panicked: {}",
                panic_text(panic.as_ref())
            ),
        };
        tracing::error!(target: "almoner::kafka", "{reason}");
        // The intake may be what panicked.
        let _ = catch_unwind(AssertUnwindSafe(|| intake.fatal(reason)));
    }

    fn read(
        self,
        client: &BaseConsumer<GroupEvents>,
        intake: &mut dyn Intake,
    ) -> Result<(), Fatal> {
        std::thread::scope(|scope| {
            let topic = &self.options.topics.requests;
            let committer = Committer::start(scope, client, topic, self.sender.clone())?;
            let lookups = Lookups::start(
                scope,
                client,
                topic,
                self.sender.clone(),
                Arc::clone(&self.clock),
            )?;
            let mut reading = Reading::new(client, intake, &self, lookups, committer);
            reading.run()
        })
    }
}

/// What a panic said.
pub(in crate::kafka) fn panic_text(panic: &(dyn std::any::Any + Send)) -> &str {
    panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("it did not say why")
}
