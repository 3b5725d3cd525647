//! A flight: one donation that something is being done for, the records that wait for its fate, and the events that
//! are yet to be told. It begins with a record or a due time, and ends when all is acknowledged.

use std::rc::Rc;
use std::sync::Arc;

use actix::prelude::Addr;
use almoner_domain::dead_letter::DeadLetter;
use almoner_domain::donation::{Donation, PendingKind};
use almoner_domain::ids::{DonationId, Place, UserId};
use almoner_domain::outcome::{self, Told};
use almoner_domain::request::HoldAnswer;
use smallvec::SmallVec;

use super::pending::PendingEntry;
use super::slots;
use super::tick::Again;
use super::{Completed, Departed, Fate, Router};
use crate::intake;
use crate::ports::{PublishError, StoreError};
use crate::user::{AnswerHold, Donate, Due, Slot, User};
use crate::world::World;

/// What a flight is for; enough to send it to its user again.
#[derive(Clone)]
pub(super) enum Work {
    /// A request to give.
    Donate(Arc<Donation>),
    /// A user's answer to a hold.
    AnswerHold(Arc<HoldRecord>),
    /// The store's due time.
    Due(UserId),
}

/// The record of an answer to a hold.
pub(super) struct HoldRecord {
    pub(super) hold: HoldAnswer,
    pub(super) confirmed: bool,
    /// In the shard's log.
    pub(super) offset: i64,
    pub(super) place: Place,
    pub(super) recorded_at_ms: i64,
}

/// A record that waits for the fate of a flight.
#[derive(Clone)]
pub(super) struct Ticket {
    /// In the shard's log: what is done with its fate.
    pub(super) offset: i64,
    /// What it is known by to whoever is told: where it stood first.
    pub(super) place: Place,
}

/// One donation in flight in the shard.
pub(super) struct Flight {
    pub(super) work: Work,
    /// Whose it is.
    pub(super) slot: Rc<Slot>,
    /// The records that wait for its fate, all alike: a due flight has none, an answer to a hold one.
    pub(super) tickets: SmallVec<[Ticket; 1]>,
    /// Events to be told, the first one being published.
    outbox: SmallVec<[(Arc<Told>, Place); 1]>,
    /// The number of the publish that is on its way: an answer to another one is history.
    publishing: Option<u64>,
    /// What became of it, once it has left its user.
    pub(super) fate: Option<Fate>,
    /// Set with the fate.
    donation: Option<Arc<Donation>>,
    latest: Option<Arc<Told>>,
    /// As what it was pending when the flight began. It is that again if nothing comes of the flight.
    pub(super) was_pending: Option<PendingEntry>,
    /// It was sent to its user again after a crash: what was recorded before that may not have been told.
    was_sent_again: bool,
    /// Its user's actor was quarantined with it: it is set aside, and not tried again here.
    was_quarantined: bool,
    /// Other requests for its id that came while it was in flight: they are begun, one by one, when it ends.
    after: Vec<Work>,
    /// Since when, boot clock.
    pub(super) since_boot_ms: i64,
    /// When its user was last asked whether it takes long, boot clock.
    pub(super) looked_at_boot_ms: i64,
}

/// The broker's answer to an event of a flight.
pub(crate) struct Published {
    id: DonationId,
    number: u64,
    result: Result<(), PublishError>,
}

impl HoldRecord {
    /// The record as a dead letter: what was read of it is written again.
    pub(super) fn as_dead_letter(&self, world: &World, detail: &str) -> DeadLetter {
        let request = intake::hold_request(self.hold.clone(), self.confirmed);
        intake::requeued(world, &request, &self.place, self.recorded_at_ms, detail)
    }
}

impl Work {
    pub(super) fn user_id(&self) -> &UserId {
        match self {
            Self::Donate(donation) => &donation.request.user_id,
            Self::AnswerHold(record) => &record.hold.user_id,
            Self::Due(user_id) => user_id,
        }
    }

    /// The offset of the record that asks for it, in the shard's log.
    pub(super) fn offset(&self) -> Option<i64> {
        match self {
            Self::Donate(donation) => Some(donation.shard_offset),
            Self::AnswerHold(record) => Some(record.offset),
            Self::Due(_) => None,
        }
    }

