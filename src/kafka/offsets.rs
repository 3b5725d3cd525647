//! Where a topic's logs begin and end, and what the group has committed: each question is one request to each leader,
//! however many partitions there are.

use std::time::Duration;

use almoner_actors::ports::LogRange;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::{KafkaError as ClientError, KafkaResult, RDKafkaErrorCode};
use rdkafka::{Offset, TopicPartitionList};

/// An offset of each partition.
pub(super) type ByPartition = Vec<(i32, i64)>;

const NO_OFFSET: ClientError = ClientError::OffsetFetch(RDKafkaErrorCode::NoOffset);

/// What each log holds, and what the group has committed of it. A partition that the broker leaves out is an error.
pub(super) fn ranges<C: ConsumerContext>(
    client: &BaseConsumer<C>,
    topic: &str,
    partitions: &[i32],
    timeout: Duration,
) -> KafkaResult<Vec<(i32, LogRange)>> {
    let committed = committed(client, topic, partitions, timeout)?;
    let lows = lows(client, topic, partitions, timeout)?;
    let highs = highs(client, topic, partitions, timeout)?;
    let of = |list: &[(i32, i64)], partition: i32| {
        let found = list.iter().find(|(of, _)| *of == partition);
        found.map(|(_, offset)| *offset).ok_or(NO_OFFSET)
    };
    let range = |(partition, committed)| {
        let (low, high) = (of(&lows, partition)?, of(&highs, partition)?);
        let log = LogRange {
            committed,
            low,
            high,
        };
        Ok((partition, log))
    };
    committed.into_iter().map(range).collect()
}

/// The first offset that each log still holds.
pub(super) fn lows<C: ConsumerContext>(
    client: &BaseConsumer<C>,
    topic: &str,
    partitions: &[i32],
    timeout: Duration,
) -> KafkaResult<ByPartition> {
    edges(client, topic, partitions, Offset::Beginning, timeout)
}

/// One past the last offset that each log makes visible.
pub(super) fn highs<C: ConsumerContext>(
    client: &BaseConsumer<C>,
    topic: &str,
    partitions: &[i32],
    timeout: Duration,
) -> KafkaResult<ByPartition> {
    edges(client, topic, partitions, Offset::End, timeout)
}

/// The group's committed offsets, where there are any.
pub(super) fn committed<C: ConsumerContext>(
    client: &BaseConsumer<C>,
    topic: &str,
    partitions: &[i32],
    timeout: Duration,
) -> KafkaResult<Vec<(i32, Option<i64>)>> {
    let mut list = TopicPartitionList::with_capacity(partitions.len());
    for partition in partitions {
        list.add_partition(topic, *partition);
    }
    let answer = client.committed_offsets(list, timeout)?;
    answer
        .elements()
        .iter()
        .map(|element| {
            element.error()?;
            Ok((element.partition(), as_number(element.offset())))
        })
        .collect()
}

// Asked by time: ListOffsets takes "the earliest" and "the latest" in place of a time, on the wire as in librdkafka's own
// question for one partition's watermarks, which would be one request a partition.
fn edges<C: ConsumerContext>(
    client: &BaseConsumer<C>,
    topic: &str,
    partitions: &[i32],
    edge: Offset,
    timeout: Duration,
) -> KafkaResult<ByPartition> {
    if partitions.is_empty() {
        return Ok(Vec::new());
    }
    let mut list = TopicPartitionList::with_capacity(partitions.len());
    for partition in partitions {
        list.add_partition_offset(topic, *partition, edge)?;
    }
    let answer = client.offsets_for_times(list, timeout)?;
    answer
        .elements()
        .iter()
        .map(|element| {
            element.error()?;
            let offset = as_number(element.offset()).ok_or(NO_OFFSET)?;
            Ok((element.partition(), offset))
        })
        .collect()
}

fn as_number(offset: Offset) -> Option<i64> {
    match offset {
        Offset::Offset(number) => Some(number),
        _ => None,
    }
}
