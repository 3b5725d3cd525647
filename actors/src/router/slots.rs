//! The users of a shard: who is known, and whose actor runs.

use std::hash::BuildHasher;
use std::rc::Rc;
use std::sync::Arc;

use actix::prelude::Addr;
use almoner_domain::ids::UserId;
use foldhash::fast::FixedState;
use hashbrown::HashTable;

use super::UserReport;
use crate::guard::{self, Policy, Report};
use crate::shard::ShardContext;
use crate::user::{AskAgain, Drain, SetAside, Slot, User};

/// How long a quarantined user's donations are set aside before its actor is tried again.
pub(super) const QUARANTINE_MS: i64 = 3_600_000;

/// The table holds but a pointer for each user: of a million of them its empty places are cheap.
#[derive(Default)]
pub(super) struct Slots {
    by_user: HashTable<Rc<Slot>>,
    hasher: FixedState,
}

impl Slots {
    /// The user's slot, a new one for who is not known.
    pub(super) fn slot(&mut self, user: &UserId) -> &Rc<Slot> {
        let hash = self.hasher.hash_one(user);
        let is_it = |slot: &Rc<Slot>| slot.user_id == *user;
        let hash_of = |slot: &Rc<Slot>| self.hasher.hash_one(&slot.user_id);
        self.by_user
            .entry(hash, is_it, hash_of)
            .or_insert_with(|| Rc::new(Slot::new(user.clone())))
            .into_mut()
    }

    /// Lets go of users of whom nothing is in flight; and forgets them once stream time has passed their windows.
    /// What still waits in a mailbox is handled first: an actor stops when its last address is dropped.
    pub(super) fn passivate(&mut self, stream_ms: i64, window_ms: i64, now_boot_ms: i64) -> usize {
        let before = self.by_user.len();
        self.by_user.retain(|slot| {
            if slot.is_in_flight() || slot.is_quarantined(now_boot_ms) {
                return true;
            }
            let mut window = slot.window.borrow_mut();
            window.prune(stream_ms, window_ms);
            let is_needed = !window.is_empty();
            if !is_needed {
                slot.set_address(None);
            }
            is_needed
        });
        before - self.by_user.len()
    }

    pub(super) fn len(&self) -> usize {
        self.by_user.len()
    }

    pub(super) fn ask_again(&self) {
        self.each(|user| user.do_send(AskAgain));
    }

    pub(super) fn drain(&self) {
        self.each(|user| user.do_send(Drain));
    }

    pub(super) fn set_aside(&self) {
        self.each(|user| user.do_send(SetAside));
    }

    /// Only who has something in flight can have something to do.
    fn each(&self, tell: impl Fn(&Addr<User>)) {
        self.by_user
            .iter()
            .filter(|slot| slot.is_in_flight())
            .filter_map(|slot| slot.address())
            .for_each(|user| tell(&user));
    }
}

impl Drop for Slots {
    /// An actor has its slot, and that its address: without this none would ever stop.
    fn drop(&mut self) {
        self.by_user.iter().for_each(|slot| slot.set_address(None));
    }
}

/// The user's actor, started if it does not run; none while the user is quarantined.
pub(super) fn user(
    shard: &Rc<ShardContext>,
    slot: &Rc<Slot>,
    now_boot_ms: i64,
) -> Option<Arc<Addr<User>>> {
    if slot.is_quarantined(now_boot_ms) {
        return None;
    }
    let running = slot.address().filter(|user| user.connected());
    Some(running.unwrap_or_else(|| start(shard, slot)))
}

fn start(shard: &Rc<ShardContext>, slot: &Rc<Slot>) -> Arc<Addr<User>> {
    let (its_shard, its_slot) = (Rc::clone(shard), Rc::clone(slot));
    let report = move |report| {
        if report != Report::Stopped {
            its_shard.tell(UserReport {
                user_id: its_slot.user_id.clone(),
                report,
            });
        }
    };
    shard.world.telemetry.user_started();
    let user = User::new(Rc::clone(shard), Rc::clone(slot));
    let address = Arc::new(guard::start(user, &Policy::ENTITY, report));
    slot.set_address(Some(Arc::clone(&address)));
    address
}
