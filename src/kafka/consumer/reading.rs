//! The consumer's loop: while the intake has credit, poll and offer; without credit, hardly poll. In between, what came
//! up is seen to: commands, commits, changes of the assignment (`handover`), quiet partitions (`ends`).

mod ends;
mod handover;

use std::collections::VecDeque;
use std::sync::mpsc::RecvTimeoutError;
use std::time::Duration;

use almoner_actors::ports::{Admission, CommitError, Intake, RawRecord, TimestampType};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError as ClientError, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Message};
use rdkafka::{Offset, Timestamp, TopicPartitionList};
use tokio::time::Instant;

use super::commits::Commits;
use super::committer::Committer;
use super::events::{Event, GroupEvents};
use super::lookups::Lookups;
use super::partitions::{Partitions, Stage, shard};
use super::{Command, Session};
use crate::kafka::headers;
use crate::kafka::troubles::{Doing, is_refusal};
use handover::Handover;

/// After so many records the batch is handed on, and the rest is seen to.
const BATCH_RECORDS: usize = 500;
/// How long a poll waits when there is nothing to read: also how long a command waits at most.
const IDLE_POLL: Duration = Duration::from_millis(20);
/// How often credit is looked for when there is none: what has come back by then is read as one batch.
const CREDIT_CHECK: Duration = Duration::from_millis(4);
/// How often callbacks are served while there is no credit: each time, a record may come along.
const CALLBACK_POLL: Duration = Duration::from_millis(100);
/// After so long without credit the partitions are paused. Not sooner: pausing throws away what was fetched.
const SATURATED_AFTER: Duration = Duration::from_secs(3);

/// Why the consumer cannot go on.
pub(super) struct Fatal(pub(super) String);

impl Fatal {
    /// What the client died of.
    fn of_client(code: RDKafkaErrorCode, reason: &str) -> Self {
        Self(match code {
            RDKafkaErrorCode::FencedInstanceId => {
                "another process has joined the group under our kafka.instance_id, and \
                this one is out: give each instance a name of its own"
                    .to_owned()
            }
            _ => format!("the Kafka client cannot go on: {reason} ({code})"),
        })
    }
}

/// The state of the loop.
pub(super) struct Reading<'c, 'i> {
    client: &'c BaseConsumer<GroupEvents>,
    intake: &'i mut dyn Intake,
    session: &'i Session,
    lookups: Lookups,
    committer: Committer,
    partitions: Partitions,
    commits: Commits,
    /// Records that were polled and not taken yet, in order.
    aside: VecDeque<BorrowedMessage<'c>>,
    saturation: Saturation,
    handover: Handover,
    ends_asked_at: Instant,
}

/// How long there has been no credit.
struct Saturation {
    since: Option<Instant>,
    polled_at: Instant,
    is_paused: bool,
}

impl<'c, 'i> Reading<'c, 'i> {
    pub(super) fn new(
        client: &'c BaseConsumer<GroupEvents>,
        intake: &'i mut dyn Intake,
        session: &'i Session,
        lookups: Lookups,
        committer: Committer,
    ) -> Self {
        let now = Instant::now();
        let answer_within =
            Duration::from_millis(2 * u64::from(session.options.session_timeout_ms));
        Self {
            client,
            intake,
            session,
            lookups,
            committer,
            partitions: Partitions::default(),
            commits: Commits::new(answer_within),
            aside: VecDeque::new(),
            saturation: Saturation {
                since: None,
                polled_at: now,
                is_paused: false,
            },
            handover: Handover::default(),
            ends_asked_at: now,
        }
    }

    /// Reads until stopped; then, however that came, nothing is ours any more.
    pub(super) fn run(&mut self) -> Result<(), Fatal> {
        let ended = self.rounds();
        let left = self.partitions.which(|_| true);
        self.lose(&left);
        ended
    }

    fn rounds(&mut self) -> Result<(), Fatal> {
        loop {
            self.session.status.beat();
            while let Ok(command) = self.session.commands.try_recv() {
                self.obey(command)?;
            }
            self.serve_events();
            self.hand_over_partitions()?;
            self.ask_ends();
            self.send_commits();
            if self.handover.is_over() {
                return Ok(());
            }
            if self.intake.has_credit() {
                self.end_saturation();
                self.read_batch()?;
            } else {
                self.wait_for_credit()?;
            }
        }
    }

    fn obey(&mut self, command: Command) -> Result<(), Fatal> {
        match command {
            Command::Commit(commit, done) => {
                let partition = commit.shard.0.cast_signed();
                if self.partitions.get(partition).is_some() {
                    self.commits.ask(commit, Some(done));
                } else {
                    done.call(Err(CommitError::NotOurs));
                }
            }
            Command::Committed(batch, answer) => {
                let troubles = self.session.status.troubles();
                match answer {
                    Ok(()) => troubles.end(Doing::Requests),
                    Err(code) if is_refusal(code) => {
                        troubles.begin(Doing::Requests, code, &code.to_string());
                    }
                    Err(_) => {}
                }
                for commit in batch {
                    self.commits.answered(commit, answer);
                }
            }
            Command::Drained(drain) => self.handover.drained(drain, Instant::now()),
            Command::Ranges(assignment, ranges) => self.take_assignment(assignment, &ranges)?,
            Command::Ends(asked_wall_ms, ends) => self.tell_ends(asked_wall_ms, &ends),
            Command::Edges(ranges) => self.stop_lost_partitions(&ranges)?,
            Command::Fail(reason) => return Err(Fatal(reason)),
            Command::Stop => self.hand_all_over(),
            Command::Abort => self.handover.abort(),
        }
        Ok(())
    }

