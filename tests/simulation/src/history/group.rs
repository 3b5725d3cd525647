//! The consumer group: which processes there are, which partition is whose, and how that changes, as planned or not.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::restore::{catch_up, restore};
use super::{durable_at_crash, hear, remove_partition};
use crate::figures::SESSION_TIMEOUT_MS;
use crate::outside::Outside;
use crate::process::Process;
use crate::script::Weather;

/// Nobody was there to take a partition: it is offered again.
const GIVE_AGAIN_MS: i64 = 500;
/// Before the gateway's list is read after a restore, what was sent before has arrived.
const SETTLED_MS: i64 = 10 * 60_000;
/// A handover that does not come to its end by itself is cut short.
const HANDOVER_MAX_MS: i64 = 60_000;

/// What happens later by itself.
#[derive(Debug)]
pub(super) enum Action {
    /// A process starts.
    Start {
        slot: usize,
    },
    /// A suspended process goes on.
    Resume {
        slot: usize,
        number: u64,
    },
    /// The broker gives up a member that says nothing.
    Expire {
        slot: usize,
        number: u64,
    },
    /// A process hears that a partition is not its own any more.
    Tell {
        number: u64,
        partition: u32,
        generation: u64,
    },
    /// A partition that nobody owns is given to somebody, if need be not to this process.
    Give {
        partition: u32,
        not_to: Option<u64>,
    },
    StoreUp,
    BrokerUp,
    GatewayUp,
    /// A partition has a leader again.
    LeaderUp {
        partition: u32,
        twice: i64,
        forgotten: i64,
    },
    /// The second process on the store of the only one ends.
    TwinEnds,
    /// The topic has the partitions again for which the store was made.
    PartitionRemoved,
    /// Processes start on an older store.
    AfterRestore,
}

impl Action {
    /// What is to be whole before anything else is.
    fn is_cure(&self) -> bool {
        !matches!(
            self,
            Self::Start { .. } | Self::Give { .. } | Self::TwinEnds | Self::AfterRestore
        )
    }
}

struct HandOver {
    partition: u32,
    from: u64,
    is_through: Arc<AtomicBool>,
    until_ms: i64,
}

/// The processes and what they own.
pub(super) struct Group {
    outside: Arc<Outside>,
    skews_ms: [i64; 2],
    /// Slots of processes that are there by right.
    slots_usual: usize,
    slots: Vec<Option<Process>>,
    hand_overs: Vec<HandOver>,
    later: BTreeMap<(i64, u64), Action>,
    counter: u64,
    started: u64,
    /// The store was replaced, and no process has started since.
    is_restoring: bool,
    /// When that was, since the beginning.
    restored_at_ms: i64,
}

impl Group {
    pub(super) fn start(outside: &Arc<Outside>, weather: &Weather) -> Self {
        let mut group = Self {
            outside: Arc::clone(outside),
            skews_ms: weather.skews_ms,
            slots_usual: weather.slots,
            slots: (0..weather.slots).map(|_| None).collect(),
            hand_overs: Vec::new(),
            later: BTreeMap::new(),
            counter: 0,
            started: 0,
            is_restoring: false,
            restored_at_ms: 0,
        };
        for slot in 0..weather.slots {
            group.start_process(slot);
        }
        for partition in 0..weather.partitions {
            let slot = partition as usize % weather.slots;
            group.assign(partition, slot);
        }
        group
    }

    // ---- what the script says

    pub(super) fn kill(&mut self, slot: usize, back_after_ms: i64) {
        let Some(process) = self.slots[slot].take() else {
            return;
        };
        self.end(process, back_after_ms);
        self.later(back_after_ms, Action::Start { slot });
    }

    /// A process ends at once; its partitions go to somebody else, or back to it.
    fn end(&mut self, process: Process, back_after_ms: i64) {
        let number = process.life.number;
        process.die(durable_at_crash(&self.outside, number));
        let notice_ms = self
            .outside
            .faults
            .dice("notice of a death", number)
            .between(0, SESSION_TIMEOUT_MS);
        for partition in self.owned_by(number) {
            self.outside.broker.assign(partition, None, self.now_ms());
            let gives_ms = if self.slots.len() > 1 {
                notice_ms
            } else {
                back_after_ms
            };
            self.later(
                gives_ms,
                Action::Give {
                    partition,
                    not_to: None,
                },
            );
        }
    }

