//! What every librdkafka client of ours says, and where it goes: logs to `tracing`, what repeats summed; errors to a counter
//! as well and, the last one, to whoever asks why the broker did not answer.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};

use rdkafka::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::ConsumerContext;
use rdkafka::error::{KafkaError as ClientError, RDKafkaErrorCode};

use super::repeats;
use super::telemetry::ClientMetrics;

/// All that is said only because a broker does not answer.
const AWAY: &str = "away";

/// What a broker does that expects TLS and gets none.
const HANGS_UP: &str = "the broker closes the connection at our first word; if it speaks TLS, set \
    kafka.client.\"security.protocol\" = \"SSL\"";

/// What a client said of an error.
#[derive(Clone, Debug)]
pub(super) struct ClientFailure {
    pub(super) code: Option<RDKafkaErrorCode>,
    pub(super) reason: String,
}

/// The context of a client that needs nothing else.
pub(super) struct PlainContext {
    metrics: ClientMetrics,
    last_error: Mutex<Option<ClientFailure>>,
    /// How often, one after the other, a broker hung up before its first answer.
    hang_ups: AtomicU32,
}

impl PlainContext {
    pub(super) fn new() -> Self {
        Self {
            metrics: ClientMetrics::new(),
            last_error: Mutex::default(),
            hang_ups: AtomicU32::new(0),
        }
    }

    /// What went wrong last.
    pub(super) fn last_error(&self) -> Option<ClientFailure> {
        self.last_error
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    pub(super) fn metrics(&self) -> &ClientMetrics {
        &self.metrics
    }

    /// One line of librdkafka's log; what says why a broker does not answer is kept.
    pub(super) fn say_log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        if facility == "FAIL" {
            self.note_failure(message);
        }
        say_log(level, facility, message);
    }

    /// A broker that hangs up before its first answer, once and again, may expect TLS; one that is ending does so once. With
    /// a closed connection's words librdkafka's own hint is not given.
    fn note_failure(&self, message: &str) {
        if !(message.contains("Disconnected") && message.contains("APIVERSION_QUERY")) {
            self.hang_ups.store(0, Ordering::Relaxed);
        } else if self.hang_ups.fetch_add(1, Ordering::Relaxed) > 0 {
            self.set_last_error(ClientFailure {
                code: Some(RDKafkaErrorCode::BrokerTransportFailure),
                reason: HANGS_UP.to_owned(),
            });
        }
    }

    fn set_last_error(&self, failure: ClientFailure) {
        let mut last = self
            .last_error
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        *last = Some(failure);
    }

    pub(super) fn say_error(&self, error: &ClientError, reason: &str) {
        // The end of a partition is news, and no error.
        if error.rdkafka_error_code() == Some(RDKafkaErrorCode::PartitionEOF) {
            return;
        }
        self.metrics.error();
        // That all brokers are down says less than why the last one is, and comes hundredfold.
        if error.rdkafka_error_code() == Some(RDKafkaErrorCode::AllBrokersDown) {
            return;
        }
        self.set_last_error(ClientFailure {
            code: error.rdkafka_error_code(),
            reason: reason.to_owned(),
        });
        let kind = match error.rdkafka_error_code() {
            Some(
                RDKafkaErrorCode::BrokerTransportFailure
                | RDKafkaErrorCode::Resolve
                | RDKafkaErrorCode::OperationTimedOut,
            ) => AWAY,
            Some(code) => &format!("{code:?}"),
            None => "",
        };
        repeats::warn(kind, format!("{error}: {reason}"));
    }
}

/// One line of librdkafka's log, at its level; warnings that repeat are summed.
fn say_log(level: RDKafkaLogLevel, facility: &str, message: &str) {
    match facility {
        // The user's options go to consumers and producers alike: what one of them has no use for is no mistake.
        "CONFWARN" if message.contains("will be ignored by") => {
            return tracing::debug!(target: "librdkafka", "{facility}: {message}");
        }
        // A connection's end: where it matters, it comes as an error as well.
        "FAIL" => return tracing::debug!(target: "librdkafka", "{facility}: {message}"),
        "REQTMOUT" => return repeats::warn(AWAY, format!("librdkafka: {facility}: {message}")),
        _ => {}
    }
    match level {
        RDKafkaLogLevel::Emerg
        | RDKafkaLogLevel::Alert
        | RDKafkaLogLevel::Critical
        | RDKafkaLogLevel::Error => tracing::error!(target: "librdkafka", "{facility}: {message}"),
        RDKafkaLogLevel::Warning => {
            repeats::warn(facility, format!("librdkafka: {facility}: {message}"))
        }
        RDKafkaLogLevel::Notice | RDKafkaLogLevel::Info => {
            tracing::info!(target: "librdkafka", "{facility}: {message}")
        }
        RDKafkaLogLevel::Debug => tracing::debug!(target: "librdkafka", "{facility}: {message}"),
    }
}

impl ClientContext for PlainContext {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        self.say_log(level, facility, message);
    }

    fn error(&self, error: ClientError, reason: &str) {
        self.say_error(&error, reason);
    }

    fn stats_raw(&self, _: &[u8]) {}
}

impl ConsumerContext for PlainContext {}
