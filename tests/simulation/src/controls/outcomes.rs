//! Defects at the side of the gateway, the outcomes and the commits.

use std::sync::Arc;

use almoner_actors::ports::{
    Commit, CommitError, Done, Forward, Gateway, GatewayCall, Inexpressible, Outcomes,
    PublishError, Source,
};
use almoner_domain::answer::{Answer, Refused};
use almoner_domain::dead_letter::{self, DeadLetter};
use almoner_domain::outcome::{Message, decode};
use almoner_domain::request::DonationRequest;

use crate::defect::Defect;
use crate::ports::{Port, Ports};
use crate::process::TOPIC;

const HOUR_MS: i64 = 3_600_000;

/// No answer is taken for "nothing moved".
pub(super) const TIMEOUT_IS_FAILURE: Defect = Defect {
    name: "a timeout taken for a failure",
    ports: |ports, port| {
        with_gateway(ports, port, |_, call, answer| match answer {
            Answer::Lost(_) if call.call.moves_money() => Answer::Refused(Refused::PaymentMethod),
            other => other,
        })
    },
    ..Defect::NONE
};

/// A 500 says that the key is burnt, a search that shows nothing that nothing is there.
pub(super) const LIST_BELIEVED_AT_ONCE: Defect = Defect {
    name: "a search believed when it finds nothing, at once",
    ports: |ports, port| with_gateway(ports, port, lagging),
    settings: |settings| {
        settings.rules.reconcile_bound_ms = 0;
        settings.rules.key_lifetime_ms = 1_000;
    },
    ..Defect::NONE
};

/// The same, but it waits until the search must have caught up.
pub(super) const LIST_BELIEVED_SOON: Defect = Defect {
    name: "a search believed when it finds nothing, after an hour",
    settings: |settings| settings.rules.reconcile_bound_ms = HOUR_MS,
    ..Defect::NONE
};

/// What a search shows: nothing that is younger than a minute.
fn lagging(port: &Port, _: &GatewayCall, answer: Answer) -> Answer {
    let indexed_s = port.outside.clock.wall_ms() / 1_000 - 60;
    match answer {
        Answer::Listed(all) => Answer::Listed(
            all.into_iter()
                .filter(|it| it.created_s < indexed_s)
                .collect(),
        ),
        other => other,
    }
}

/// The key is resent for as long as one likes. Once it is dead it executes anew, and finds what the user gave with used up.
pub(super) const REFUSAL_BELIEVED_LATE: Defect = Defect {
    name: "a 400 after the key's life believed",
    settings: |settings| {
        settings.rules.key_lifetime_ms *= 50;
        settings.rules.max_age_ms *= 50;
    },
    ..Defect::NONE
};

/// The offset is committed one too far.
pub(super) const COMMIT_BEFORE_FATE: Defect = Defect {
    name: "the offset committed before the fate",
    ports: |ports, _| {
        let inner = ports.source;
        let source = Arc::new(Commits(move |commit: Commit, done| {
            let next_offset = commit.next_offset + 1;
            inner.commit(
                Commit {
                    next_offset,
                    ..commit
                },
                done,
            );
        }));
        Ports { source, ..ports }
    },
    ..Defect::NONE
};

/// A poll that returns is taken for proof of ownership.
pub(super) const LEASE_BY_POLL: Defect = Defect {
    name: "a lease renewed by poll",
    ports: |ports, _| {
        let inner = ports.source;
        let source = Arc::new(Commits(
            move |commit, done: Done<Result<(), CommitError>>| {
                inner.commit(commit, Done::new(|_| {}));
                done.call(Ok(()));
            },
        ));
        Ports { source, ..ports }
    },
    ..Defect::NONE
};

/// The producer's queue is taken for the broker.
pub(super) const TOLD_BEFORE_ACKNOWLEDGED: Defect = Defect {
    name: "an outcome counted as told before it is acknowledged",
    ports: |ports, _| {
        with_publish(ports, |inner, message, done| {
            inner.publish(message, Done::new(|_| {}));
            done.call(Ok(()));
        })
    },
    ..Defect::NONE
};

/// What is slow is put aside, among what cannot be read.
pub(super) const ACCEPTED_IS_DEAD_LETTER: Defect = Defect {
    name: "an accepted donation dead-lettered",
    ports: |ports, _| {
        with_publish(ports, |inner, message, done| match letter_of(&message) {
            Some(letter) => inner.dead_letter(letter, done),
            None => inner.publish(message, done),
        })
    },
    ..Defect::NONE
};

/// The dead letter in place of a `donation.pending`.
fn letter_of(message: &Message) -> Option<DeadLetter> {
    let view = decode(&message.value)
        .ok()
        .filter(|view| view.event_type == "donation.pending")?;
    let source = view.source?;
    Some(DeadLetter {
        key: Some(message.key.as_bytes().to_vec()),
        value: None,
        headers: Vec::new(),
        topic: TOPIC.into(),
        partition: i32::try_from(source.partition).unwrap_or(0),
        offset: source.offset,
        timestamp_ms: 0,
        timestamp_type: dead_letter::TimestampType::None,
        group: "almoner".into(),
        reason: dead_letter::Reason::Quarantined,
        detail: "it takes too long".into(),
        attempts: 1,
        first_failure_ms: 0,
    })
}

type Heard = fn(&Port, &GatewayCall, Answer) -> Answer;

/// A gateway whose answers are heard otherwise.
struct Mishearing {
    inner: Arc<dyn Gateway>,
    port: Arc<Port>,
    heard: Heard,
}

fn with_gateway(ports: Ports, port: &Arc<Port>, heard: Heard) -> Ports {
    let gateway = Arc::new(Mishearing {
        inner: ports.gateway,
        port: Arc::clone(port),
        heard,
    });
    Ports { gateway, ..ports }
}

impl Gateway for Mishearing {
    fn freeze(&self, request: &DonationRequest) -> Result<u16, Inexpressible> {
        self.inner.freeze(request)
    }

    fn call(&self, call: GatewayCall, done: Done<Answer>) {
        let (port, heard, sent) = (Arc::clone(&self.port), self.heard, call.clone());
        self.inner.call(
            call,
            Done::new(move |answer| done.call(heard(&port, &sent, answer))),
        );
    }
}

/// Commits made otherwise.
struct Commits<F>(F);

impl<F: Fn(Commit, Done<Result<(), CommitError>>) + Send + Sync> Source for Commits<F> {
    fn commit(&self, commit: Commit, done: Done<Result<(), CommitError>>) {
        (self.0)(commit, done);
    }
}

type Publish = fn(&Arc<dyn Outcomes>, Message, Done<Result<(), PublishError>>);

/// Outcomes published otherwise.
struct Publishing {
    inner: Arc<dyn Outcomes>,
    publish: Publish,
}

fn with_publish(ports: Ports, publish: Publish) -> Ports {
    let outcomes = Arc::new(Publishing {
        inner: ports.outcomes,
        publish,
    });
    Ports { outcomes, ..ports }
}

impl Outcomes for Publishing {
    fn publish(&self, message: Message, done: Done<Result<(), PublishError>>) {
        (self.publish)(&self.inner, message, done);
    }

    fn dead_letter(&self, letter: DeadLetter, done: Done<Result<(), PublishError>>) {
        self.inner.dead_letter(letter, done);
    }

    fn forward(&self, forward: Forward, done: Done<Result<(), PublishError>>) {
        self.inner.forward(forward, done);
    }
}