    /// A second process starts on the store of the only one, in its group, and gets its share of the partitions.
    pub(super) fn twin(&mut self, for_ms: i64) {
        if self.slots.len() > self.slots_usual || self.is_restoring {
            return;
        }
        self.slots.push(None);
        self.join(self.slots_usual);
        self.later(for_ms, Action::TwinEnds);
    }

    fn end_twin(&mut self) {
        let twins: Vec<_> = self.slots.drain(self.slots_usual..).flatten().collect();
        for twin in twins {
            self.end(twin, 0);
        }
    }

    /// A partition that the store does not know is given to somebody.
    pub(super) fn add_partition(&mut self, for_ms: i64) {
        if self.is_changed() {
            return;
        }
        let partition = self.outside.broker.add_partition();
        self.give(partition, None);
        self.later(for_ms, Action::PartitionRemoved);
    }

    /// Whether the topic has another number of partitions than the store was made for: no process starts then.
    fn is_changed(&self) -> bool {
        self.outside.broker.count() > self.outside.settings.partitions
    }

    /// All processes end, and an older store takes this one's place.
    pub(super) fn restore(&mut self, back_after_ms: i64) {
        for process in self.slots.drain(..).flatten() {
            let number = process.life.number;
            process.die(durable_at_crash(&self.outside, number));
        }
        self.slots.resize_with(self.slots_usual, || None);
        self.hand_overs.clear();
        self.later.retain(|_, action| {
            matches!(
                action,
                Action::StoreUp
                    | Action::BrokerUp
                    | Action::GatewayUp
                    | Action::LeaderUp { .. }
                    | Action::PartitionRemoved
                    | Action::AfterRestore
            )
        });
        for partition in 0..self.outside.broker.count() {
            self.outside.broker.assign(partition, None, self.now_ms());
        }
        restore(&self.outside);
        self.restored_at_ms = self.now_ms();
        if !std::mem::replace(&mut self.is_restoring, true) {
            self.later(back_after_ms, Action::AfterRestore);
        }
    }

    /// The processes start once the store has learned what the gateway's list shows.
    fn after_restore(&mut self) {
        let is_settled = self.now_ms() - self.restored_at_ms >= SETTLED_MS;
        if !is_settled || self.is_changed() || !catch_up(&self.outside) {
            return self.later(GIVE_AGAIN_MS, Action::AfterRestore);
        }
        self.is_restoring = false;
        for slot in 0..self.slots.len() {
            self.later(1, Action::Start { slot });
        }
        for partition in 0..self.outside.broker.count() {
            let not_to = None;
            self.later(2, Action::Give { partition, not_to });
        }
    }

    pub(super) fn freeze(&mut self, slot: usize, for_ms: i64) {
        let Some(process) = &self.slots[slot] else {
            return;
        };
        if process.life.is_suspended() {
            return;
        }
        let number = process.life.number;
        process.life.suspend(self.outside.clock.boot_ms());
        self.later(for_ms, Action::Resume { slot, number });
        if for_ms >= SESSION_TIMEOUT_MS {
            self.later(SESSION_TIMEOUT_MS, Action::Expire { slot, number });
        }
    }

    pub(super) fn lose(&mut self, partition: u32, told_after_ms: i64) {
        let Some(number) = self.outside.broker.owner(partition) else {
            return;
        };
        self.take_away(partition, number, told_after_ms);
    }

    pub(super) fn hand_over(&mut self, partition: u32) {
        let Some(number) = self.outside.broker.owner(partition) else {
            return;
        };
        let until_ms = self.now_ms() + HANDOVER_MAX_MS;
        let generation = self.outside.broker.generation(partition);
        let Some(process) = self.process(number) else {
            return;
        };
        if process.life.is_suspended() || !process.believes(partition, generation) {
            return;
        }
        let is_through = process.revoke(partition);
        self.hand_overs.push(HandOver {
            partition,
            from: number,
            is_through,
            until_ms,
        });
    }

