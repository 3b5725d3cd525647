//! Which steps the donations of a history took: in which state what happened, as the actors trace it.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex};

use almoner_actors::telemetry::STEP;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::Subscriber;
use tracing::{Event, Metadata};

use crate::diary::lock;

/// In which state what happened, and how often.
pub type Steps = BTreeMap<(String, String), u64>;

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
