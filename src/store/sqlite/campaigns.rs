//! Campaigns that were read lately, so that the many actors of one campaign (one in each shard) do not each read it again.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use almoner_domain::campaign::Campaign;
use almoner_domain::ids::CampaignId;
use foldhash::fast::FixedState;
use hashbrown::HashMap;

/// The most campaigns that are kept: some megabytes.
const KEPT_MAX: usize = 10_000;

/// See the file's head. What the writer commits is forgotten here before it is answered, so a caller reads what it wrote.
#[derive(Default)]
pub(super) struct Campaigns(Mutex<State>);

#[derive(Default)]
struct State {
    kept: HashMap<CampaignId, Arc<Campaign>, FixedState>,
    /// Counts the times that something was forgotten.
    changes: u64,
}

/// How much had changed when a read began.
#[derive(Clone, Copy)]
pub(super) struct AsOf(u64);

impl Campaigns {
    /// The campaign, if it is kept.
    pub(super) fn get(&self, id: &CampaignId) -> Option<Arc<Campaign>> {
        self.lock().kept.get(id).cloned()
    }

    /// To be asked for before a campaign is read that is to be kept.
    pub(super) fn as_of(&self) -> AsOf {
        AsOf(self.lock().changes)
    }

    /// Keeps what was read, unless something has changed since: then it may be old already.
    pub(super) fn keep(&self, campaign: &Arc<Campaign>, as_of: AsOf) {
        let mut state = self.lock();
        if state.changes != as_of.0 {
            return;
        }
        if state.kept.len() >= KEPT_MAX {
            state.kept.clear();
        }
        state
            .kept
            .insert(campaign.campaign_id.clone(), Arc::clone(campaign));
    }

    /// The campaign has changed.
    pub(super) fn forget(&self, id: &CampaignId) {
        let mut state = self.lock();
        state.kept.remove(id);
        state.changes += 1;
    }

    /// Any campaign may have changed.
    pub(super) fn forget_all(&self) {
        let mut state = self.lock();
        state.kept.clear();
        state.changes += 1;
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use almoner_domain::campaign::Status;
    use almoner_domain::money::Currency;

    use super::*;

    fn campaign(n: usize) -> Arc<Campaign> {
        Arc::new(Campaign {
            campaign_id: CampaignId::parse(&format!("campaign-{n}")).unwrap(),
            version: 1,
            status: Status::Open,
            currency: Currency::from_code("EUR").unwrap(),
            creator_account: "acct_1".into(),
            amount_minor_min: None,
            amount_minor_max: None,
            title: "trees".into(),
        })
    }

    #[test]
    fn what_was_read_before_a_change_is_not_kept_after_it() {
        let (campaigns, trees) = (Campaigns::default(), campaign(1));
        let id = &trees.campaign_id;
        let before = campaigns.as_of();
        campaigns.forget(id);
        campaigns.keep(&trees, before);
        assert_eq!(campaigns.get(id), None);
        campaigns.keep(&trees, campaigns.as_of());
        assert_eq!(campaigns.get(id), Some(Arc::clone(&trees)));
        campaigns.forget(id);
        assert_eq!(campaigns.get(id), None);
        let before = campaigns.as_of();
        campaigns.forget_all();
        campaigns.keep(&trees, before);
        assert_eq!(campaigns.get(id), None);
    }

    #[test]
    fn no_more_are_kept_than_may() {
        let campaigns = Campaigns::default();
        for n in 0..3 * KEPT_MAX {
            campaigns.keep(&campaign(n), campaigns.as_of());
            assert!(campaigns.lock().kept.len() <= KEPT_MAX);
        }
    }
}