    /// All that is broken is whole again, and all that is to come comes now.
    pub(super) fn cure(&mut self) {
        let all = std::mem::take(&mut self.later).into_values();
        let (cures, others): (Vec<_>, Vec<_>) = all.partition(Action::is_cure);
        cures.into_iter().for_each(|action| self.act(action));
        for action in others {
            match action {
                Action::Give { .. } => self.later(1, action),
                action => self.act(action),
            }
        }
    }

    // ---- what follows from it

    pub(super) fn later(&mut self, after_ms: i64, action: Action) {
        self.counter += 1;
        self.later
            .insert((self.now_ms() + after_ms, self.counter), action);
    }

    pub(super) fn next_due_ms(&self) -> Option<i64> {
        self.later.first_key_value().map(|((at_ms, _), _)| *at_ms)
    }

    /// What is due is done, and the consumers read.
    pub(super) fn look(&mut self) {
        while let Some(entry) = self.later.first_entry()
            && entry.key().0 <= self.outside.diary.now_ms()
        {
            let action = entry.remove();
            self.act(action);
        }
        self.go_on_handing_over();
        for slot in 0..self.slots.len() {
            self.look_at(slot);
        }
    }

    /// Requests in flight in all processes.
    pub(super) fn in_flight(&self) -> usize {
        self.slots
            .iter()
            .flatten()
            .map(|it| it.world.credits.in_flight())
            .sum()
    }

    fn look_at(&mut self, slot: usize) {
        let Some(process) = &mut self.slots[slot] else {
            return;
        };
        if process.life.is_suspended() {
            return;
        }
        if let Ok(alarm) = process.alarms.try_recv() {
            hear(&self.outside, process.life.number, &alarm);
            return self.kill(slot, 1_000);
        }
        process.feed();
    }

    fn act(&mut self, action: Action) {
        match action {
            Action::Start { slot } => self.join(slot),
            Action::Resume { slot, number } => self.resume(slot, number),
            Action::Expire { slot, number } => self.expire(slot, number),
            Action::Tell {
                number,
                partition,
                generation,
            } => {
                self.outside.diary.note(|| {
                    format!("process {number} hears that partition {partition} is not its own")
                });
                if let Some(process) = self.process(number)
                    && process.believes(partition, generation)
                {
                    process.lost(partition);
                }
            }
            Action::Give { partition, not_to } => self.give(partition, not_to),
            Action::StoreUp => self.outside.disk.open(),
            Action::BrokerUp => self.outside.is_broker_down.store(false, Ordering::Relaxed),
            Action::GatewayUp => self.outside.is_gateway_down.store(false, Ordering::Relaxed),
            Action::LeaderUp {
                partition,
                twice,
                forgotten,
            } => self.lead_again(partition, twice, forgotten),
            Action::TwinEnds => self.end_twin(),
            Action::PartitionRemoved => remove_partition(&self.outside),
            Action::AfterRestore => self.after_restore(),
        }
    }

    fn lead_again(&mut self, partition: u32, twice: i64, forgotten: i64) {
        let broker = &self.outside.broker;
        broker.lead(partition, false);
        broker.forget_commits(partition, forgotten);
        if let Some(number) = broker.owner(partition)
            && let Some(process) = self.process(number)
        {
            process.fetch_again(partition, twice);
        }
    }

    fn start_process(&mut self, slot: usize) {
        self.started += 1;
        let (number, skew_ms) = (self.started, self.skews_ms[slot]);
        self.outside
            .diary
            .note(|| format!("process {number} starts in slot {slot}"));
        self.slots[slot] = Some(Process::start(&self.outside, number, skew_ms));
    }

    /// A process starts, and gets its share of the partitions, as planned.
    fn join(&mut self, slot: usize) {
        if self.slots.get(slot).is_none_or(Option::is_some) {
            return;
        }
        if self.is_changed() {
            return self.later(GIVE_AGAIN_MS, Action::Start { slot }); // it is refused
        }
        self.start_process(slot);
        let (slots, partitions) = (self.slots.len(), self.outside.broker.count());
        for partition in (0..partitions).filter(|it| slots > 1 && *it as usize % slots == slot) {
            self.hand_over(partition);
        }
    }

    fn resume(&mut self, slot: usize, number: u64) {
        let now_ms = self.outside.clock.boot_ms();
        if let Some(Some(process)) = self
            .slots
            .get(slot)
            .filter(|it| it.as_ref().is_some_and(|it| it.life.number == number))
        {
            self.outside
                .diary
                .note(|| format!("process {number} goes on"));
            process.life.resume(now_ms);
        }
    }

