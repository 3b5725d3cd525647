//! How a record is begun: a request becomes a flight or joins one; what cannot be done is answered at once.

use std::sync::Arc;

use actix::prelude::{AsyncContext, Context, Handler, Message};
use almoner_domain::dead_letter::DeadLetter;
use almoner_domain::donation::{Donation, Trace};
use almoner_domain::ids::{DonationId, Place};
use almoner_domain::outcome::{Rejection, RejectionReason};

use super::flight::{Flight, HoldRecord, Work};
use super::{Refused, Router};
use crate::intake::{self, Asked, Incoming};
use crate::offsets::Begun;
use crate::ports::{Done, Forward, PublishError};
use crate::user::STORE_PAUSE;

/// How often a record is begun again after a crash of the router itself.
const BEGIN_TRIES_MAX: u32 = 3;

/// Something that answers a record by itself, without a donation.
#[derive(Clone)]
enum Loose {
    Rejection(Box<Rejection>, Place, Option<Arc<Trace>>),
    DeadLetter(Box<DeadLetter>),
    Forward(Box<Forward>),
}

/// The broker's answer to one of them.
#[derive(Message)]
#[rtype(result = "()")]
struct LoosePublished {
    offset: i64,
    loose: Loose,
    result: Result<(), PublishError>,
}

impl Router {
    /// Begins one record. It is kept in `current` meanwhile, so that a crash does not lose it.
    pub(super) fn begin(&mut self, incoming: Incoming, tries: u32, ctx: &Context<Self>) {
        self.current = Some((incoming.clone(), tries));
        self.begin_record(incoming, tries == 0, ctx);
        self.current = None;
    }

    /// After a crash: the record that was being begun is begun again, or given up as a dead letter.
    pub(super) fn retry_current(&mut self, ctx: &Context<Self>) {
        let Some((incoming, tries)) = self.current.take() else {
            return;
        };
        if tries + 1 < BEGIN_TRIES_MAX {
            return self.begin(incoming, tries + 1, ctx);
        }
        match incoming.as_dead_letter(&self.world, "the shard's router crashed on it") {
            Some(letter) => {
                self.publish_loose(incoming.offset, Loose::DeadLetter(Box::new(letter)), ctx)
            }
            None => {
                tracing::error!(shard = %self.id, offset = incoming.offset, "a record crashes the router")
            }
        }
    }

    fn begin_record(&mut self, incoming: Incoming, is_first_try: bool, ctx: &Context<Self>) {
        let Some(shard) = self.shard.clone() else {
            return;
        };
        let Incoming {
            offset,
            stream_ms,
            asked,
        } = incoming;
        if self.offsets.begin(offset) == Begun::Repeat && is_first_try {
            return self.world.credits.give_back(1);
        }
        self.ticking.next_offset_seen = offset + 1;
        shard.stream_ms.set(shard.stream_ms.get().max(stream_ms));
        match asked {
            Asked::Donate(donation) => {
                let id = donation.request.id;
                let place = donation.place.clone();
                match self
                    .flights
                    .get(&id)
                    .map(|flight| flight.differs_from(&donation))
                {
                    Some(Some(field)) => {
                        let rejection = id_reused(&donation.request, field);
                        let trace = donation.trace.clone();
                        self.publish_loose(
                            offset,
                            Loose::Rejection(Box::new(rejection), place, trace),
                            ctx,
                        );
                    }
                    Some(None) => self.join(id, place, ctx),
                    None => self.launch_for(id, Work::Donate(donation), place, ctx),
                }
            }
            Asked::AnswerHold {
                hold,
                confirmed,
                place,
                recorded_at_ms,
            } => {
                let id = hold.id;
                let record = Arc::new(HoldRecord {
                    hold,
                    confirmed,
                    place,
                    recorded_at_ms,
                });
                match self.flights.get_mut(&id) {
                    Some(flight) => flight.after.push(record),
                    None => {
                        let place = record.place.clone();
                        self.launch_for(id, Work::AnswerHold(record), place, ctx);
                    }
                }
            }
            Asked::Rejected {
                rejection,
                place,
                trace,
            } => {
                self.publish_loose(offset, Loose::Rejection(rejection, place, trace), ctx);
            }
            Asked::Dead(letter) => self.publish_loose(offset, Loose::DeadLetter(letter), ctx),
            Asked::Elsewhere(forward) => self.publish_loose(offset, Loose::Forward(forward), ctx),
        }
    }

