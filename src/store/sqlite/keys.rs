//! Which donation has an id: the permanent keys. The newest are in memory, and go into their table in sorted stretches: ids
//! come late and some are random, so that one at a time nearly each would write a page of its own. A start finds the
//! newest again in the donations' rows, which are durable with their ids.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use almoner_domain::ids::DonationId;
use foldhash::fast::FixedState;
use hashbrown::HashMap;
use rusqlite::{Connection, OptionalExtension};

use super::rows;
use super::statements::Statements;

/// After so many new donations their keys go into the table.
const FOLD_ROWS: i64 = 16_384;

/// Keys that a transaction puts into the table, at least; and twice as many as it accepts, so that this comes to an end.
const STRETCH_KEYS: usize = 512;

/// The keys that the table may not have yet, shared with who reads beside the writer. A row that is found here need not
/// be durable.
#[derive(Default)]
pub(super) struct RecentKeys(Mutex<HashMap<DonationId, i64, FixedState>>);

impl RecentKeys {
    /// Reads the ids of the rows whose keys may not be in the table, in place of what there is; and the first such row.
    pub(super) fn read(&self, connection: &Connection) -> rusqlite::Result<i64> {
        let keyed_below = connection.query_row("SELECT keyed_below FROM store", [], |row| {
            rows::counter(row, 0)
        })?;
        let mut statement =
            connection.prepare_cached("SELECT id, seq FROM donation WHERE seq >= ?1")?;
        let found = statement
            .query_map([keyed_below], |row| {
                Ok((DonationId(row.get(0)?), row.get(1)?))
            })?
            .collect::<rusqlite::Result<_>>()?;
        *self.lock() = found;
        Ok(keyed_below)
    }

    /// The row with this id. If there is none, and the table has none either *in a transaction that begins later*, nobody
    /// has accepted it.
    pub(super) fn row(&self, id: DonationId) -> Option<i64> {
        self.lock().get(&id).copied()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<DonationId, i64, FixedState>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// See the file's head; after a rollback it is read anew.
pub(super) struct Keys {
    recent: Arc<RecentKeys>,
    /// Rows below this one have their keys in the table.
    keyed_below: i64,
    /// What is on its way into the table, the last one first.
    fold: Vec<(DonationId, i64)>,
    /// Rows below this one will be in the table after it.
    fold_below: i64,
    accepted: usize,
}

impl Keys {
    /// Begins with what the database says; nothing is on its way into the table.
    pub(super) fn load(connection: &Connection, recent: Arc<RecentKeys>) -> rusqlite::Result<Self> {
        let keyed_below = recent.read(connection)?;
        Ok(Self {
            recent,
            keyed_below,
            fold: Vec::new(),
            fold_below: keyed_below,
            accepted: 0,
        })
    }

    pub(super) fn recent(&self) -> Arc<RecentKeys> {
        Arc::clone(&self.recent)
    }

    /// The row with this id.
    pub(super) fn row(
        &self,
        statements: &mut Statements<'_>,
        id: DonationId,
    ) -> rusqlite::Result<Option<i64>> {
        match self.recent.row(id) {
            Some(seq) => Ok(Some(seq)),
            None => statements
                .key_row
                .query_row([&id.0[..]], |row| row.get(0))
                .optional(),
        }
    }

    /// This row has this id, which no other has.
    pub(super) fn accepted(&mut self, id: DonationId, seq: i64) {
        self.recent.lock().insert(id, seq);
        self.accepted += 1;
    }

    /// Puts the next stretch into the table, if it is time: the last of a transaction's writes.
    pub(super) fn fold(
        &mut self,
        connection: &Connection,
        statements: &mut Statements<'_>,
        next_seq: i64,
    ) -> rusqlite::Result<()> {
        let stretch = STRETCH_KEYS.max(2 * std::mem::take(&mut self.accepted));
        if self.fold.is_empty() {
            if next_seq - self.keyed_below < FOLD_ROWS {
                return Ok(());
            }
            self.fold
                .extend(self.recent.lock().iter().map(|(id, seq)| (*id, *seq)));
            self.fold.sort_unstable_by(|one, other| other.cmp(one));
            self.fold_below = next_seq;
        }
        for _ in 0..stretch {
            let Some((id, seq)) = self.fold.pop() else {
                break;
            };
            statements.donation_key.execute((&id.0[..], seq))?;
        }
        if self.fold.is_empty() {
            connection
                .prepare_cached("UPDATE store SET keyed_below = ?1")?
                .execute([self.fold_below])?;
        }
        Ok(())
    }

    /// The transaction is durable: what the table has need not be kept.
    pub(super) fn committed(&mut self) {
        if self.fold.is_empty() && self.keyed_below < self.fold_below {
            self.keyed_below = self.fold_below;
            let below = self.keyed_below;
            self.recent.lock().retain(|_, seq| *seq >= below);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::schema;
    use super::*;

    /// An id of a time, or a random one.
    fn id(n: i64) -> DonationId {
        DonationId(
            (n as u128)
                .wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835)
                .to_be_bytes(),
        )
    }

    /// Accepts a row in a transaction, or in one that is undone.
    fn accept(connection: &Connection, keys: &mut Keys, n: i64, is_kept: bool) {
        let mut statements = Statements::prepare(connection).unwrap();
        connection.execute_batch("BEGIN IMMEDIATE").unwrap();
        connection
            .prepare_cached(
                "INSERT INTO donation (seq, shard, recorded_at_ms, id, user_id, campaign_id, amount_minor, currency, \
                 payment_method, body_version, accepted_at_ms, epoch, topic, \"partition\", \"offset\") \
                 VALUES (?1, 0, 0, ?2, '', '', 1, 'EUR', '', 1, 0, 1, '', 0, 0)",
            )
            .unwrap()
            .execute((n, &id(n).0[..]))
            .unwrap();
        assert_eq!(keys.row(&mut statements, id(n)).unwrap(), None);
        keys.accepted(id(n), n);
        keys.fold(connection, &mut statements, n + 1).unwrap();
        if is_kept {
            connection.execute_batch("COMMIT").unwrap();
            keys.committed();
        } else {
            connection.execute_batch("ROLLBACK").unwrap();
            *keys = Keys::load(connection, keys.recent()).unwrap();
        }
    }

    #[test]
    fn every_key_is_found_wherever_it_is_and_after_a_start() {
        let folder = tempfile::tempdir().unwrap();
        let connection = schema::open_writer(&folder.path().join("db"), true).unwrap();
        connection
            .pragma_update(None, "synchronous", "OFF")
            .unwrap();
        let mut keys = Keys::load(&connection, Arc::default()).unwrap();
        let last = FOLD_ROWS + 80;
        for n in 1..=last {
            // Before, in and after the fold.
            let is_undone = n % 5_000 == 0 || n == FOLD_ROWS + 10;
            if is_undone {
                accept(&connection, &mut keys, n, false);
            }
            accept(&connection, &mut keys, n, true);
        }
        assert!(keys.keyed_below > FOLD_ROWS, "the fold came to its end");
        assert!(
            keys.recent.lock().len() < 100,
            "and what it wrote is not kept"
        );
        let mut statements = Statements::prepare(&connection).unwrap();
        let mut check = |keys: &Keys| {
            for n in (1..=last).step_by(7).chain(last - 90..=last) {
                assert_eq!(keys.row(&mut statements, id(n)).unwrap(), Some(n));
            }
            assert_eq!(keys.row(&mut statements, id(last + 1)).unwrap(), None);
        };
        check(&keys);
        check(&Keys::load(&connection, Arc::default()).unwrap());
    }
}
