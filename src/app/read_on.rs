//! Where the group reads on, moved while no instance runs: the store and the broker are to agree on it.

use almoner_actors::ports::{MarkWrite, Marked, Store, StoreError};
use almoner_domain::ids::Shard;

use crate::kafka::error::KafkaError;
use crate::kafka::positions::Positions;
use crate::store::wait::answered;

/// Has the group read on from these offsets, and the store take all below them for done. The store first: a mark that is
/// ahead of the broker's offset is what a crash between the two leaves as well. Blocks.
///
/// # Errors
/// The store or the broker did not take it; it can be done again.
pub(crate) fn read_on_from<E>(
    store: &dyn Store,
    positions: &Positions,
    starts: &[(Shard, i64)],
) -> Result<(), E>
where
    E: From<StoreError> + From<KafkaError>,
{
    for (shard, next_offset) in starts {
        mark(store, *shard, *next_offset)?;
    }
    Ok(positions.move_to(starts)?)
}

/// The store takes all below for done, as a new owner of the shard.
pub(super) fn mark(store: &dyn Store, shard: Shard, next_offset: i64) -> Result<(), StoreError> {
    let claimed = answered(|done| store.claim(shard, done))?;
    let write = MarkWrite {
        shard,
        epoch: claimed.epoch,
        next_offset,
        stream_ms: claimed.stream_ms,
    };
    match answered(|done| store.mark(write, done))? {
        Marked::Done => Ok(()),
        Marked::Fenced => Err(StoreError::Stopped), // nobody else can have the folder
    }
}