    fn launch_for(&mut self, id: DonationId, work: Work, place: Place, ctx: &Context<Self>) {
        let mut flight = Flight::new(work, self.world.clock.boot_ms());
        flight.tickets.push(place);
        self.launch(id, flight, ctx);
    }

    /// A request of a flight cannot be done: each of its records is told so.
    pub(super) fn refused(&mut self, refused: &Refused, ctx: &Context<Self>) {
        let Some(flight) = self.flights.get_mut(&refused.id) else {
            return;
        };
        let tickets = std::mem::take(&mut flight.tickets);
        let (rejection, trace) = match &flight.work {
            Work::Donate(donation) => (
                id_reused(&donation.request, refused.field.unwrap_or("id")),
                donation.trace.clone(),
            ),
            Work::AnswerHold(record) => (hold_refused(record, refused.reason), None),
            Work::Due(_) => return,
        };
        for place in tickets {
            let loose = Loose::Rejection(Box::new(rejection.clone()), place.clone(), trace.clone());
            self.publish_loose(place.offset, loose, ctx);
        }
        if refused.reason == RejectionReason::IdReused {
            self.end_refused(refused.id, ctx);
        }
    }

    /// A donation that was never accepted and cannot be: each of its records becomes a dead letter.
    pub(super) fn dead_letter_donation(
        &mut self,
        donation: &Donation,
        tickets: &[Place],
        ctx: &Context<Self>,
    ) {
        for place in tickets {
            let detail =
                "the actor that handled it crashed too often; replay it once that is mended";
            let letter = intake::quarantined(&self.world, donation, place.offset, detail);
            self.publish_loose(place.offset, Loose::DeadLetter(Box::new(letter)), ctx);
        }
    }

    fn publish_loose(&mut self, offset: i64, loose: Loose, ctx: &Context<Self>) {
        self.loose += 1;
        self.publish_loose_again(offset, loose, ctx);
    }

    fn publish_loose_again(&self, offset: i64, loose: Loose, ctx: &Context<Self>) {
        let kept = loose.clone();
        let done = Done::to(ctx.address().recipient(), move |result| LoosePublished {
            offset,
            loose: kept,
            result,
        });
        match loose {
            Loose::Rejection(rejection, place, trace) => {
                self.world.telemetry.rejected(&rejection);
                let message = rejection.encode(self.log_generation, &place, trace.as_deref());
                self.world.outcomes.publish(message, done);
            }
            Loose::DeadLetter(letter) => {
                self.world.telemetry.dead_letter(&letter);
                self.world.outcomes.dead_letter(*letter, done);
            }
            Loose::Forward(forward) => self.world.outcomes.forward(*forward, done),
        }
    }
}

impl Handler<LoosePublished> for Router {
    type Result = ();

    fn handle(&mut self, published: LoosePublished, ctx: &mut Self::Context) {
        let LoosePublished {
            offset,
            loose,
            result,
        } = published;
        if self.loose == 0 {
            return; // the shard was let go meanwhile
        }
        match result {
            Ok(()) => {
                self.loose -= 1;
                self.done(offset);
            }
            Err(error) => {
                self.world.telemetry.publish_failed(&error);
                ctx.run_later(STORE_PAUSE, move |router, ctx| {
                    router.publish_loose_again(offset, loose, ctx)
                });
            }
        }
    }
}

fn id_reused(request: &almoner_domain::request::DonationRequest, field: &str) -> Rejection {
    Rejection {
        request_type: "donate".into(),
        donation_id: request.id,
        user_id: request.user_id.clone(),
        reason: RejectionReason::IdReused,
        field: Some(field.into()),
        detail: format!(
            "this id was used for another donation: {field} differs; a retry repeats the request unchanged, \
             a new donation needs a new id"
        )
        .into(),
    }
}

fn hold_refused(record: &HoldRecord, reason: RejectionReason) -> Rejection {
    let detail = match reason {
        RejectionReason::NotFound => {
            "no donation has this id; send the id of the donation that needs confirmation"
        }
        RejectionReason::WrongUser => "the donation is another user's; only who gives can answer",
        RejectionReason::AlreadyAnswered => {
            "the question was answered before; the first answer counts"
        }
        RejectionReason::TooLate => {
            "the question had lapsed; to give, send a new donation with a new id"
        }
        _ => "the donation does not wait for an answer; nothing is to be done",
    };
    Rejection {
        request_type: if record.confirmed {
            "confirm"
        } else {
            "cancel"
        }
        .into(),
        donation_id: record.hold.id,
        user_id: record.hold.user_id.clone(),
        reason,
        field: None,
        detail: detail.into(),
    }
}
