//! The users of a shard: each one's window of doubles, which outlives its actor's crashes and its passivation, and its
//! actor while it is needed.

use std::cell::RefCell;
use std::rc::Rc;

use actix::prelude::Addr;
use almoner_domain::duplicate::Window;
use almoner_domain::ids::UserId;
use hashbrown::HashMap;

use super::UserReport;
use crate::guard::{self, Policy};
use crate::shard::ShardContext;
use crate::user::{AskAgain, Drain, SetAside, User};

/// How long a quarantined user's donations are set aside before its actor is tried again.
pub(super) const QUARANTINE_MS: i64 = 3_600_000;

#[derive(Default)]
pub(super) struct Slots {
    by_user: HashMap<UserId, Slot, foldhash::fast::FixedState>,
}

struct Slot {
    addr: Option<Addr<User>>,
    window: Rc<RefCell<Window>>,
    in_flight: u32,
    /// Boot clock.
    quarantined_until_ms: i64,
}

impl Slots {
    /// The user's window, empty if it is new.
    pub(super) fn window(&mut self, user: &UserId) -> Rc<RefCell<Window>> {
        Rc::clone(&self.slot(user).window)
    }

    fn slot(&mut self, user: &UserId) -> &mut Slot {
        self.by_user.entry_ref(user).or_insert_with(|| Slot {
            addr: None,
            window: Rc::default(),
            in_flight: 0,
            quarantined_until_ms: i64::MIN,
        })
    }

    /// The user's actor for one more flight. The flight counts, whether there is an actor or not, until
    /// [`Slots::landed`].
    pub(super) fn launch(
        &mut self,
        shard: &Rc<ShardContext>,
        user: &UserId,
        now_boot_ms: i64,
    ) -> Option<Addr<User>> {
        let slot = self.slot(user);
        slot.in_flight += 1;
        slot.user(shard, user, now_boot_ms)
    }

    /// The user's actor, started if it does not run; none while the user is quarantined.
    pub(super) fn user(
        &mut self,
        shard: &Rc<ShardContext>,
        user: &UserId,
        now_boot_ms: i64,
    ) -> Option<Addr<User>> {
        self.slot(user).user(shard, user, now_boot_ms)
    }

    /// A flight of the user began without its actor being asked.
    pub(super) fn launched(&mut self, user: &UserId) {
        self.slot(user).in_flight += 1;
    }

    /// The user's actor, if it runs.
    pub(super) fn running(&self, user: &UserId) -> Option<&Addr<User>> {
        self.by_user.get(user).and_then(|slot| slot.addr.as_ref())
    }

    /// One flight of the user ended.
    pub(super) fn landed(&mut self, user: &UserId) {
        if let Some(slot) = self.by_user.get_mut(user) {
            slot.in_flight = slot.in_flight.saturating_sub(1);
        }
    }

    pub(super) fn quarantine(&mut self, user: &UserId, now_boot_ms: i64) {
        let slot = self.slot(user);
        slot.addr = None;
        slot.quarantined_until_ms = now_boot_ms + QUARANTINE_MS;
    }

    /// Lets go of users of whom nothing is in flight; and forgets them once stream time has passed their windows.
    /// What still waits in a mailbox is handled first: an actor stops when its last address is dropped.
    pub(super) fn passivate(&mut self, stream_ms: i64, window_ms: i64, now_boot_ms: i64) -> usize {
        let before = self.by_user.len();
        self.by_user.retain(|_, slot| {
            if slot.in_flight > 0 || now_boot_ms < slot.quarantined_until_ms {
                return true;
            }
            let mut window = slot.window.borrow_mut();
            window.prune(stream_ms, window_ms);
            let is_needed = !window.is_empty();
            if !is_needed {
                slot.addr = None;
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
            .values()
            .filter(|slot| slot.in_flight > 0)
            .filter_map(|slot| slot.addr.as_ref())
            .for_each(tell);
    }
}

impl Slot {
    fn user(
        &mut self,
        shard: &Rc<ShardContext>,
        user: &UserId,
        now_boot_ms: i64,
    ) -> Option<Addr<User>> {
        if now_boot_ms < self.quarantined_until_ms {
            return None;
        }
        if self.addr.as_ref().is_none_or(|addr| !addr.connected()) {
            self.addr = Some(start(shard, user.clone(), Rc::clone(&self.window)));
        }
        self.addr.clone()
    }
}

fn start(shard: &Rc<ShardContext>, user_id: UserId, window: Rc<RefCell<Window>>) -> Addr<User> {
    let router = shard.router.clone();
    let report = move |report| {
        router.do_send(UserReport {
            user_id: user_id.clone(),
            report,
        })
    };
    shard.world.telemetry.actors_started("user");
    guard::start(User::new(Rc::clone(shard), window), Policy::ENTITY, report)
}
