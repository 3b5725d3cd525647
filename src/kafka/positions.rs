//! Where the group stands in the logs of the requests, and how it is moved while no instance runs: after a loss that an
//! operator accepts, and after an older store was restored.

use std::time::Duration;

use almoner_actors::ports::LogRange;
use almoner_domain::ids::Shard;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::error::{KafkaError as ClientError, RDKafkaErrorCode};
use rdkafka::{Offset, TopicPartitionList};
use tokio::time::Instant;

use super::client_config::{Role, client_config};
use super::context::PlainContext;
use super::error::KafkaError;
use super::offsets;
use super::options::KafkaOptions;

/// How long the broker may take for an answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);
/// How long after the session timeout it is waited for every partition.
const MEMBER_GRACE: Duration = Duration::from_secs(15);
/// The session of a member that is one for a moment: the least that brokers take by default. librdkafka's mock cluster lets
/// whoever comes after the last member's leaving wait for nearly that member's session.
const MEMBER_SESSION_MS: u32 = 6_000;
/// How long one poll takes at the most.
const POLL: Duration = Duration::from_millis(100);

/// One partition, as the broker has it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Position {
    /// The partition.
    pub shard: Shard,
    /// What the group has committed: the next record that it reads.
    pub committed: Option<i64>,
    /// The log's first offset.
    pub low: i64,
    /// One past the log's last offset.
    pub high: i64,
}

impl Position {
    /// The log, and what is committed of it.
    #[must_use]
    pub fn log(&self) -> LogRange {
        LogRange {
            committed: self.committed,
            low: self.low,
            high: self.high,
        }
    }

    /// The records that the log has dropped before the group has read them: from, to.
    #[must_use]
    pub fn lost(&self) -> Option<(i64, i64)> {
        let from = self.committed.filter(|committed| *committed < self.low)?;
        Some((from, self.low))
    }

    /// What is committed, where that is beyond the log's end: it was committed of another log.
    #[must_use]
    pub fn beyond_end(&self) -> Option<i64> {
        self.committed.filter(|committed| *committed > self.high)
    }
}

/// The positions of a group that no instance is a member of.
pub struct Positions {
    options: KafkaOptions,
    client: BaseConsumer<PlainContext>,
    topic: String,
    partitions: Vec<i32>,
    member_gone_within: Duration,
}

impl Positions {
    /// Of the requests, which have so many partitions. Nothing is asked for yet.
    ///
    /// # Errors
    /// What is wrong with the options.
    pub fn new(options: &KafkaOptions, partitions: u32) -> Result<Self, KafkaError> {
        let session_timeout = Duration::from_millis(options.session_timeout_ms.into());
        Ok(Self {
            options: options.clone(),
            client: client_config(options, Role::Reader)?
                .create_with_context(PlainContext::new())?,
            topic: options.topics.requests.clone(),
            partitions: (0..partitions.cast_signed()).collect(),
            member_gone_within: session_timeout + MEMBER_GRACE,
        })
    }

    /// Every partition's. Blocks while the broker answers.
    ///
    /// # Errors
    /// The broker did not answer.
    pub fn read(&self) -> Result<Vec<Position>, KafkaError> {
        let (topic, partitions) = (self.topic.as_str(), self.partitions.as_slice());
        let ranges = offsets::ranges(&self.client, topic, partitions, ANSWER_WITHIN)?;
        let position = |(partition, log): (i32, LogRange)| Position {
            shard: Shard(partition.cast_unsigned()),
            committed: log.committed,
            low: log.low,
            high: log.high,
        };
        Ok(ranges.into_iter().map(position).collect())
    }

    /// Commits these offsets for the group, forward or back: from outside, where the group is empty and the broker takes
    /// that, else as its only member for a moment. A group keeps the member of a process that was killed until its session
    /// times out: so long this waits.
    ///
    /// # Errors
    /// The broker refused, or somebody else is a member.
    pub fn move_to(&self, offsets: &[(Shard, i64)]) -> Result<(), KafkaError> {
        if offsets.is_empty() {
            return Ok(());
        }
        let mut list = TopicPartitionList::with_capacity(offsets.len());
        for (shard, offset) in offsets {
            let partition = shard.0.cast_signed();
            list.add_partition_offset(&self.topic, partition, Offset::Offset(*offset))?;
        }
        match self.client.commit(&list, CommitMode::Sync) {
            Err(error) if is_rebalancing(&error) => self.move_as_member(&list),
            answer => Ok(answer?),
        }
    }

    fn move_as_member(&self, list: &TopicPartitionList) -> Result<(), KafkaError> {
        let until = Instant::now() + self.member_gone_within;
        let member = self.join(until)?;
        loop {
            match member.commit(list, CommitMode::Sync) {
                Ok(()) => return leave(&member, until),
                Err(error) if is_rebalancing(&error) && Instant::now() < until => {
                    // Only a poll takes part in it. What it reads is read again by whoever comes.
                    let _ = member.poll(POLL);
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// A member that has every partition. Dropped, it leaves.
    fn join(&self, until: Instant) -> Result<BaseConsumer<PlainContext>, KafkaError> {
        let options = KafkaOptions {
            session_timeout_ms: self.options.session_timeout_ms.min(MEMBER_SESSION_MS),
            ..self.options.clone()
        };
        let member: BaseConsumer<PlainContext> =
            client_config(&options, Role::Member)?.create_with_context(PlainContext::new())?;
        member.subscribe(&[&self.topic])?;
        while member.assignment()?.count() < self.partitions.len() {
            if Instant::now() > until {
                return Err(KafkaError::Client(format!(
                    "the group {:?} has another member, so its offsets cannot be moved: stop every instance first",
                    self.options.group_id
                )));
            }
            let _ = member.poll(POLL);
        }
        Ok(member)
    }
}

/// Gives the partitions back, so that whoever comes need not wait for the session's end.
fn leave(member: &BaseConsumer<PlainContext>, until: Instant) -> Result<(), KafkaError> {
    member.unsubscribe();
    while member.assignment()?.count() > 0 && Instant::now() < until {
        let _ = member.poll(POLL);
    }
    Ok(())
}

fn is_rebalancing(error: &ClientError) -> bool {
    matches!(
        error.rdkafka_error_code(),
        Some(
            RDKafkaErrorCode::UnknownMemberId
                | RDKafkaErrorCode::RebalanceInProgress
                | RDKafkaErrorCode::IllegalGeneration
        )
    )
}
