//! The side that a source calls: what it was assigned, what it read, what it lost.

use almoner_domain::ids::Shard;

use super::Done;

/// Where a record's timestamp comes from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TimestampType {
    /// A client's clock: it counts for nothing, the record counts by arrival.
    CreateTime,
    /// The broker's clock: stream time.
    LogAppendTime,
    /// None was given.
    Missing,
}

/// One header of a record: a name and maybe a value.
pub type Header<'a> = (&'a str, Option<&'a [u8]>);

/// One record as it was read, borrowed from the source's buffer.
#[derive(Clone, Debug)]
pub struct RawRecord<'a> {
    /// Its topic.
    pub topic: &'a str,
    /// Its partition, which is the shard that reads it.
    pub shard: Shard,
    /// Its offset.
    pub offset: i64,
    /// Milliseconds since 1970.
    pub timestamp_ms: i64,
    /// Whose clock that is.
    pub timestamp_type: TimestampType,
    /// The key, if it has one.
    pub key: Option<&'a [u8]>,
    /// The value; none is a tombstone.
    pub value: Option<&'a [u8]>,
    /// The headers in order.
    pub headers: Vec<Header<'a>>,
}

/// What became of an offered record.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Admission {
    /// It is on its way to its shard.
    Taken,
    /// Too much is in flight: do not poll; the record was not taken and is offered again.
    NoCredit,
    /// The shard is not ours, or not any more: drop the record.
    Closed,
}

/// What the log holds of a partition at its assignment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LogRange {
    /// The committed offset of the group, if there is one: where reading begins.
    pub committed: Option<i64>,
    /// The log's first offset.
    pub low: i64,
    /// One past the log's last offset.
    pub high: i64,
}

/// What a source calls, from its own thread. No call blocks.
pub trait Intake: Send {
    /// The partition is ours from now on. Reading begins at the committed offset, else at the log's start.
    fn assigned(&mut self, shard: Shard, log: LogRange);

    /// Whether another record would be taken.
    fn has_credit(&self) -> bool;

    /// One record, in the order of its partition. It is handed on by the next [`Intake::flush`] at the latest.
    fn offer(&mut self, record: &RawRecord<'_>) -> Admission;

    /// Hands on what was offered: call it when a batch is through, and before waiting.
    fn flush(&mut self);

    /// The log of the partition ended where reading stood, in an answer whose question began at `asked_wall_ms`: so a
    /// quiet partition's stream time moves on.
    fn at_end(&mut self, shard: Shard, next_offset: i64, asked_wall_ms: i64);

    /// A planned handover: the partitions are drained; `done` is called when their last commit was acknowledged, or at
    /// the drain's deadline. The source goes on serving commits meanwhile, then lets the partitions go.
    fn revoke(&mut self, shards: &[Shard], done: Done<()>);

    /// The partitions were lost: whatever was in flight there is dropped, and nothing of it is committed.
    fn lost(&mut self, shards: &[Shard]);

    /// The source cannot go on (a fatal error of the client): say so, and stop with a code that a restart may cure.
    fn fatal(&mut self, reason: String);
}