    fn serve_events(&mut self) {
        for event in self.client.context().take() {
            match event {
                Event::Assign(partitions) => self.assigned(partitions),
                Event::Revoke(partitions) => self.revoked(partitions),
            }
        }
    }

    fn send_commits(&mut self) {
        if let Some(batch) = self.commits.next(Instant::now()) {
            self.committer.send(batch);
        }
    }

    fn read_batch(&mut self) -> Result<(), Fatal> {
        let mut is_idle = false;
        for _ in 0..BATCH_RECORDS {
            if !self.intake.has_credit() {
                break;
            }
            let record = match self.aside.pop_front() {
                Some(record) => record,
                None => match self.poll(Duration::ZERO)? {
                    Some(record) => record,
                    None => {
                        is_idle = true;
                        break;
                    }
                },
            };
            if !self.offer(record) {
                break;
            }
        }
        self.intake.flush();
        if is_idle && let Some(record) = self.poll(IDLE_POLL)? {
            self.aside.push_back(record);
        }
        Ok(())
    }

    fn wait_for_credit(&mut self) -> Result<(), Fatal> {
        let now = Instant::now();
        let since = *self.saturation.since.get_or_insert(now);
        if !self.saturation.is_paused && now.duration_since(since) >= SATURATED_AFTER {
            self.saturation.is_paused = true;
            self.pause(
                &self
                    .partitions
                    .which(|partition| partition.stage == Stage::Reading),
            );
        }
        if now.duration_since(self.saturation.polled_at) >= CALLBACK_POLL {
            self.saturation.polled_at = now;
            if let Some(record) = self.poll(Duration::ZERO)? {
                self.aside.push_back(record);
            }
        }
        match self.session.commands.recv_timeout(CREDIT_CHECK) {
            Ok(command) => self.obey(command),
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => Ok(()),
        }
    }

    fn end_saturation(&mut self) {
        self.saturation.since = None;
        if std::mem::take(&mut self.saturation.is_paused) {
            self.resume(
                &self
                    .partitions
                    .which(|partition| partition.stage == Stage::Reading),
            );
        }
    }

    /// Offers a record; whether there may be another one. What is not ours to read is dropped.
    fn offer(&mut self, record: BorrowedMessage<'c>) -> bool {
        let Some(partition) = self.partitions.get_mut(record.partition()) else {
            return true;
        };
        if partition.stage != Stage::Reading {
            return true;
        }
        partition.is_quiet = false;
        match self
            .intake
            .offer(&raw(&record, &self.session.options.topics.requests))
        {
            Admission::Taken | Admission::Closed => true,
            Admission::NoCredit => {
                self.aside.push_front(record);
                false
            }
        }
    }

    fn poll(&mut self, timeout: Duration) -> Result<Option<BorrowedMessage<'c>>, Fatal> {
        match self.client.poll(timeout) {
            None => Ok(None),
            Some(Ok(record)) => Ok(Some(record)),
            Some(Err(error)) => self.on_error(&error).map(|()| None),
        }
    }

    // The context has logged and counted it.
    fn on_error(&mut self, error: &ClientError) -> Result<(), Fatal> {
        if let Some((code, reason)) = self.client.client().fatal_error() {
            return Err(Fatal::of_client(code, &reason));
        }
        match error {
            ClientError::MessageConsumptionFatal(code) => {
                Err(Fatal(format!("the Kafka client cannot go on: {code}")))
            }
            // It does not say of which partition.
            ClientError::MessageConsumption(
                RDKafkaErrorCode::AutoOffsetReset | RDKafkaErrorCode::OffsetOutOfRange,
            ) => {
                self.lookups.ask_edges(
                    self.partitions
                        .which(|partition| partition.stage == Stage::Reading),
                );
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn pause(&self, partitions: &[i32]) {
        if !partitions.is_empty()
            && let Err(error) = self.client.pause(&self.list(partitions))
        {
            tracing::warn!(target: "almoner::kafka", "partitions {partitions:?} cannot be paused: {error}");
        }
    }

    fn resume(&self, partitions: &[i32]) {
        if !partitions.is_empty()
            && let Err(error) = self.client.resume(&self.list(partitions))
        {
            tracing::warn!(target: "almoner::kafka", "partitions {partitions:?} cannot be resumed: {error}");
        }
    }

    fn list(&self, partitions: &[i32]) -> TopicPartitionList {
        let mut list = TopicPartitionList::with_capacity(partitions.len());
        for partition in partitions {
            list.add_partition(&self.session.options.topics.requests, *partition);
        }
        list
    }

    fn offsets(&self, offsets: impl Iterator<Item = (i32, i64)>) -> TopicPartitionList {
        let mut list = TopicPartitionList::new();
        for (partition, offset) in offsets {
            // It fails only for offsets that no log has.
            let _ = list.add_partition_offset(
                &self.session.options.topics.requests,
                partition,
                Offset::Offset(offset),
            );
        }
        list
    }
}

fn raw<'m>(record: &'m BorrowedMessage<'_>, topic: &'m str) -> RawRecord<'m> {
    let (timestamp_ms, timestamp_type) = match record.timestamp() {
        Timestamp::LogAppendTime(ms) => (ms, TimestampType::LogAppendTime),
        Timestamp::CreateTime(ms) => (ms, TimestampType::CreateTime),
        Timestamp::NotAvailable => (0, TimestampType::Missing),
    };
    RawRecord {
        topic,
        shard: shard(record.partition()),
        offset: record.offset(),
        timestamp_ms,
        timestamp_type,
        key: record.key(),
        value: record.payload(),
        headers: headers::readable(record),
    }
}
