//! `--after-restore`: the store is older than the log. What the gateway has charged since is brought into it from the
//! gateway's list, before anything is sent; then the log is read again from where the store stands.

use almoner_actors::ports::StoreError;
use almoner_domain::donation::Rules;
use almoner_domain::ids::{DonationId, Shard};
use foldhash::fast::FixedState;
use hashbrown::HashMap;
use tokio::runtime::Runtime;

use super::read_on::read_on_from;
use crate::gateway::{self, GatewayCharge, IntentList, InvalidOptions, ListError};
use crate::kafka::error::KafkaError;
use crate::kafka::options::KafkaOptions;
use crate::kafka::positions::{Position, Positions};
use crate::store::sqlite::{ShardMark, Sighting};
use crate::store::wait::answered;
use crate::store::{ReadError, ServiceStore};

/// The gateway's clock may be so much behind the broker's.
const CLOCK_SLACK_S: i64 = 3_600;
/// Sightings of one write.
const AT_ONCE_MAX: usize = 1_000;

/// Why the store could not be brought up to what the gateway knows: nothing was sent, and it can be tried again.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// Where the group stands.
    #[error(transparent)]
    Kafka(#[from] KafkaError),
    /// The gateway's options.
    #[error(transparent)]
    Options(#[from] InvalidOptions),
    /// The gateway's list.
    #[error(transparent)]
    List(#[from] ListError),
    /// The store, read.
    #[error(transparent)]
    Marks(#[from] ReadError),
    /// The store, written.
    #[error("the store did not take what the gateway's list shows: {0}")]
    Store(#[from] StoreError),
}

/// What is needed for it.
pub(super) struct Restore<'a> {
    pub(super) store: &'a ServiceStore,
    pub(super) gateway: &'a gateway::Options,
    pub(super) kafka: &'a KafkaOptions,
    pub(super) partitions: u32,
    pub(super) rules: &'a Rules,
    /// Wall clock, milliseconds since 1970.
    pub(super) now_ms: i64,
}

/// A partition of which more is committed than the store knows.
struct Older {
    shard: Shard,
    /// Where it is read from again.
    next_offset: i64,
    /// The store's stream time there; none if it knows nothing of the partition.
    since_ms: Option<i64>,
}

/// What the list shows of one donation.
struct Seen {
    charge: GatewayCharge,
    rank: Rank,
}

/// Of several intents of one donation the highest is kept to.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    NotCharged,
    Refunded,
    Charged,
}

impl Restore<'_> {
    /// Brings the store up to what the gateway knows, and the group back to where the store stands. Blocks; broken off, it
    /// is begun anew.
    ///
    /// # Errors
    /// [`RestoreError`]: it is not done, and the service must not start.
    pub(super) fn catch_up(&self, runtime: &Runtime) -> Result<(), RestoreError> {
        let positions = Positions::new(self.kafka, self.partitions)?;
        let older = older(&positions.read()?, &self.store.marks()?);
        if older.is_empty() {
            tracing::info!(
                "--after-restore: the store is not older than the log; nothing is to be done"
            );
            return Ok(());
        }
        let sightings = runtime.block_on(self.read_list(since_s(&older)))?;
        tracing::warn!(
            partitions = older.len(),
            donations = sightings.len(),
            "--after-restore: the gateway's list is brought in, and the log is read again from where the store stands"
        );
        for sightings in sightings.chunks(AT_ONCE_MAX) {
            answered(|done| self.store.put_sightings(sightings.to_vec(), done))?;
        }
        let starts: Vec<_> = older.iter().map(|it| (it.shard, it.next_offset)).collect();
        read_on_from(self.store, &positions, &starts)
    }

    async fn read_list(&self, since_s: Option<i64>) -> Result<Vec<Sighting>, RestoreError> {
        let mut list = IntentList::new(self.gateway, since_s)?;
        let mut seen: HashMap<DonationId, Seen, FixedState> = HashMap::default();
        while let Some(page) = list.next_page().await? {
            for charge in page {
                let Some(id) = charge.donation_id.as_deref().and_then(DonationId::parse) else {
                    continue; // somebody else's
                };
                let it = Seen::new(charge);
                match seen.get(&id) {
                    Some(known) if known.rank >= it.rank => {}
                    _ => drop(seen.insert(id, it)),
                }
            }
        }
        let wanted = seen.into_iter().filter(|(_, seen)| self.is_wanted(seen));
        Ok(wanted.map(|(id, seen)| seen.into_sighting(id)).collect())
    }

    /// What was not charged is asked again by its key, which answers as it did, as long as it lives.
    fn is_wanted(&self, seen: &Seen) -> bool {
        let age_ms = self
            .now_ms
            .saturating_sub(seen.charge.created_s.saturating_mul(1_000));
        seen.rank > Rank::NotCharged || age_ms >= self.rules.key_usable_ms()
    }
}

impl Seen {
    fn new(charge: GatewayCharge) -> Self {
        let rank = match (charge.charged, charge.is_unreversed()) {
            (0, _) => Rank::NotCharged,
            (_, false) => Rank::Refunded,
            (_, true) => Rank::Charged,
        };
        Self { charge, rank }
    }

    fn into_sighting(self, donation_id: DonationId) -> Sighting {
        Sighting {
            donation_id,
            intent_id: self.charge.intent_id.into(),
            is_charged: self.rank > Rank::NotCharged,
        }
    }
}

/// The partitions that are committed beyond what the store knows. Of one that it knows nothing of, all that the log still
/// holds is read; but what the log dropped before anybody read it stays a loss, which is for a person to accept.
fn older(positions: &[Position], marks: &[ShardMark]) -> Vec<Older> {
    let older = |position: &Position| {
        let mark = marks.iter().find(|mark| mark.shard == position.shard);
        let marked = mark.and_then(|mark| mark.next_offset);
        let committed = position.committed?;
        (committed > marked.unwrap_or(0)).then(|| Older {
            shard: position.shard,
            next_offset: marked.unwrap_or(position.low.min(committed)),
            since_ms: mark.filter(|_| marked.is_some()).map(|mark| mark.stream_ms),
        })
    };
    positions.iter().filter_map(older).collect()
}

/// From when on the list is read; from its beginning, if of some partition nothing is known, or nothing but where it begins.
fn since_s(older: &[Older]) -> Option<i64> {
    let since = older
        .iter()
        .map(|it| it.since_ms)
        .collect::<Option<Vec<_>>>()?;
    let since_ms = since.into_iter().min()?;
    let since_s = since_ms.div_euclid(1_000).saturating_sub(CLOCK_SLACK_S);
    Some(since_s.max(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn position(shard: u32, committed: Option<i64>) -> Position {
        Position {
            shard: Shard(shard),
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
        positions: &[Position],
        marks: &[ShardMark],
        starts: &[(u32, i64)],
        from_s: Option<i64>,
    ) {
        let older = older(positions, marks);
        let found: Vec<_> = older
            .iter()
            .map(|it| (it.shard.0, it.next_offset))
            .collect();
        assert_eq!((found.as_slice(), since_s(&older)), (starts, from_s));
    }

    #[test]
    fn what_is_committed_beyond_the_marks_is_read_again() {
        let hour = CLOCK_SLACK_S;
        check(&[position(0, None)], &[], &[], None);
        check(
            &[position(0, Some(7))],
            &[mark(0, Some(7), 9_000_000)],
            &[],
            None,
        );
        check(
            &[position(0, Some(7)), position(1, Some(5))],
            &[mark(0, Some(3), 9_000_000), mark(1, Some(4), 8_000_000)],
            &[(0, 3), (1, 4)],
            Some(8_000 - hour),
        );
        // An empty volume, and a partition that was owned and never marked: the whole list.
        check(&[position(0, Some(7))], &[], &[(0, 2)], None);
        check(
            &[position(0, Some(7)), position(1, Some(5))],
            &[mark(0, Some(3), 9_000_000), mark(1, None, 0)],
            &[(0, 3), (1, 2)],
            None,
        );
        // Broken off between the store and the broker: the whole list again.
        check(
            &[position(0, Some(7))],
            &[mark(0, Some(2), 0)],
            &[(0, 2)],
            Some(0),
        );
        // What the log lost before it was read stays lost.
        check(&[position(0, Some(1))], &[], &[(0, 1)], None);
        check(
            &[position(0, Some(7))],
            &[mark(0, Some(1), 9_000_000)],
            &[(0, 1)],
            Some(9_000 - hour),
        );
    }
}
