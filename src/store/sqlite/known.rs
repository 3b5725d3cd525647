//! What the writer knows without reading, so that the way of a donation reads nothing.

use std::collections::BTreeMap;
use std::sync::Arc;

use almoner_domain::ids::{DonationId, Shard};
use foldhash::fast::FixedState;
use hashbrown::HashMap;
use rusqlite::Connection;

use super::keys::{Keys, RecentKeys};
use super::rows;
use super::sighted::{self, Sighted};
use super::tail::Tail;

/// What is known of a shard. Its epoch is 0 until it was claimed.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct ShardRow {
    pub(super) epoch: u64,
    pub(super) next_offset: Option<i64>,
    pub(super) stream_ms: i64,
}

/// See the file's head; after a rollback it is read anew.
pub(super) struct Known {
    pub(super) tail: Tail,
    pub(super) keys: Keys,
    pub(super) shards: BTreeMap<Shard, ShardRow>,
    pub(super) log_generation: u32,
    /// What the gateway's list showed of donations that are not accepted yet: empty but after a restore.
    pub(super) sighted: HashMap<DonationId, Sighted, FixedState>,
}

impl Known {
    pub(super) fn load(connection: &Connection, recent: Arc<RecentKeys>) -> rusqlite::Result<Self> {
        let mut statement =
            connection.prepare_cached("SELECT shard, epoch, next_offset, stream_ms FROM shard")?;
        let shards = statement.query_map([], |row| {
            let shard = ShardRow {
                epoch: rows::counter(row, 1)?,
                next_offset: row.get(2)?,
                stream_ms: row.get(3)?,
            };
            Ok((Shard(row.get(0)?), shard))
        })?;
        Ok(Self {
            tail: Tail::load(connection)?,
            keys: Keys::load(connection, recent)?,
            shards: shards.collect::<rusqlite::Result<_>>()?,
            log_generation: connection.query_row(
                "SELECT log_generation FROM store",
                [],
                |row| rows::counter(row, 0),
            )?,
            sighted: sighted::load(connection)?,
        })
    }

    pub(super) fn owns(&self, shard: Shard, epoch: u64) -> bool {
        epoch > 0
            && self
                .shards
                .get(&shard)
                .is_some_and(|row| row.epoch == epoch)
    }
}
