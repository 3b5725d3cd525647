//! What librdkafka tells a member of the group. Its calls come while we poll; they are written down, and the loop answers
//! them when it can: a revocation only once the partitions are drained, polling on meanwhile. Until the answer, librdkafka
//! keeps the member in its group and fetches nothing.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use metrics::{Counter, counter};
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::{KafkaError as ClientError, KafkaResult, RDKafkaErrorCode};
use rdkafka::types::RDKafkaRespErr;
use rdkafka::{ClientContext, TopicPartitionList};

use super::status::ConsumerStatus;
use crate::kafka::context::PlainContext;
use crate::kafka::repeats;
use crate::kafka::telemetry::REBALANCES;
use crate::kafka::troubles::{Doing, is_refusal};

/// A change of the assignment that the loop has to see to.
pub(super) enum Event {
    /// These partitions are to be ours; [`GroupEvents::answer`] takes them.
    Assign(Vec<i32>),
    /// These partitions are to be given up; [`GroupEvents::answer`] gives them up.
    Revoke(Vec<i32>),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Change {
    Assign,
    Revoke,
}

#[derive(Default)]
struct Inbox {
    events: VecDeque<Event>,
    /// The change of assignment that librdkafka waits to have answered.
    unanswered: Option<(Change, TopicPartitionList)>,
}

/// The context of the consumer's client.
pub(super) struct GroupEvents {
    topic: String,
    plain: PlainContext,
    status: Arc<ConsumerStatus>,
    rebalances: Counter,
    inbox: Mutex<Inbox>,
    /// The loop has ended: changes are answered at once.
    is_closing: AtomicBool,
}

impl GroupEvents {
    pub(super) fn new(topic: &str, status: Arc<ConsumerStatus>) -> Self {
        Self {
            status,
            topic: topic.to_owned(),
            plain: PlainContext::new(),
            rebalances: counter!(REBALANCES),
            inbox: Mutex::default(),
            is_closing: AtomicBool::new(false),
        }
    }

    /// What was told since the last time.
    pub(super) fn take(&self) -> VecDeque<Event> {
        std::mem::take(&mut self.inbox().events)
    }

    /// Carries out the change of assignment that librdkafka waits for: reading of an assignment begins at `offsets`.
    pub(super) fn answer(
        &self,
        client: &BaseConsumer<Self>,
        offsets: Option<&TopicPartitionList>,
    ) -> KafkaResult<()> {
        let unanswered = self.inbox().unanswered.take();
        match unanswered {
            Some((Change::Assign, list)) => client.incremental_assign(offsets.unwrap_or(&list)),
            Some((Change::Revoke, list)) => client.incremental_unassign(&list),
            None => Ok(()),
        }
    }

    /// From now on changes are answered at once, and so is the one that waits: without that, leaving the group would
    /// wait for ever.
    pub(super) fn close(&self, client: &BaseConsumer<Self>) {
        self.is_closing.store(true, Ordering::Release);
        if let Err(error) = self.answer(client, None) {
            tracing::warn!(target: "almoner::kafka", "while leaving the group: {error}");
        }
    }

    /// What we asked for was refused, or not.
    pub(super) fn refused(&self, error: &ClientError) {
        match error.rdkafka_error_code() {
            Some(code) if is_refusal(code) => {
                self.in_trouble(Doing::Requests, code, &code.to_string());
            }
            _ => {}
        }
    }

    fn in_trouble(&self, doing: Doing, code: RDKafkaErrorCode, said: &str) {
        self.status.troubles().begin(doing, code, said);
    }

    fn is_closing(&self) -> bool {
        self.is_closing.load(Ordering::Acquire)
    }

    fn inbox(&self) -> MutexGuard<'_, Inbox> {
        self.inbox.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ClientContext for GroupEvents {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        self.plain.say_log(level, facility, message);
    }

    fn error(&self, error: ClientError, reason: &str) {
        self.plain.say_error(&error, reason);
        let Some(code) = error.rdkafka_error_code() else {
            return;
        };
        match code {
            RDKafkaErrorCode::AllBrokersDown => {
                let last = self.plain.last_error().map(|it| it.reason);
                self.in_trouble(Doing::Connect, code, last.as_deref().unwrap_or(reason));
            }
            code if is_refusal(code) => self.in_trouble(Doing::Requests, code, reason),
            _ => {}
        }
    }

    fn stats_raw(&self, json: &[u8]) {
        if self.plain.metrics().lag(&self.topic, json) {
            self.status.troubles().end(Doing::Connect);
        }
        // It comes every two seconds, whether the broker is there or not.
        repeats::flush();
    }
}

impl ConsumerContext for GroupEvents {
    fn rebalance(
        &self,
        client: &BaseConsumer<Self>,
        code: RDKafkaRespErr,
        list: &mut TopicPartitionList,
    ) {
        self.rebalances.increment(1);
        let partitions: Vec<i32> = list
            .elements()
            .iter()
            .map(|element| element.partition())
            .collect();
        tracing::debug!(target: "almoner::kafka", count = partitions.len(), ?code, "the assignment changes");
        let change = if code == RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS {
            Change::Assign
        } else {
            Change::Revoke
        };
        {
            let mut inbox = self.inbox();
            inbox.unanswered = Some((change, list.clone()));
            inbox.events.push_back(match change {
                Change::Assign => Event::Assign(partitions),
                Change::Revoke => Event::Revoke(partitions),
            });
        }
        // Without partitions nothing is committed, which would show it.
        if change == Change::Assign && list.count() == 0 {
            self.status.troubles().end(Doing::Requests);
        }
        if self.is_closing() {
            self.close(client);
        }
    }
}
