//! Dead letters that are too large for the broker, kept whole: in parts, since a server bounds what one write may hold.

use almoner_actors::ports::{KeptLetter, OwnedHeader, StoreError};
use almoner_domain::ids::Place;
use scylla::DeserializeRow;
use scylla::value::CqlTimeuuid;

use super::core::Core;
use super::db::{Applied, unanswered, unreadable};
use super::rows::{from_blob, to_blob};
use super::shards::TRIES;

/// The bytes of a part: far below what a server takes at once (16 MiB by default, half of a commit log segment).
const PART_BYTES: usize = 256 * 1024;

#[derive(DeserializeRow, Debug)]
struct LetterRow {
    topic: String,
    partition: i32,
    record_offset: i64,
    sha256: Vec<u8>,
    letter_key: Option<Vec<u8>>,
    headers: Vec<u8>,
    /// None where the record had no value.
    value_bytes: Option<i64>,
    kept_at: CqlTimeuuid,
}

impl Core {
    /// Its parts first: a letter that has its row is whole.
    pub(super) async fn keep_letter(&self, letter: &KeptLetter) -> Result<(), StoreError> {
        let statements = &self.db.statements;
        let place = &letter.place;
        let (topic, partition) = (&*place.topic, place.partition.cast_signed());
        let parts = letter.value.as_deref().unwrap_or_default();
        for (part, content) in (0i32..).zip(parts.chunks(PART_BYTES)) {
            let sha256 = &letter.sha256[..];
            let values = (topic, partition, place.offset, sha256, part, content);
            self.db.upsert(&statements.new_letter_part, values).await?;
        }
        let values = (
            topic,
            partition,
            place.offset,
            &letter.sha256[..],
            letter.key.as_deref(),
            to_blob(&letter.headers)?,
            letter.value.as_ref().map(|value| value.len() as i64),
        );
        let mut lost = unanswered("no answer");
        for _ in 0..TRIES {
            match self.db.conditional(&statements.new_letter, &values).await? {
                Applied::Yes | Applied::No => return Ok(()),
                Applied::Unknown(error) => lost = error,
            }
        }
        Err(lost)
    }

    /// All letters, the oldest first.
    pub(super) async fn letters(&self) -> Result<Vec<KeptLetter>, StoreError> {
        let mut rows = Vec::new();
        let statements = &self.db.statements;
        self.db
            .each(&statements.every_letter, (), |row: LetterRow| {
                rows.push(row);
                Ok(())
            })
            .await?;
        rows.sort_by_key(|row| row.kept_at);
        let mut letters = Vec::with_capacity(rows.len());
        for row in rows {
            letters.push(self.letter(row).await?);
        }
        Ok(letters)
    }

    async fn letter(&self, row: LetterRow) -> Result<KeptLetter, StoreError> {
        let values = (
            row.topic.as_str(),
            row.partition,
            row.record_offset,
            row.sha256.as_slice(),
        );
        let parts = &self.db.statements.letter_parts;
        let parts: Vec<(Vec<u8>,)> = self.db.read(parts, values).await?;
        let value = parts.into_iter().flat_map(|part| part.0).collect();
        let headers: Vec<OwnedHeader> = from_blob(&row.headers)?;
        Ok(KeptLetter {
            place: Place {
                topic: row.topic.as_str().into(),
                partition: row.partition.cast_unsigned(),
                offset: row.record_offset,
            },
            sha256: row
                .sha256
                .try_into()
                .map_err(|_| unreadable("not a SHA-256"))?,
            key: row.letter_key.map(Into::into),
            value: row.value_bytes.map(|_| value),
            headers,
        })
    }
}
