//! What the gateway's list shows, brought into a store that is older than it: nothing is charged that was charged before.

use std::ops::Range;

use almoner_actors::ports::{Done, StoreError};
pub use almoner_actors::restore::{ShardMark, Sighting};
use almoner_domain::ids::{DonationId, Shard};
use foldhash::fast::FixedState;
use hashbrown::HashMap;
use rusqlite::Connection;

use super::ops::{Call, Op};
use super::{BooksError, SqliteStore, folder, schema};

/// A sighting, by its donation.
#[derive(Clone, Debug)]
pub(super) struct Sighted {
    pub(super) intent_id: Box<str>,
    pub(super) is_charged: bool,
}

impl SqliteStore {
    /// The marks of the shards that were ever owned.
    ///
    /// # Errors
    /// The engine's.
    pub fn marks(&self) -> Result<Vec<ShardMark>, BooksError> {
        let connection = schema::open_reader(&folder::database(self.folder.path()))?;
        let mut statement =
            connection.prepare("SELECT shard, next_offset, stream_ms FROM shard ORDER BY shard")?;
        let marks = statement.query_map([], |row| {
            Ok(ShardMark {
                shard: Shard(row.get(0)?),
                next_offset: row.get(1)?,
                stream_ms: row.get(2)?,
            })
        })?;
        Ok(marks.collect::<rusqlite::Result<_>>()?)
    }

    /// Brings in what the gateway's list shows. A donation that is unfinished here goes on from it; one that is not known
    /// yet begins with it when it is accepted, whatever the checks say then; a finished one stays as it is. Done is called
    /// once that is durable; doing it again changes nothing.
    pub fn put_sightings(&self, sightings: Vec<Sighting>, done: Done<Result<(), StoreError>>) {
        self.inbox
            .push(Op::PutSightings(Call::new(sightings, done)));
    }
}

impl SqliteStore {
    /// The log has lost these records of the shard: those of them that are finished here, and may not have been told, are told
    /// from here. Done is called with how many once that is durable; doing it again changes nothing.
    pub fn tell_lost(&self, shard: Shard, lost: Range<i64>, done: Done<Result<u64, StoreError>>) {
        self.inbox
            .push(Op::TellLost(Call::new((shard, lost), done)));
    }
}

pub(super) fn load(
    connection: &Connection,
) -> rusqlite::Result<HashMap<DonationId, Sighted, FixedState>> {
    let mut statement =
        connection.prepare_cached("SELECT id, intent_id, is_charged FROM sighted")?;
    let rows = statement.query_map([], |row| {
        let sighted = Sighted {
            intent_id: row.get(1)?,
            is_charged: row.get(2)?,
        };
        Ok((DonationId(row.get(0)?), sighted))
    })?;
    rows.collect()
}
