//! Which steps the donations of a history took: in which state what happened, as the actors trace it; which rows of the answers'
//! table came to which calls; and at which calls of ports actors crashed. What can be, and what cannot and why, is `possible.rs`.

mod possible;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex};

use almoner_actors::telemetry::STEP;
use almoner_domain::answer::{Answer, IntentStatus, Refused};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::Subscriber;
use tracing::{Event, Metadata};

pub use possible::{Gap, gaps, impossible_step};

use crate::diary::lock;

/// In which state what happened, and how often.
pub type Steps = BTreeMap<(String, String), u64>;

/// The row of the answers' table (`actors/domain/tests/machine/table.txt`) that an answer is.
#[must_use]
pub fn row(answer: &Answer) -> &'static str {
    match answer {
        Answer::Intent(intent) => match intent.status {
            IntentStatus::Succeeded => "200 succeeded",
            IntentStatus::Processing => "200 processing",
            IntentStatus::RequiresAction => "200 requires_action",
            IntentStatus::RequiresPaymentMethod => "200 requires_payment_method",
            IntentStatus::RequiresConfirmation => "200 requires_confirmation",
            IntentStatus::Canceled => "200 canceled",
        },
        Answer::Listed(intents) => match intents.as_slice() {
            [] => "a list without intents",
            [_] => "a list of one intent",
            _ => "a list of several intents",
        },
        Answer::Refunded => "200 refunded",
        Answer::Declined { intent, .. } if is_canceled(intent) => "402, and the intent is canceled",
        Answer::Declined { code, .. } => match &**code {
            "authentication_required" => "402 authentication_required",
            "processing_error" => "402 processing_error",
            "issuer_not_available" => "402 issuer_not_available",
            "try_again_later" => "402 try_again_later",
            _ => "402 card_declined",
        },
        Answer::Refused(Refused::PaymentMethod) => "400 of the payment method",
        Answer::Refused(_) => "400 of the amount",
        Answer::KeyMismatch => "400 idempotency_error",
        Answer::OurDefect { .. } => "400 any other",
        Answer::BadApiKey => "401",
        Answer::Forbidden => "403",
        Answer::KeyInUse => "409",
        Answer::RateLimited {
            retry_after_ms: Some(_),
        } => "429 with Retry-After",
        Answer::RateLimited { .. } => "429",
        Answer::ServerError { replayed: true, .. } => "500 replayed",
        Answer::ServerError { .. } => "500",
        Answer::NotSent(_) => "never sent",
        Answer::Lost(_) => "no answer",
    }
}

fn is_canceled(intent: &Option<almoner_domain::answer::Intent>) -> bool {
    let status = intent.as_ref().map(|intent| intent.status);
    status == Some(IntentStatus::Canceled)
}

/// Counts the steps of the thread on which it is the default subscriber.
#[derive(Clone, Default)]
pub struct Counting(Arc<Mutex<Steps>>);

impl Counting {
    /// The steps so far.
    #[must_use]
    pub fn steps(&self) -> Steps {
        lock(&self.0).clone()
    }
}

impl Subscriber for Counting {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == STEP
    }

    fn event(&self, event: &Event<'_>) {
        let mut step = Step::default();
        event.record(&mut step);
        *lock(&self.0).entry((step.state, step.event)).or_default() += 1;
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

#[derive(Default)]
struct Step {
    state: String,
    event: String,
}

impl Visit for Step {
    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            "state" => self.state = value.into(),
            "event" => self.event = value.into(),
            _ => {}
        }
    }

    fn record_debug(&mut self, _: &Field, _: &dyn fmt::Debug) {}
}
