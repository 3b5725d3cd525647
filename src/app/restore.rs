//! `--after-restore`: the store is older than the log. What the gateway has charged since is brought into it from the
//! gateway's list, before anything is sent; then the log is read again from where the store stands.

use almoner_actors::ports::StoreError;
use almoner_actors::restore::{Older, Rank, Sightings, older, since_s};
use almoner_domain::donation::Rules;
use almoner_domain::ids::DonationId;
use tokio::runtime::Runtime;

use super::read_on::read_on_from;
use crate::gateway::{self, GatewayCharge, IntentList, InvalidOptions, ListError};
use crate::kafka::error::KafkaError;
use crate::kafka::options::KafkaOptions;
use crate::kafka::positions::{Position, Positions};
use crate::store::sqlite::{ShardMark, Sighting};
use crate::store::wait::answered;
use crate::store::{ReadError, ServiceStore};

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

impl Restore<'_> {
    /// Brings the store up to what the gateway knows, and the group back to where the store stands. Blocks; broken off, it
    /// is begun anew.
    ///
    /// # Errors
    /// [`RestoreError`]: it is not done, and the service must not start.
    pub(super) fn catch_up(&self, runtime: &Runtime) -> Result<(), RestoreError> {
        let positions = Positions::new(self.kafka, self.partitions)?;
        let marks = self.store.marks()?;
        let older = all_older(&positions.read()?, &marks);
        let sightings = runtime.block_on(self.read_list(since_s(&older, &marks)))?;
        tracing::warn!(
            partitions = older.len(),
            donations = sightings.len(),
            "--after-restore: the gateway's list is brought in, and what the store knows less of than the log is read again"
        );
        for sightings in sightings.chunks(AT_ONCE_MAX) {
            answered(|done| self.store.put_sightings(sightings.to_vec(), done))?;
        }
        let starts: Vec<_> = older.iter().map(|it| (it.shard, it.next_offset)).collect();
        read_on_from(self.store, &positions, &starts)
    }

    async fn read_list(&self, since_s: Option<i64>) -> Result<Vec<Sighting>, RestoreError> {
        let mut list = IntentList::new(self.gateway, since_s)?;
        let mut sightings = Sightings::default();
        while let Some(page) = list.next_page().await? {
            for charge in page {
                let Some(id) = charge.donation_id.as_deref().and_then(DonationId::parse) else {
                    continue; // somebody else's
                };
                let rank = rank(&charge);
                sightings.note(id, charge.intent_id.into(), charge.created_s, rank);
            }
        }
        Ok(sightings.wanted(self.now_ms, self.rules))
    }
}

fn rank(charge: &GatewayCharge) -> Rank {
    match (charge.charged, charge.is_unreversed()) {
        (0, _) => Rank::NotCharged,
        (_, false) => Rank::Refunded,
        (_, true) => Rank::Charged,
    }
}

/// The partitions that are committed beyond what the store knows.
fn all_older(positions: &[Position], marks: &[ShardMark]) -> Vec<Older> {
    let older = |position: &Position| {
        let mark = marks.iter().find(|mark| mark.shard == position.shard);
        older(position.shard, &position.log(), mark)
    };
    positions.iter().filter_map(older).collect()
}
