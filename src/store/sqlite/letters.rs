//! Dead letters that are too large for the broker, kept whole: rare, and read by people.

use almoner_actors::ports::{Done, KeptLetter, Letters, OwnedHeader, StoreError};
use almoner_domain::ids::Place;
use rusqlite::{Connection, Row};

use super::ops::{Call, Op};
use super::{Books, BooksError, SqliteStore, rows};

/// A kept letter without its content.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LetterLine {
    /// Where the record was read.
    pub place: Place,
    /// The length of its value.
    pub value_bytes: u64,
    /// Its headers, those of a dead letter included.
    pub headers: Vec<OwnedHeader>,
}

impl Letters for SqliteStore {
    fn keep_letter(&self, letter: KeptLetter, done: Done<Result<(), StoreError>>) {
        self.inbox
            .push(Op::KeepLetter(Box::new(Call::new(letter, done))));
    }
}

pub(super) fn insert(connection: &Connection, letter: &KeptLetter) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "INSERT INTO dead_letter (topic, \"partition\", \"offset\", sha256, key, value, headers) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) \
             ON CONFLICT (topic, \"partition\", \"offset\", sha256) DO NOTHING",
        )?
        .execute((
            &letter.place.topic,
            letter.place.partition,
            letter.place.offset,
            letter.sha256,
            letter.key.as_deref(),
            letter.value.as_deref(),
            rows::to_blob(&letter.headers)?,
        ))?;
    Ok(())
}

impl Books {
    /// Gives `each` every kept letter, the oldest first.
    ///
    /// # Errors
    /// The engine's.
    pub fn each_letter(&self, mut each: impl FnMut(LetterLine)) -> Result<(), BooksError> {
        let mut statement = self.main.prepare(
            "SELECT topic, \"partition\", \"offset\", coalesce(length(value), 0), headers \
             FROM dead_letter ORDER BY n",
        )?;
        let mut found = statement.query([])?;
        while let Some(row) = found.next()? {
            each(line(row)?);
        }
        Ok(())
    }

    /// The letters that were read at this place: more than one only if there was more than one log.
    ///
    /// # Errors
    /// The engine's.
    pub fn letters_at(&self, place: &Place) -> Result<Vec<KeptLetter>, BooksError> {
        let mut statement = self.main.prepare(
            "SELECT topic, \"partition\", \"offset\", sha256, key, value, headers FROM dead_letter \
             WHERE topic = ?1 AND \"partition\" = ?2 AND \"offset\" = ?3 ORDER BY n",
        )?;
        let at = (&place.topic, place.partition, place.offset);
        let letters = statement.query_map(at, |row| {
            Ok(KeptLetter {
                place: rows::place(row, 0)?,
                sha256: row.get(3)?,
                key: row.get(4)?,
                value: row.get(5)?,
                headers: rows::blob(row.get_ref(6)?.as_blob()?, 6)?,
            })
        })?;
        Ok(letters.collect::<Result<_, _>>()?)
    }
}

fn line(row: &Row<'_>) -> rusqlite::Result<LetterLine> {
    Ok(LetterLine {
        place: rows::place(row, 0)?,
        value_bytes: row.get::<_, i64>(3)?.unsigned_abs(),
        headers: rows::blob(row.get_ref(4)?.as_blob()?, 4)?,
    })
}