    /// For the record that asks for it.
    fn ticket(&self) -> Option<Ticket> {
        let place = match self {
            Self::Donate(donation) => &donation.place,
            Self::AnswerHold(record) => &record.place,
            Self::Due(_) => return None,
        };
        let place = place.clone();
        self.offset().map(|offset| Ticket { offset, place })
    }

    /// Whether both are requests for one and the same donation: then one fate answers both.
    fn is_repeated_by(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Donate(known), Self::Donate(asked)) => {
                known.request.same_content(&asked.request).is_ok()
            }
            _ => false,
        }
    }
}

impl Flight {
    /// A flight of the user, which it counts for.
    pub(super) fn new(work: Work, slot: Rc<Slot>, since_boot_ms: i64) -> Self {
        slot.launched();
        Self {
            tickets: work.ticket().into_iter().collect(),
            work,
            slot,
            outbox: SmallVec::new(),
            publishing: None,
            fate: None,
            donation: None,
            latest: None,
            was_pending: None,
            was_sent_again: false,
            was_quarantined: false,
            after: Vec::new(),
            since_boot_ms,
            looked_at_boot_ms: since_boot_ms,
        }
    }

    /// It counts for this slot of its user from now on, who begins anew.
    pub(super) fn move_to(&mut self, slot: Rc<Slot>, now_boot_ms: i64) {
        self.was_quarantined |= self.is_at_user() && self.slot.is_quarantined(now_boot_ms);
        slot.launched();
        std::mem::replace(&mut self.slot, slot).landed();
    }

    /// Whether it is still at its user.
    pub(super) fn is_at_user(&self) -> bool {
        self.fate.is_none()
    }

    /// Whether money may have moved, as far as was known when it began.
    pub(super) fn was_unknown(&self) -> bool {
        let was_pending = self.was_pending.as_ref();
        was_pending.is_some_and(|entry| entry.kind == PendingKind::Unknown)
    }

    /// Whether it is to answer the record at this offset.
    pub(super) fn holds(&self, offset: i64) -> bool {
        let mut after = self.after.iter().filter_map(Work::offset);
        self.tickets.iter().any(|ticket| ticket.offset == offset) || after.any(|it| it == offset)
    }

    fn send_to(&self, id: DonationId, user: &Addr<User>) {
        match &self.work {
            Work::Donate(donation) => user.do_send(Donate {
                donation: Arc::clone(donation),
            }),
            Work::AnswerHold(record) => user.do_send(AnswerHold {
                hold: record.hold.clone(),
                confirmed: record.confirmed,
                offset: record.offset,
                place: record.place.clone(),
                recorded_at_ms: record.recorded_at_ms,
            }),
            Work::Due(_) => user.do_send(Due { id }),
        }
    }

    /// It left its user: what is to be told of it, in sequence, and to whom. Where nobody asked, the copy answers the
    /// donation's own request.
    fn land(&mut self, donation: Arc<Donation>, told: Option<Told>, before: Vec<Told>, fate: Fate) {
        let was_heard = !self.was_sent_again
            && (self.was_pending.as_ref()).is_none_or(|entry| entry.is_acknowledged);
        let is_news = told.is_some();
        let before: Vec<Arc<Told>> = before.into_iter().map(Arc::new).collect();
        let latest = told.map(Arc::new).or_else(|| before.last().cloned());
        if self.fate.replace(fate).is_none() && !was_heard {
            let own = |told| (told, donation.place.clone());
            self.outbox.extend(before.into_iter().map(own));
        }
        if let Some(told) = latest {
            let copies = self
                .tickets
                .iter()
                .map(|ticket| (Arc::clone(&told), ticket.place.clone()));
            self.outbox.extend(copies);
            if self.tickets.is_empty() && is_news {
                self.outbox
                    .push((Arc::clone(&told), donation.place.clone()));
            }
            self.latest = Some(told);
        }
        self.donation = Some(donation);
    }
}

