//! How a record is begun: a request becomes a flight or joins one; what cannot be done is answered at once.

use std::sync::Arc;

use almoner_domain::dead_letter::DeadLetter;
use almoner_domain::donation::Trace;
use almoner_domain::ids::{DonationId, Place};
use almoner_domain::outcome::{Rejection, RejectionReason};
use smallvec::SmallVec;

use super::flight::{HoldRecord, Ticket, Work};
use super::tick::Again;
use super::{Completed, Refused, Router};
use crate::intake::{self, Asked, Incoming};
use crate::offsets::Begun;
use crate::ports::{Forward, PublishError};
use crate::world::Alarm;

/// How often a record is begun again after a crash of the router itself.
const BEGIN_TRIES_MAX: u32 = 3;

/// Something that answers a record by itself, without a donation.
#[derive(Clone)]
pub(super) enum Loose {
    Rejection(Box<Rejection>, Place, Option<Arc<Trace>>),
    DeadLetter(Box<DeadLetter>),
    Forward(Box<Forward>),
}

/// The broker's answer to one of them.
pub(crate) struct LoosePublished {
    offset: i64,
    result: Result<(), PublishError>,
}

impl Router {
    /// Begins one record. It is kept in `current` meanwhile, so that a crash does not lose it.
    pub(super) fn begin(&mut self, incoming: Incoming, tries: u32) {
        self.current = Some((incoming.clone(), tries));
        self.begin_record(incoming, tries == 0);
        self.current = None;
    }

    /// After a crash: the record that was being begun is begun again, or given up as a dead letter.
    pub(super) fn retry_current(&mut self) {
        let Some((incoming, tries)) = self.current.take() else {
            return;
        };
        if tries + 1 < BEGIN_TRIES_MAX {
            return self.begin(incoming, tries + 1);
        }
        let offset = incoming.offset;
        match incoming.as_dead_letter(&self.world, "the shard's router crashed on it") {
            Some(letter) => {
                self.publish_loose([(offset, Loose::DeadLetter(Box::new(letter)))]);
            }
            None => self.world.raise(Alarm::Escalated {
                what: format!(
                    "the record at offset {offset} of shard {} crashes its router",
                    self.id
                ),
            }),
        }
    }

    /// Whether something answers the record already.
    fn is_in_hand(&self, offset: i64) -> bool {
        self.loose.contains_key(&offset) || self.flights.values().any(|it| it.holds(offset))
    }

    fn begin_record(&mut self, incoming: Incoming, is_first_try: bool) {
        let Some(shard) = &self.shard else {
            return;
        };
        let Incoming {
            offset,
            stream_ms,
            asked,
        } = incoming;
        let is_repeat = self.offsets.begin(offset) == Begun::Repeat;
        if is_repeat && is_first_try {
            return self.world.credits.give_back(1);
        }
        if is_repeat && self.is_in_hand(offset) {
            return;
        }
        let stream_ms = shard.stream_ms.get().max(stream_ms);
        shard.stream_ms.set(stream_ms);
        self.ticking.note_stream(offset, stream_ms);
        match asked {
            Asked::Donate(donation) => {
                self.ask(donation.request.id, Work::Donate(donation));
            }
            Asked::AnswerHold {
                hold,
                confirmed,
                place,
                recorded_at_ms,
            } => {
                let id = hold.id;
                let record = HoldRecord {
                    hold,
                    confirmed,
                    offset,
                    place,
                    recorded_at_ms,
                };
                self.ask(id, Work::AnswerHold(Arc::new(record)));
            }
            Asked::Rejected {
                rejection,
                place,
                trace,
            } => {
                self.publish_loose([(offset, Loose::Rejection(rejection, place, trace))]);
            }
            Asked::Dead(letter) => self.publish_loose([(offset, Loose::DeadLetter(letter))]),
            Asked::Elsewhere(forward) => {
                self.publish_loose([(offset, Loose::Forward(forward))]);
            }
        }
    }

