//! A record on its way out, and what the broker said of it.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};

use almoner_actors::ports::{Done, PublishError};
use metrics::{Counter, counter};
use rdkafka::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::{KafkaError as ClientError, RDKafkaErrorCode};
use rdkafka::message::OwnedHeaders;
use rdkafka::producer::{DeliveryResult, ProducerContext};

use super::cutting::Cutting;
use super::letter::Letter;
use crate::kafka::context::PlainContext;
use crate::kafka::telemetry::{LETTERS_CUT, PUBLISH_FAILURES, PUBLISHED};
use crate::kafka::troubles::{Doing, Troubles};

/// What a record is, which says where it goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    Outcome,
    DeadLetter,
    Forward,
}

impl Kind {
    /// What it is to the broker's troubles.
    pub(super) fn doing(self) -> Doing {
        match self {
            Self::Outcome => Doing::Outcomes,
            Self::DeadLetter => Doing::DeadLetters,
            Self::Forward => Doing::Forwards,
        }
    }
}

/// A record to be sent, with who waits for it.
pub(super) struct Parcel {
    pub(super) kind: Kind,
    /// None: the partitioner's.
    pub(super) partition: Option<i32>,
    pub(super) key: Option<Box<[u8]>>,
    pub(super) value: Option<Vec<u8>>,
    pub(super) headers: OwnedHeaders,
    /// Kept of a dead letter, should it have to be cut.
    pub(super) letter: Option<Box<Letter>>,
    pub(super) done: Done<Result<(), PublishError>>,
}

/// What stays here while a record is on its way.
pub(super) struct Sent {
    kind: Kind,
    letter: Option<Box<Letter>>,
    done: Done<Result<(), PublishError>>,
}

/// librdkafka carries it through its own threads, so it has to be `Sync`; the lock is never taken.
pub(super) type Carried = Mutex<Sent>;

type Parts = (
    Option<Box<[u8]>>,
    Option<Vec<u8>>,
    Option<i32>,
    OwnedHeaders,
    Box<Carried>,
);

impl Parcel {
    /// What goes out, and what stays.
    pub(super) fn split(self) -> Parts {
        let sent = Sent {
            kind: self.kind,
            letter: self.letter,
            done: self.done,
        };
        (
            self.key,
            self.value,
            self.partition,
            self.headers,
            Box::new(Mutex::new(sent)),
        )
    }

    /// A record that did not go out.
    pub(super) fn join(
        key: Option<Box<[u8]>>,
        value: Option<Vec<u8>>,
        partition: Option<i32>,
        headers: Option<OwnedHeaders>,
        sent: Carried,
    ) -> Self {
        let Sent { kind, letter, done } = sent.into_inner().unwrap_or_else(PoisonError::into_inner);
        Self {
            kind,
            partition,
            key,
            value,
            headers: headers.unwrap_or_default(),
            letter,
            done,
        }
    }
}

/// Counted, by kind.
pub(super) struct Counters {
    published: [Counter; 3],
    failures: [Counter; 3],
    letters_cut: Counter,
}

impl Counters {
    pub(super) fn new() -> Self {
        const KINDS: [&str; 3] = ["outcome", "dead_letter", "forward"];
        Self {
            published: KINDS.map(|kind| counter!(PUBLISHED, "kind" => kind)),
            failures: KINDS.map(|kind| counter!(PUBLISH_FAILURES, "kind" => kind)),
            letters_cut: counter!(LETTERS_CUT),
        }
    }

    pub(super) fn failed(&self, kind: Kind) {
        self.failures[kind as usize].increment(1);
    }

    pub(super) fn cut(&self) {
        self.letters_cut.increment(1);
    }
}

/// The context of the producer: each acknowledgement calls its completion.
pub(super) struct Deliveries {
    plain: PlainContext,
    cutting: Arc<Cutting>,
    troubles: Arc<Troubles>,
}

impl Deliveries {
    pub(super) fn new(cutting: Arc<Cutting>, troubles: Arc<Troubles>) -> Self {
        Self {
            plain: PlainContext::new(),
            cutting,
            troubles,
        }
    }

    /// Why the broker has not taken a record. What we have given up ourselves says nothing of it.
    fn in_trouble(&self, kind: Kind, error: &ClientError) {
        let Some(code) = error.rdkafka_error_code() else {
            return;
        };
        if !matches!(
            code,
            RDKafkaErrorCode::PurgeQueue | RDKafkaErrorCode::PurgeInflight
        ) {
            let last = self.plain.last_error().map(|it| it.reason);
            let said = last.unwrap_or_else(|| code.to_string());
            self.troubles.begin(kind.doing(), code, &said);
        }
    }

    fn answer(&self, sent: Sent, result: Result<(), PublishError>) {
        let counters = &self.cutting.counters;
        match &result {
            Ok(()) => counters.published[sent.kind as usize].increment(1),
            Err(error) => {
                counters.failed(sent.kind);
                tracing::debug!(target: "almoner::kafka", "{error}");
            }
        }
        // One completion that panics must not take the others with it.
        if catch_unwind(AssertUnwindSafe(|| sent.done.call(result))).is_err() {
            tracing::error!(target: "almoner::kafka", "a completion of the producer panicked");
        }
    }
}

impl ClientContext for Deliveries {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        self.plain.say_log(level, facility, message);
    }

    fn error(&self, error: ClientError, reason: &str) {
        self.plain.say_error(&error, reason);
    }

    fn stats_raw(&self, json: &[u8]) {
        self.plain.metrics().producer(json);
    }
}

impl ProducerContext for Deliveries {
    type DeliveryOpaque = Box<Carried>;

    fn delivery(&self, result: &DeliveryResult<'_>, sent: Box<Carried>) {
        let mut sent = sent.into_inner().unwrap_or_else(PoisonError::into_inner);
        let result = match result {
            Ok(_) => {
                self.troubles.end(sent.kind.doing());
                Ok(())
            }
            Err((error, _)) => {
                if error.rdkafka_error_code() == Some(RDKafkaErrorCode::MessageSizeTooLarge)
                    && let Some(letter) = sent.letter.take()
                    && letter.can_be_cut()
                {
                    return self.cutting.shorten(*letter, sent.done);
                }
                self.in_trouble(sent.kind, error);
                Err(PublishError(error.to_string().into()))
            }
        };
        self.answer(sent, result);
    }
}