impl Router {
    /// A request for a donation: it begins a flight, joins one of the same content, or waits until that has ended,
    /// since only what is recorded then can be compared and answered.
    pub(super) fn ask(&mut self, id: DonationId, work: Work) {
        let Some(flight) = self.flights.get_mut(&id) else {
            return self.launch(id, work);
        };
        if !flight.work.is_repeated_by(&work) {
            return flight.after.push(work);
        }
        let Some(ticket) = work.ticket() else { return };
        let place = ticket.place.clone();
        flight.tickets.push(ticket);
        if flight.fate.is_some()
            && let Some(told) = flight.latest.clone()
        {
            flight.outbox.push((told, place));
            self.publish_next(id);
        }
    }

    /// Begins a flight at its user.
    pub(super) fn launch(&mut self, id: DonationId, work: Work) {
        let Some(shard) = &self.shard else { return };
        let boot_ms = self.world.clock.boot_ms();
        let slot = Rc::clone(self.slots.slot(work.user_id()));
        let mut flight = Flight::new(work, slot, boot_ms);
        flight.was_pending = self.pending.take(id);
        let user = slots::user(shard, &flight.slot, boot_ms);
        if let Some(user) = &user {
            flight.send_to(id, user);
        }
        self.flights.insert(id, Box::new(flight));
        if user.is_none() {
            self.again_later(Again::LookAfter(id));
        }
    }

    /// Sends flights that are at their users again, after a crash there or here.
    pub(super) fn send_flights_again(&mut self, which: impl Fn(&Work) -> bool) {
        let at_user = self
            .flights
            .iter()
            .filter(|(_, flight)| flight.is_at_user() && which(&flight.work));
        let mut ids: Vec<_> = at_user
            .map(|(id, flight)| (flight.work.offset(), *id))
            .collect();
        ids.sort_unstable(); // in the order in which they came
        let boot_ms = self.world.clock.boot_ms();
        for (_, id) in ids {
            let (Some(shard), Some(flight)) = (&self.shard, self.flights.get_mut(&id)) else {
                continue;
            };
            flight.was_sent_again = true;
            let user = slots::user(shard, &flight.slot, boot_ms);
            match user.filter(|_| !flight.was_quarantined) {
                Some(user) => flight.send_to(id, &user),
                None => self.again_later(Again::LookAfter(id)),
            }
        }
    }

    /// Publishes what is to be told again, after a crash here: the broker's answers may have been lost in it.
    pub(super) fn publish_flights_again(&mut self) {
        let mut ids = Vec::new();
        for (id, flight) in &mut self.flights {
            flight.publishing = None;
            if !flight.is_at_user() {
                ids.push(*id);
            }
        }
        for id in ids {
            self.publish_next(id);
        }
    }

    /// A donation left its user: tell the world, in sequence.
    pub(super) fn departed(&mut self, departed: Departed) {
        let Departed {
            id,
            donation,
            told,
            told_before,
            fate,
        } = departed;
        if !self.phase.is_ready() {
            return; // the shard was let go meanwhile
        }
        let Some(donation) = donation else {
            return self.dropped(id);
        };
        let flight = self.flights.entry(id).or_insert_with(|| {
            // Nobody sent it there: an answer came late. What came of it is told like anything else.
            let user_id = donation.request.user_id.clone();
            let slot = Rc::clone(self.slots.slot(&user_id));
            let boot_ms = self.world.clock.boot_ms();
            let mut flight = Flight::new(Work::Due(user_id), slot, boot_ms);
            flight.was_pending = self.pending.take(id);
            Box::new(flight)
        });
        flight.land(donation, told, told_before, fate);
        self.world.watchers.tell(id);
        self.publish_next(id);
    }

    fn dropped(&mut self, id: DonationId) {
        if let Some(flight) = self.flights.get_mut(&id)
            && flight.is_at_user()
        {
            flight.fate = Some(Fate::Dropped);
            self.end_flight(id);
        }
    }