    /// The broker heard nothing of a member for too long. It hears of that only after it goes on.
    fn expire(&mut self, slot: usize, number: u64) {
        let is_silent = |it: &&Process| it.life.number == number && it.life.is_suspended();
        let slot = self.slots.get(slot).and_then(Option::as_ref);
        if slot.filter(is_silent).is_none() {
            return;
        }
        let resumes =
            |it: &Action| matches!(it, Action::Resume { number: its, .. } if *its == number);
        let resumes_ms = self
            .later
            .iter()
            .find(|(_, it)| resumes(it))
            .map_or(0, |((at_ms, _), _)| at_ms - self.now_ms());
        let told_after_ms = self
            .outside
            .faults
            .dice("word of an expiry", number)
            .between(0, 5_000);
        for partition in self.owned_by(number) {
            self.take_away(partition, number, resumes_ms + told_after_ms);
        }
    }

    /// The partition goes to another process at once, or, where there is none, to the same one after it was told.
    fn take_away(&mut self, partition: u32, number: u64, told_after_ms: i64) {
        let generation = self.outside.broker.generation(partition);
        self.outside.broker.assign(partition, None, self.now_ms());
        self.later(
            told_after_ms,
            Action::Tell {
                number,
                partition,
                generation,
            },
        );
        let has_other = self
            .slots
            .iter()
            .flatten()
            .any(|it| it.life.number != number && !it.life.is_suspended());
        let gives_ms = if has_other { 10 } else { told_after_ms + 10 };
        self.later(
            gives_ms,
            Action::Give {
                partition,
                not_to: has_other.then_some(number),
            },
        );
    }

    fn give(&mut self, partition: u32, not_to: Option<u64>) {
        let broker = &self.outside.broker;
        if partition >= broker.count() || broker.owner(partition).is_some() || self.is_restoring {
            return;
        }
        let takes = |it: &Process| !it.life.is_suspended() && Some(it.life.number) != not_to;
        let slots = self.slots.len();
        let first = (partition as usize + self.counter as usize) % slots;
        let order = (0..slots).map(|i| (first + i) % slots);
        match order
            .into_iter()
            .find(|slot| self.slots[*slot].as_ref().is_some_and(takes))
        {
            Some(slot) => self.assign(partition, slot),
            None => self.later(
                GIVE_AGAIN_MS,
                Action::Give {
                    partition,
                    not_to: None,
                },
            ),
        }
    }

    fn assign(&mut self, partition: u32, slot: usize) {
        let now_ms = self.outside.clock.boot_ms();
        let Some(process) = &mut self.slots[slot] else {
            return;
        };
        let number = process.life.number;
        let generation = self.outside.broker.assign(partition, Some(number), now_ms);
        self.outside.diary.note(|| {
            format!("partition {partition} is process {number}'s, assignment {generation}")
        });
        process.assigned(partition, generation);
    }

    fn go_on_handing_over(&mut self) {
        let now_ms = self.now_ms();
        let (over, on): (Vec<_>, Vec<_>) = std::mem::take(&mut self.hand_overs)
            .into_iter()
            .partition(|it| it.is_through.load(Ordering::Relaxed) || it.until_ms <= now_ms);
        self.hand_overs = on;
        for HandOver {
            partition, from, ..
        } in over
        {
            if self.outside.broker.owner(partition) == Some(from) {
                self.outside.broker.assign(partition, None, now_ms);
                let has_other = self.slots.iter().flatten().any(|it| it.life.number != from);
                self.later(
                    1,
                    Action::Give {
                        partition,
                        not_to: has_other.then_some(from),
                    },
                );
            }
        }
    }

    fn process(&mut self, number: u64) -> Option<&mut Process> {
        self.slots
            .iter_mut()
            .flatten()
            .find(|it| it.life.number == number)
    }

    fn owned_by(&self, number: u64) -> Vec<u32> {
        (0..self.outside.broker.count())
            .filter(|it| self.outside.broker.owner(*it) == Some(number))
            .collect()
    }

    fn now_ms(&self) -> i64 {
        self.outside.diary.now_ms()
    }
}
