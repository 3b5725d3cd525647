//! A flight: one donation that something is being done for, the records that wait for its fate, and the events that
//! are yet to be told. It begins with a record or a due time, and ends when all is acknowledged.

use std::collections::VecDeque;
use std::sync::Arc;

use actix::prelude::{Addr, AsyncContext, Context, Handler, Message};
use almoner_domain::donation::Donation;
use almoner_domain::ids::{DonationId, Place, UserId};
use almoner_domain::outcome::{self, Told};
use almoner_domain::request::HoldAnswer;
use smallvec::SmallVec;

use super::{Departed, Fate, PendingEntry, Router};
use crate::ports::{Done, PublishError};
use crate::user::{AnswerHold, Donate, Due, STORE_PAUSE, User};

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
    pub(super) place: Place,
    pub(super) recorded_at_ms: i64,
}

/// One donation in flight in the shard.
pub(super) struct Flight {
    pub(super) work: Work,
    /// The records that wait for its fate.
    pub(super) tickets: SmallVec<[Place; 1]>,
    /// Events to be told, the first one being published.
    outbox: VecDeque<(Told, Place)>,
    /// What became of it, once it has left its user.
    pub(super) fate: Option<Fate>,
    /// Set with the fate.
    donation: Option<Arc<Donation>>,
    latest: Option<Told>,
    /// Whether the events before this flight's were acknowledged in this owner's time.
    is_acknowledged_before: bool,
    /// Answers to its hold that came while it was in flight: they are begun when it ends.
    pub(super) after: Vec<Arc<HoldRecord>>,
    /// Since when, boot clock.
    pub(super) since_boot_ms: i64,
    /// Its user was told that it takes long.
    pub(super) is_overdue: bool,
}

/// The broker's answer to an event of a flight.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct Published {
    id: DonationId,
    result: Result<(), PublishError>,
}

impl Work {
    pub(super) fn user_id(&self) -> &UserId {
        match self {
            Self::Donate(donation) => &donation.request.user_id,
            Self::AnswerHold(record) => &record.hold.user_id,
            Self::Due(user_id) => user_id,
        }
    }
}

impl Flight {
    pub(super) fn new(work: Work, since_boot_ms: i64) -> Self {
        Self {
            work,
            tickets: SmallVec::new(),
            outbox: VecDeque::new(),
            fate: None,
            donation: None,
            latest: None,
            is_acknowledged_before: true,
            after: Vec::new(),
            since_boot_ms,
            is_overdue: false,
        }
    }

    /// Says whether the events before this flight's were acknowledged in this owner's time: else they come first.
    pub(super) fn after(mut self, is_acknowledged: bool) -> Self {
        self.is_acknowledged_before = is_acknowledged;
        self
    }

    /// Whether it is still at its user.
    pub(super) fn is_at_user(&self) -> bool {
        self.fate.is_none()
    }

    /// The first field in which a request for the same id differs from this flight's.
    pub(super) fn differs_from(&self, donation: &Donation) -> Option<&'static str> {
        match &self.work {
            Work::Donate(known) => known.request.same_content(&donation.request).err(),
            // What is recorded is not read yet; the repeat is compared when it is.
            Work::AnswerHold(_) | Work::Due(_) => None,
        }
    }

    fn send_to(&self, id: DonationId, user: &Addr<User>) {
        match &self.work {
            Work::Donate(donation) => user.do_send(Donate {
                donation: Arc::clone(donation),
            }),
            Work::AnswerHold(record) => user.do_send(AnswerHold {
                hold: record.hold.clone(),
                confirmed: record.confirmed,
                place: record.place.clone(),
                recorded_at_ms: record.recorded_at_ms,
            }),
            Work::Due(_) => user.do_send(Due { id }),
        }
    }
}

impl Router {
    /// Begins a flight at its user.
    pub(super) fn launch(&mut self, id: DonationId, mut flight: Flight, ctx: &Context<Self>) {
        let Some(shard) = self.shard.clone() else {
            return;
        };
        if let Some(entry) = self.pending.take(id) {
            flight.is_acknowledged_before = entry.is_acknowledged;
        }
        match self
            .slots
            .user(&shard, flight.work.user_id(), flight.since_boot_ms)
        {
            Some(user) => {
                flight.send_to(id, &user);
                self.flights.insert(id, flight);
            }
            None => {
                self.flights.insert(id, flight);
                self.look_after_quarantined(id, ctx);
            }
        }
    }

    /// A record joins the donation that is in flight; if its fate is known, it is told again for this record.
    pub(super) fn join(&mut self, id: DonationId, place: Place, ctx: &Context<Self>) {
        let Some(flight) = self.flights.get_mut(&id) else {
            return;
        };
        flight.tickets.push(place.clone());
        if flight.fate.is_some()
            && let Some(told) = flight.latest.clone()
        {
            flight.outbox.push_back((told, place));
            if flight.outbox.len() == 1 {
                self.publish_next(id, ctx);
            }
        }
    }

