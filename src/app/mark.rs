//! Moves a shard's mark while no instance runs.

use std::sync::mpsc;

use almoner_actors::ports::{Done, Dropped, MarkWrite, Marked, Store, StoreError};
use almoner_domain::ids::Shard;

use crate::store::sqlite::SqliteStore;

/// The store takes all below for done, as a new owner of the shard. Blocks.
///
/// # Errors
/// The store's.
pub(crate) fn mark(store: &SqliteStore, shard: Shard, next_offset: i64) -> Result<(), StoreError> {
    let claimed = answer(|done| store.claim(shard, done))?;
    let write = MarkWrite {
        shard,
        epoch: claimed.epoch,
        next_offset,
        stream_ms: claimed.stream_ms,
    };
    match answer(|done| store.mark(write, done))? {
        Marked::Done => Ok(()),
        Marked::Fenced => Err(StoreError::Stopped), // nobody else can have the folder
    }
}

/// Waits for a call's answer.
///
/// # Errors
/// The store's.
pub(super) fn answer<T>(call: impl FnOnce(Done<Result<T, StoreError>>)) -> Result<T, StoreError>
where
    T: Send + 'static,
    Result<T, StoreError>: Dropped,
{
    let (sender, answered) = mpsc::channel();
    call(Done::new(move |result| {
        // The receiver waits below.
        let _ = sender.send(result);
    }));
    answered.recv().unwrap_or(Err(StoreError::Stopped))
}
