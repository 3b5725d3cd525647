//! What is counted of the calls, with handles held: no lookup a call.

use std::time::Duration;

use almoner_actors::telemetry::Metric;
use almoner_domain::answer::Answer;
use almoner_domain::donation::Call;
use metrics::{Counter, Histogram, counter, histogram};

/// Every metric of the gateway's client.
pub(crate) const METRICS: &[Metric] = &[
    Metric::counter(
        CALLS_TOTAL,
        &["call", "class"],
        "Calls by what was asked and what the answer means",
    ),
    Metric::histogram(
        CALL_DURATION,
        &["call"],
        "Time of a call; of a list, from its asking",
    ),
    Metric::counter(
        NOT_OURS,
        &[],
        "Answers that showed an intent that is not the donation's: a person must look",
    ),
    Metric::counter(
        LIST_READINGS,
        &[],
        "Readings of the gateway's list, each for all who waited",
    ),
    Metric::counter(
        LIST_PAGES,
        &[],
        "Pages of the gateway's list that were asked for",
    ),
];

const CALLS_TOTAL: &str = "almoner_gateway_calls_total";
const CALL_DURATION: &str = "almoner_gateway_call_duration_seconds";
const NOT_OURS: &str = "almoner_gateway_answers_not_ours_total";
const LIST_READINGS: &str = "almoner_gateway_list_readings_total";
const LIST_PAGES: &str = "almoner_gateway_list_pages_total";

/// Every [`Call::name`].
const CALLS: [&str; 8] = [
    "charge",
    "fetch",
    "confirm",
    "cancel",
    "list",
    "create_intent",
    "discard",
    "reverse",
];

/// Every [`Answer::class`].
const CLASSES: [&str; 19] = [
    "succeeded",
    "processing",
    "requires_action",
    "requires_payment_method",
    "requires_confirmation",
    "canceled",
    "listed",
    "refunded",
    "declined",
    "refused",
    "idempotency_error",
    "our_defect",
    "bad_api_key",
    "forbidden",
    "key_in_use",
    "rate_limited",
    "server_error",
    "not_sent",
    "lost",
];

/// The gateway client's metrics.
pub(super) struct Telemetry {
    calls: Box<[OfCall]>,
    not_ours: Counter,
    list_readings: Counter,
    list_pages: Counter,
}

struct OfCall {
    name: &'static str,
    duration: Histogram,
    by_class: Box<[(&'static str, Counter)]>,
}

impl Telemetry {
    /// Takes the handles from the recorder that is installed now.
    pub(super) fn new() -> Self {
        Self {
            calls: CALLS.into_iter().map(OfCall::new).collect(),
            not_ours: counter!(NOT_OURS),
            list_readings: counter!(LIST_READINGS),
            list_pages: counter!(LIST_PAGES),
        }
    }

    /// One call was answered. A list's time is from its asking: it waits for a reading first.
    pub(super) fn answered(&self, call: &Call, answer: &Answer, took: Duration) {
        let Some(of_call) = self.calls.iter().find(|of| of.name == call.name()) else {
            return;
        };
        of_call.duration.record(took);
        let class = answer.class();
        if let Some((_, counter)) = of_call.by_class.iter().find(|(name, _)| *name == class) {
            counter.increment(1);
        }
    }

    /// An answer showed an intent that is not the donation's.
    pub(super) fn not_ours(&self) {
        self.not_ours.increment(1);
    }

    /// A reading of the list began, for however many callers.
    pub(super) fn list_reading(&self) {
        self.list_readings.increment(1);
    }

    /// A page of the list was asked for, repeats included.
    pub(super) fn list_page(&self) {
        self.list_pages.increment(1);
    }
}

impl OfCall {
    fn new(name: &'static str) -> Self {
        Self {
            name,
            duration: histogram!(CALL_DURATION, "call" => name),
            by_class: CLASSES
                .into_iter()
                .map(|class| {
                    let labels = [("call", name), ("class", class)];
                    (class, counter!(CALLS_TOTAL, &labels))
                })
                .collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use almoner_domain::answer::{Intent, IntentStatus, Refused};
    use metrics_exporter_prometheus::PrometheusBuilder;

    use super::*;

    fn calls() -> Vec<Call> {
        vec![
            Call::Charge,
            Call::Fetch,
            Call::Confirm { n: 1 },
            Call::Cancel { n: 1 },
            Call::List,
            Call::CreateIntent { n: 1 },
            Call::Discard {
                intent: "pi_1".into(),
                n: 1,
            },
            Call::Reverse {
                intent: "pi_1".into(),
            },
        ]
    }

    fn answers() -> Vec<Answer> {
        let statuses = [
            IntentStatus::Succeeded,
            IntentStatus::Processing,
            IntentStatus::RequiresAction,
            IntentStatus::RequiresPaymentMethod,
            IntentStatus::RequiresConfirmation,
            IntentStatus::Canceled,
        ];
        let of_status = |status| {
            Answer::Intent(Intent {
                id: "pi_1".into(),
                status,
                created_s: 1,
                charge_id: None,
            })
        };
        let mut answers: Vec<_> = statuses.into_iter().map(of_status).collect();
        answers.extend([
            Answer::Listed(vec![]),
            Answer::Refunded,
            Answer::Declined {
                code: "card_declined".into(),
                decline_code: None,
                intent: None,
            },
            Answer::Refused(Refused::Amount),
            Answer::KeyMismatch,
            Answer::OurDefect {
                status: 400,
                what: "".into(),
            },
            Answer::BadApiKey,
            Answer::Forbidden,
            Answer::KeyInUse,
            Answer::RateLimited {
                retry_after_ms: None,
            },
            Answer::ServerError {
                status: 500,
                replayed: false,
            },
            Answer::NotSent("".into()),
            Answer::Lost("".into()),
        ]);
        answers
    }

    #[test]
    fn every_call_and_every_answer_is_counted() {
        let recorder = PrometheusBuilder::new().build_recorder();
        let handle = recorder.handle();
        let telemetry = metrics::with_local_recorder(&recorder, Telemetry::new);
        for call in calls() {
            for answer in answers() {
                telemetry.answered(&call, &answer, Duration::from_millis(20));
            }
        }
        let text = handle.render();
        let ones = text
            .lines()
            .filter(|line| line.starts_with("almoner_gateway_calls_total{") && line.ends_with(" 1"))
            .count();
        assert_eq!(ones, CALLS.len() * CLASSES.len(), "{text}");
        let per_call = format!(
            "call_duration_seconds_count{{call=\"discard\"}} {}",
            CLASSES.len()
        );
        assert!(text.contains(&per_call), "{text}");
    }

    #[test]
    fn readings_of_the_list_and_their_pages_are_counted() {
        let recorder = PrometheusBuilder::new().build_recorder();
        let handle = recorder.handle();
        let telemetry = metrics::with_local_recorder(&recorder, Telemetry::new);
        telemetry.list_reading();
        telemetry.list_page();
        telemetry.list_page();
        let text = handle.render();
        for line in [
            "almoner_gateway_list_readings_total 1",
            "almoner_gateway_list_pages_total 2",
        ] {
            assert!(text.lines().any(|shown| shown == line), "{text}");
        }
    }
}