    /// Sends flights that are at their users again, after a crash there or here.
    pub(super) fn send_flights_again(&mut self, which: impl Fn(&Work) -> bool) {
        for (id, flight) in &self.flights {
            if flight.is_at_user()
                && which(&flight.work)
                && let Some(user) = self.slots.running(flight.work.user_id())
            {
                flight.send_to(*id, user);
            }
        }
    }

    /// A donation left its user: tell the world, in sequence.
    pub(super) fn departed(&mut self, departed: Departed, ctx: &Context<Self>) {
        let Departed {
            id,
            donation,
            told,
            told_before,
            fate,
        } = departed;
        let Some(flight) = self.flights.get_mut(&id) else {
            return;
        };
        flight.fate = Some(fate);
        let Some(donation) = donation else {
            return self.end_flight(id, ctx);
        };
        let was_asked = !flight.tickets.is_empty();
        if let Some(before) = told_before
            .clone()
            .filter(|_| !flight.is_acknowledged_before)
        {
            flight.outbox.push_back((before, donation.place.clone()));
        }
        if let Some(told) = told.or(told_before.filter(|_| was_asked)) {
            flight.latest = Some(told.clone());
            let copies = flight
                .tickets
                .iter()
                .map(|source| (told.clone(), source.clone()));
            flight.outbox.extend(copies);
            if !was_asked {
                // Nobody asked: the copy answers the donation's own request.
                flight.outbox.push_back((told, donation.place.clone()));
            }
        }
        flight.donation = Some(donation);
        self.world.watchers.tell(id);
        self.publish_next(id, ctx);
    }

    pub(super) fn publish_next(&mut self, id: DonationId, ctx: &Context<Self>) {
        let Some(flight) = self.flights.get(&id) else {
            return;
        };
        let (Some((told, source)), Some(donation)) = (flight.outbox.front(), &flight.donation)
        else {
            return self.end_flight(id, ctx);
        };
        let message = outcome::encode(donation, told, source);
        let done = Done::to(ctx.address().recipient(), move |result| Published {
            id,
            result,
        });
        self.world.outcomes.publish(message, done);
    }

    /// All is acknowledged: its records are done, and what follows may begin.
    fn end_flight(&mut self, id: DonationId, ctx: &Context<Self>) {
        let Some(flight) = self.flights.remove(&id) else {
            return;
        };
        let boot_ms = self.world.clock.boot_ms();
        self.slots.landed(flight.work.user_id());
        self.world
            .telemetry
            .whole_ms(boot_ms - flight.since_boot_ms);
        match flight.fate {
            Some(Fate::Dropped) | None => {
                // The offsets stay as they are: whoever owns the shard next reads the records again.
                self.world.credits.give_back(flight.tickets.len());
                return;
            }
            Some(Fate::Finished {
                has_pending_row: true,
            }) => {
                self.world.store.acknowledged(id, Done::new(|_| {}));
            }
            Some(Fate::Finished {
                has_pending_row: false,
            }) => {}
            Some(Fate::Pending { due_ms, kind }) => {
                let user_id = match &flight.donation {
                    Some(donation) => donation.request.user_id.clone(),
                    None => flight.work.user_id().clone(),
                };
                self.pending.put(
                    id,
                    PendingEntry {
                        due_ms,
                        kind,
                        user_id,
                        is_acknowledged: true,
                    },
                );
                self.bound_pending();
            }
        }
        for place in &flight.tickets {
            self.done(place.offset);
        }
        self.begin_after(id, flight.after, ctx);
    }

    /// Its records are answered by other means; what joined it goes on.
    pub(super) fn end_refused(&mut self, id: DonationId, ctx: &Context<Self>) {
        let Some(flight) = self.flights.remove(&id) else {
            return;
        };
        self.slots.landed(flight.work.user_id());
        self.begin_after(id, flight.after, ctx);
    }

    /// Answers to the hold that came meanwhile, one after the other.
    pub(super) fn begin_after(
        &mut self,
        id: DonationId,
        after: Vec<Arc<HoldRecord>>,
        ctx: &Context<Self>,
    ) {
        let mut records = after.into_iter();
        if let Some(record) = records.next() {
            let place = record.place.clone();
            let mut flight = Flight::new(Work::AnswerHold(record), self.world.clock.boot_ms());
            flight.tickets.push(place);
            flight.after = records.collect();
            self.launch(id, flight, ctx);
        }
    }

    /// A record has its fate.
    pub(super) fn done(&mut self, offset: i64) {
        self.offsets.done(offset);
        self.world.credits.give_back(1);
    }
}

impl Handler<Published> for Router {
    type Result = ();

    fn handle(&mut self, Published { id, result }: Published, ctx: &mut Self::Context) {
        match result {
            Ok(()) => {
                if let Some(flight) = self.flights.get_mut(&id) {
                    flight.outbox.pop_front();
                }
                self.publish_next(id, ctx);
            }
            Err(error) => {
                self.world.telemetry.publish_failed(&error);
                ctx.run_later(STORE_PAUSE, move |router, ctx| router.publish_next(id, ctx));
            }
        }
    }
}