    /// A request of a flight cannot be done: each of its records is told so.
    pub(super) fn refused(&mut self, refused: &Refused) {
        let Some(flight) = (self.flights.get_mut(&refused.id))
            .filter(|flight| flight.is_at_user() && flight.work.offset() == Some(refused.offset))
        else {
            return;
        };
        let (rejection, trace) = match &flight.work {
            Work::Donate(donation) => (
                id_reused(&donation.request, refused.field.unwrap_or("id")),
                donation.trace.clone(),
            ),
            Work::AnswerHold(record) => (hold_refused(record, refused.reason), None),
            Work::Due(_) => return,
        };
        let tickets = std::mem::take(&mut flight.tickets);
        if refused.is_end {
            self.end_refused(refused.id);
        }
        let reject = |Ticket { offset, place }| {
            let rejection = Box::new(rejection.clone());
            (offset, Loose::Rejection(rejection, place, trace.clone()))
        };
        self.publish_loose(tickets.into_iter().map(reject));
    }

    /// Requests of a flight that were never accepted and cannot be: each record becomes a dead letter.
    pub(super) fn dead_letter_flight(&mut self, id: DonationId) {
        let Some(flight) = self.flights.get_mut(&id) else {
            return;
        };
        let detail = "the actor that handled it crashed too often; replay it once that is mended";
        let letter = match &flight.work {
            Work::Donate(donation) => intake::quarantined(&self.world, donation, detail),
            Work::AnswerHold(record) => record.as_dead_letter(&self.world, detail),
            Work::Due(_) => return,
        };
        let tickets = std::mem::take(&mut flight.tickets);
        self.end_refused(id);
        let bury = |Ticket { offset, place }| {
            let letter = intake::at(place, letter.clone());
            (offset, Loose::DeadLetter(Box::new(letter)))
        };
        self.publish_loose(tickets.into_iter().map(bury));
    }

    /// All is kept before the first one is published, since a port may panic.
    fn publish_loose(&mut self, answers: impl IntoIterator<Item = (i64, Loose)>) {
        let mut offsets = SmallVec::<[i64; 1]>::new();
        for (offset, loose) in answers {
            match &loose {
                Loose::Rejection(rejection, ..) => self.world.telemetry.rejected(rejection),
                Loose::DeadLetter(letter) => self.world.telemetry.dead_letter(letter),
                Loose::Forward(_) => {}
            }
            self.loose.insert(offset, loose);
            offsets.push(offset);
        }
        for offset in offsets {
            self.publish_loose_again(offset);
        }
    }

    pub(super) fn publish_loose_again(&self, offset: i64) {
        let (Some(shard), Some(loose)) = (&self.shard, self.loose.get(&offset)) else {
            return;
        };
        let done = (shard.completions)
            .done(move |result| Completed::Loose(LoosePublished { offset, result }));
        let outcomes = &self.world.outcomes;
        match loose {
            Loose::Rejection(rejection, place, trace) => {
                let message = rejection.encode(self.log_generation, place, trace.as_deref());
                outcomes.publish(message, done);
            }
            Loose::DeadLetter(letter) => outcomes.dead_letter((**letter).clone(), done),
            Loose::Forward(forward) => outcomes.forward((**forward).clone(), done),
        }
    }

    /// The record has its fate, once the broker acknowledged the answer.
    pub(super) fn loose_published(&mut self, published: LoosePublished) {
        let LoosePublished { offset, result } = published;
        match result {
            Ok(()) => {
                if self.loose.remove(&offset).is_some() {
                    self.done(offset);
                }
            }
            Err(error) => {
                self.world.telemetry.publish_failed(&error);
                self.again_later(Again::Loose(offset));
            }
        }
    }

    /// After a crash: the broker's answers may have been lost in it.
    pub(super) fn publish_all_loose_again(&self) {
        self.loose
            .keys()
            .for_each(|offset| self.publish_loose_again(*offset));
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
