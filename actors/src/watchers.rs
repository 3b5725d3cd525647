//! Who waits for a donation's end: woken by the instance's own outcomes.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use almoner_domain::ids::DonationId;
use hashbrown::HashMap;
use tokio::sync::Notify;

/// Waiters by donation. Nobody waits for most donations, which then cost one atomic read.
#[derive(Default)]
pub struct Watchers {
    waiting: AtomicUsize,
    by_id: Mutex<HashMap<DonationId, Arc<Notify>, foldhash::fast::FixedState>>,
}

/// One waiter; dropping it ends the wait.
pub struct Watch<'a> {
    watchers: &'a Watchers,
    id: DonationId,
    notify: Arc<Notify>,
}

impl Watchers {
    /// Waits for the donation from now on: watch first, read the store then, so that nothing is missed between.
    #[must_use]
    pub fn watch(&self, id: DonationId) -> Watch<'_> {
        let mut by_id = self.by_id.lock().unwrap_or_else(PoisonError::into_inner);
        let notify = Arc::clone(by_id.entry(id).or_default());
        self.waiting.fetch_add(1, Ordering::AcqRel);
        Watch {
            watchers: self,
            id,
            notify,
        }
    }

    /// Something is to be told of the donation: wakes all who wait for it.
    pub fn tell(&self, id: DonationId) {
        if self.waiting.load(Ordering::Acquire) == 0 {
            return;
        }
        let by_id = self.by_id.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(notify) = by_id.get(&id) {
            notify.notify_waiters();
        }
    }
}

impl Watch<'_> {
    /// A future that ends at the next event of the donation after this call.
    pub fn told(&self) -> tokio::sync::futures::Notified<'_> {
        self.notify.notified()
    }
}

impl Drop for Watch<'_> {
    fn drop(&mut self) {
        let mut by_id = self
            .watchers
            .by_id
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        self.watchers.waiting.fetch_sub(1, Ordering::AcqRel);
        // The map's and this watch's: nobody else waits.
        if Arc::strong_count(&self.notify) <= 2 {
            by_id.remove(&self.id);
        }
    }
}
