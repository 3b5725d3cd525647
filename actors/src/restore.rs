//! What a restored store has to learn before it goes on: of which partitions it knows less than the log, and which intents
//! of the gateway's list it must know. Nothing here reads or writes: adapters do, and simulated histories.

use almoner_domain::donation::Rules;
use almoner_domain::ids::{DonationId, Shard};
use foldhash::fast::FixedState;
use hashbrown::HashMap;

use crate::ports::LogRange;

/// The gateway's clock may be so much behind the broker's.
const CLOCK_SLACK_S: i64 = 3_600;

/// How far a shard is done, as the store knows it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ShardMark {
    /// The shard.
    pub shard: Shard,
    /// All offsets below have their fate; none if nothing was marked.
    pub next_offset: Option<i64>,
    /// Its stream time then, milliseconds since 1970.
    pub stream_ms: i64,
}

/// A partition of which more is committed than the store knows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Older {
    /// Which.
    pub shard: Shard,
    /// Where it is read from again.
    pub next_offset: i64,
    /// The store's stream time there; none if it knows nothing of the partition.
    pub since_ms: Option<i64>,
}

/// The partition, if more of it is committed than the store knows. Of one that it knows nothing of, all that the log still
/// holds is read; but what the log dropped before anybody read it stays a loss, which is for a person to accept.
#[must_use]
pub fn older(shard: Shard, log: &LogRange, mark: Option<&ShardMark>) -> Option<Older> {
    let marked = mark.and_then(|mark| mark.next_offset);
    let committed = log.committed?;
    (committed > marked.unwrap_or(0)).then(|| Older {
        shard,
        next_offset: marked.unwrap_or(log.low.min(committed)),
        since_ms: mark.filter(|_| marked.is_some()).map(|mark| mark.stream_ms),
    })
}

/// From when on the gateway's list is read, seconds since 1970; from its beginning, if of some partition nothing is known, or
/// nothing but where it begins. It is read also where nothing was committed since the copy was made: what was sent since then
/// for records that are not committed is in no book either.
#[must_use]
pub fn since_s(older: &[Older], marks: &[ShardMark]) -> Option<i64> {
    let since_ms = match older {
        // No mark is younger than the copy.
        [] => (marks.iter().filter(|it| it.next_offset.is_some()))
            .map(|it| it.stream_ms)
            .max()?,
        older => {
            let since = older.iter().map(|it| it.since_ms);
            since.collect::<Option<Vec<_>>>()?.into_iter().min()?
        }
    };
    let since_s = since_ms.div_euclid(1_000).saturating_sub(CLOCK_SLACK_S);
    Some(since_s.max(0))
}

/// An intent that the gateway's list shows, of a donation of which this store may know less.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Sighting {
    /// The donation.
    pub donation_id: DonationId,
    /// Its intent.
    pub intent_id: Box<str>,
    /// Whether it was charged. If not, its key must be dead: it is cancelled, never charged.
    pub is_charged: bool,
}

/// What became of a listed intent. Of several intents of one donation the highest is kept to.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Rank {
    /// No money moved.
    NotCharged,
    /// It was charged, and all of it given back.
    Refunded,
    /// It was charged, and not all given back.
    Charged,
}

/// What the list shows of one donation.
struct Seen {
    intent_id: Box<str>,
    created_s: i64,
    rank: Rank,
}

/// What the list shows, by donation.
#[derive(Default)]
pub struct Sightings {
    seen: HashMap<DonationId, Seen, FixedState>,
}

impl Sightings {
    /// The list shows this intent, created at `created_s`, seconds since 1970. The newest come first.
    pub fn note(&mut self, id: DonationId, intent_id: Box<str>, created_s: i64, rank: Rank) {
        let known = self.seen.get(&id).map(|seen| seen.rank);
        if known.is_none_or(|known| known < rank) {
            let seen = Seen {
                intent_id,
                created_s,
                rank,
            };
            self.seen.insert(id, seen);
        }
    }

    /// What the store has to know. What was not charged is asked again by its key, which answers as it did, as long as it
    /// lives: such an intent counts only once its key is dead. `now_ms` is of the wall clock.
    #[must_use]
    pub fn wanted(self, now_ms: i64, rules: &Rules) -> Vec<Sighting> {
        let is_wanted = |seen: &Seen| {
            let age_ms = now_ms.saturating_sub(seen.created_s.saturating_mul(1_000));
            seen.rank > Rank::NotCharged || age_ms >= rules.key_usable_ms()
        };
        let wanted = self.seen.into_iter().filter(|(_, seen)| is_wanted(seen));
        let sighting = |(donation_id, seen): (DonationId, Seen)| Sighting {
            donation_id,
            intent_id: seen.intent_id,
            is_charged: seen.rank > Rank::NotCharged,
        };
        wanted.map(sighting).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log(committed: Option<i64>) -> LogRange {
        LogRange {
            committed,
            low: 2,
            high: 100,
        }
    }

    fn mark(shard: u32, next_offset: Option<i64>, stream_ms: i64) -> ShardMark {
        ShardMark {
            shard: Shard(shard),
            next_offset,
            stream_ms,
        }
    }

    /// Where each partition is read from again, and from when on the list is read.
    fn check(
        committed: &[Option<i64>],
        marks: &[ShardMark],
        starts: &[(u32, i64)],
        from_s: Option<i64>,
    ) {
        let shards = committed.iter().enumerate();
        let all: Vec<_> = shards
            .filter_map(|(shard, committed)| {
                let shard = Shard(shard as u32);
                let mark = marks.iter().find(|mark| mark.shard == shard);
                older(shard, &log(*committed), mark)
            })
            .collect();
        let found: Vec<_> = all.iter().map(|it| (it.shard.0, it.next_offset)).collect();
        assert_eq!((found.as_slice(), since_s(&all, marks)), (starts, from_s));
    }

    #[test]
    fn what_was_sent_and_not_committed_is_looked_for_since_the_copy() {
        let all = [mark(0, Some(7), 9_000_000), mark(1, Some(5), 8_000_000)];
        check(&[Some(7), Some(5)], &all, &[], Some(9_000 - CLOCK_SLACK_S));
        check(&[Some(7), None], &all, &[], Some(9_000 - CLOCK_SLACK_S));
        check(&[None], &[mark(0, None, 0)], &[], None);
    }

    #[test]
    fn what_is_committed_beyond_the_marks_is_read_again() {
        let hour = CLOCK_SLACK_S;
        check(&[None], &[], &[], None);
        check(
            &[Some(7), Some(5)],
            &[mark(0, Some(3), 9_000_000), mark(1, Some(4), 8_000_000)],
            &[(0, 3), (1, 4)],
            Some(8_000 - hour),
        );
        // An empty volume, and a partition that was owned and never marked: the whole list.
        check(&[Some(7)], &[], &[(0, 2)], None);
        check(
            &[Some(7), Some(5)],
            &[mark(0, Some(3), 9_000_000), mark(1, None, 0)],
            &[(0, 3), (1, 2)],
            None,
        );
        // Broken off between the store and the broker: the whole list again.
        check(&[Some(7)], &[mark(0, Some(2), 0)], &[(0, 2)], Some(0));
        // What the log lost before it was read stays lost.
        check(&[Some(1)], &[], &[(0, 1)], None);
        check(
            &[Some(7)],
            &[mark(0, Some(1), 9_000_000)],
            &[(0, 1)],
            Some(9_000 - hour),
        );
    }
}
