//! What every librdkafka client of ours says, and where it goes: logs to `tracing`, errors to a counter and, the last
//! one, to whoever asks why the broker did not answer.

use std::sync::{Mutex, PoisonError};

use rdkafka::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::ConsumerContext;
use rdkafka::error::{KafkaError as ClientError, RDKafkaErrorCode};

use super::telemetry::ClientMetrics;

/// The context of a client that needs nothing else.
pub(super) struct PlainContext {
    metrics: ClientMetrics,
    last_error: Mutex<Option<String>>,
}

impl PlainContext {
    pub(super) fn new() -> Self {
        Self {
            metrics: ClientMetrics::new(),
            last_error: Mutex::default(),
        }
    }

    /// What went wrong last.
    pub(super) fn last_error(&self) -> Option<String> {
        self.last_error
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    pub(super) fn metrics(&self) -> &ClientMetrics {
        &self.metrics
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
        let mut last = self
            .last_error
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if last.as_deref() != Some(reason) {
            tracing::warn!(target: "almoner::kafka", "{error}: {reason}");
            *last = Some(reason.to_owned());
        }
    }
}

/// One line of librdkafka's log, at its level.
pub(super) fn say_log(level: RDKafkaLogLevel, facility: &str, message: &str) {
    // The user's options go to consumers and producers alike: what one of them has no use for is no mistake.
    if facility == "CONFWARN" && message.contains("will be ignored by") {
        return tracing::debug!(target: "librdkafka", "{facility}: {message}");
    }
    match level {
        RDKafkaLogLevel::Emerg
        | RDKafkaLogLevel::Alert
        | RDKafkaLogLevel::Critical
        | RDKafkaLogLevel::Error => tracing::error!(target: "librdkafka", "{facility}: {message}"),
        RDKafkaLogLevel::Warning => tracing::warn!(target: "librdkafka", "{facility}: {message}"),
        RDKafkaLogLevel::Notice | RDKafkaLogLevel::Info => {
            tracing::info!(target: "librdkafka", "{facility}: {message}")
        }
        RDKafkaLogLevel::Debug => tracing::debug!(target: "librdkafka", "{facility}: {message}"),
    }
}

impl ClientContext for PlainContext {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        say_log(level, facility, message);
    }

    fn error(&self, error: ClientError, reason: &str) {
        self.say_error(&error, reason);
    }

    fn stats_raw(&self, _: &[u8]) {}
}

impl ConsumerContext for PlainContext {}
