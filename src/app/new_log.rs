//! `--new-log`: the requests topic was made anew. What store and group know of the old log's offsets is dropped, and this one
//! is read whole.

use hashbrown::HashMap;

use super::StartError;
use super::read_on::mark;
use crate::kafka::options::KafkaOptions;
use crate::kafka::positions::{Position, Positions};
use crate::store::ServiceStore;
use crate::store::sqlite::ShardMark;
use crate::store::wait::answered;

/// Blocks; broken off, it is begun anew. Done before, it changes nothing: the flag may stay where it is.
pub(super) fn begin(
    store: &ServiceStore,
    kafka: &KafkaOptions,
    partitions: u32,
) -> Result<(), StartError> {
    let positions = Positions::new(kafka, partitions)?;
    let now = positions.read()?;
    let marks = store.marks()?;
    if !is_another_log(&now, &marks) {
        tracing::info!("--new-log: it is the log that the store knows; nothing is to be done");
        return Ok(());
    }
    tracing::warn!(
        "--new-log: what is known of the old log's offsets is dropped, and this one is read whole"
    );
    read_whole(store, &positions, &now)
}

/// Whether a partition ends before what is done, or stands where the group has never been; or this was broken off.
fn is_another_log(now: &[Position], marks: &[ShardMark]) -> bool {
    let marks: HashMap<_, _> = marks.iter().map(|it| (it.shard, it.next_offset)).collect();
    now.iter().any(|it| {
        let marked = marks.get(&it.shard).copied().flatten();
        match (it.committed, marked) {
            (None, marked) => marked.is_some(),
            (Some(committed), Some(marked)) => committed.max(marked) > it.high,
            (Some(committed), None) => committed > it.high || (committed == it.low && it.low > 0),
        }
    })
}

/// The group first: that the marks are of another log still shows then.
fn read_whole(
    store: &ServiceStore,
    positions: &Positions,
    now: &[Position],
) -> Result<(), StartError> {
    let known = now.iter().filter(|it| it.committed.is_some());
    let starts: Vec<_> = known.map(|it| (it.shard, it.low)).collect();
    positions.move_to(&starts)?;
    answered(|done| store.raise_log_generation(done))?;
    for (shard, low) in starts {
        mark(store, shard, low)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use almoner_domain::ids::Shard;

    use super::*;

    fn check(committed: Option<i64>, marked: Option<i64>, expected: bool) {
        let position = Position {
            shard: Shard(0),
            committed,
            low: 5,
            high: 9,
        };
        let mark = ShardMark {
            shard: Shard(0),
            next_offset: marked,
            stream_ms: 0,
        };
        let found = is_another_log(&[position], &[mark]);
        assert_eq!(found, expected, "{committed:?}, {marked:?}");
    }

    #[test]
    fn another_log_contradicts_what_is_done() {
        check(Some(7), Some(10), true);
        check(Some(10), Some(7), true);
        check(Some(10), None, true);
        check(None, Some(7), true);
        check(Some(5), None, true); // moved, and not marked
    }

    #[test]
    fn the_log_that_the_store_knows_does_not() {
        check(None, None, false);
        check(Some(7), Some(8), false);
        check(Some(9), Some(9), false);
        check(Some(5), Some(5), false);
        check(Some(7), None, false); // an older store, which is refused
    }
}
