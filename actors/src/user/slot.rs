//! What is kept of a user beside its actor: its window of doubles, which outlives the actor's crashes and its
//! passivation, and the actor's address while it is needed.

use std::cell::{Cell, RefCell};
use std::sync::Arc;

use actix::prelude::Addr;
use almoner_domain::duplicate::Window;
use almoner_domain::ids::UserId;

use super::User;

/// One user of a shard. The router and the user's actor share it.
pub(crate) struct Slot {
    pub(crate) user_id: UserId,
    pub(crate) window: RefCell<Window>,
    /// Shared with whoever is to answer: a clone of an actix address costs two allocations.
    address: RefCell<Option<Arc<Addr<User>>>>,
    in_flight: Cell<u32>,
    /// Boot clock.
    quarantined_until_ms: Cell<i64>,
}

impl Slot {
    pub(crate) fn new(user_id: UserId) -> Self {
        Self {
            user_id,
            window: RefCell::default(),
            address: RefCell::new(None),
            in_flight: Cell::new(0),
            quarantined_until_ms: Cell::new(i64::MIN),
        }
    }

    /// The actor's address, if it has one.
    pub(crate) fn address(&self) -> Option<Arc<Addr<User>>> {
        self.address.borrow().clone()
    }

    /// Lets go of the actor, which stops once nothing else has its address and what waits there is handled; or takes
    /// another one.
    pub(crate) fn set_address(&self, address: Option<Arc<Addr<User>>>) {
        *self.address.borrow_mut() = address;
    }

    /// A flight of the user began. It counts, whether there is an actor or not, until [`Slot::landed`].
    pub(crate) fn launched(&self) {
        self.in_flight.set(self.in_flight.get() + 1);
    }

    /// One flight of the user ended.
    pub(crate) fn landed(&self) {
        self.in_flight.set(self.in_flight.get().saturating_sub(1));
    }

    /// Whether something is done for the user.
    pub(crate) fn is_in_flight(&self) -> bool {
        self.in_flight.get() > 0
    }

    /// Whether one thing alone is done for the user.
    pub(crate) fn is_alone_in_flight(&self) -> bool {
        self.in_flight.get() == 1
    }

    /// Whether no actor is to be started.
    pub(crate) fn is_quarantined(&self, now_boot_ms: i64) -> bool {
        now_boot_ms < self.quarantined_until_ms.get()
    }

    /// The actor is gone, and none is started until then.
    pub(crate) fn quarantine(&self, until_boot_ms: i64) {
        self.set_address(None);
        self.quarantined_until_ms.set(until_boot_ms);
    }
}