    /// Publishes the first event that is not acknowledged, if none is on its way; ends the flight when there is none.
    pub(super) fn publish_next(&mut self, id: DonationId) {
        let (Some(shard), Some(flight)) = (&self.shard, self.flights.get_mut(&id)) else {
            return;
        };
        if flight.is_at_user() || flight.publishing.is_some() {
            return;
        }
        let (Some((told, source)), Some(donation)) = (flight.outbox.first(), &flight.donation)
        else {
            return self.end_flight(id);
        };
        self.publishes += 1;
        let number = self.publishes;
        flight.publishing = Some(number);
        let message = outcome::encode(donation, told, source);
        let done = shard
            .completions
            .done(move |result| Completed::Published(Published { id, number, result }));
        self.world.outcomes.publish(message, done);
    }

    /// All is acknowledged: its records are done, and what follows may begin.
    fn end_flight(&mut self, id: DonationId) {
        let Some(flight) = self.flights.remove(&id) else {
            return;
        };
        let boot_ms = self.world.clock.boot_ms();
        flight.slot.landed();
        self.world
            .telemetry
            .whole_ms(boot_ms - flight.since_boot_ms);
        let mut has_pending_row = false;
        match flight.fate {
            // The offsets stay as they are: whoever owns the shard next reads the records again.
            Some(Fate::Dropped) | None => return self.begin_after(id, flight.after),
            Some(Fate::Finished {
                has_pending_row: has,
            }) => has_pending_row = has,
            Some(Fate::Pending { due_ms, kind }) => {
                let user_id = match &flight.donation {
                    Some(donation) => donation.request.user_id.clone(),
                    None => flight.work.user_id().clone(),
                };
                let entry = PendingEntry {
                    due_ms,
                    kind,
                    user_id,
                    is_acknowledged: true,
                };
                self.pending.put(id, entry);
                self.bound_pending();
            }
        }
        for ticket in &flight.tickets {
            self.done(ticket.offset);
        }
        self.begin_after(id, flight.after);
        if has_pending_row {
            self.unacknowledged.insert(id);
            self.acknowledge(id); // last, since a port may panic
        }
    }

    /// Its records are answered by other means, and nothing came of it: what was pending is so still.
    pub(super) fn end_refused(&mut self, id: DonationId) {
        let Some(flight) = self.flights.remove(&id) else {
            return;
        };
        flight.slot.landed();
        if let Some(entry) = flight.was_pending {
            self.pending.put(id, entry);
        }
        self.begin_after(id, flight.after);
    }

    /// Other requests for the id that came meanwhile, one after the other. A drain begins nothing: their records are
    /// read again.
    fn begin_after(&mut self, id: DonationId, after: Vec<Work>) {
        if self.drain.is_some() {
            return;
        }
        for work in after {
            self.ask(id, work);
        }
    }

    /// A record has its fate.
    pub(super) fn done(&mut self, offset: i64) {
        if self.offsets.done(offset) {
            self.world.credits.give_back(1);
        }
    }

    /// The outcome of a finished donation was acknowledged: its pending row may go.
    pub(super) fn acknowledge(&self, id: DonationId) {
        let Some(shard) = &self.shard else { return };
        let done = (shard.completions)
            .done(move |result| Completed::Acknowledged(Acknowledged { id, result }));
        self.world.store.acknowledged(id, done);
    }

    /// The store's answer to that.
    pub(super) fn acknowledged(&mut self, acknowledged: &Acknowledged) {
        let id = acknowledged.id;
        match acknowledged.result {
            Ok(()) => {
                self.unacknowledged.remove(&id);
            }
            Err(_) => self.again_later(Again::Acknowledge(id)),
        }
    }

    /// The broker's answer to an event: the next one follows.
    pub(super) fn published(&mut self, published: Published) {
        let Published { id, number, result } = published;
        let Some(flight) = self
            .flights
            .get_mut(&id)
            .filter(|flight| flight.publishing == Some(number))
        else {
            return; // of before a crash
        };
        flight.publishing = None;
        match result {
            Ok(()) => {
                flight.outbox.remove(0);
                self.publish_next(id);
            }
            Err(error) => {
                self.world.telemetry.publish_failed(&error);
                self.again_later(Again::Publish(id));
            }
        }
    }
}

/// The store's answer to that.
pub(crate) struct Acknowledged {
    id: DonationId,
    result: Result<(), StoreError>,
}
