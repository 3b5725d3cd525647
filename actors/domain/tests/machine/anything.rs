//! Any events in any order at any time, true or not: each makes a step or the typed error.

use almoner_domain::answer::{Answer, IntentStatus, Refused};
use almoner_domain::donation::{Call, Event, Now, Progress, State};
use proptest::prelude::*;

use crate::driver::every_event;
use crate::table::{defect, row_of, seen_error};
use crate::{RULES, donation};

fn any_answer() -> impl Strategy<Value = Answer> {
    let statuses = [
        IntentStatus::Succeeded,
        IntentStatus::Processing,
        IntentStatus::RequiresAction,
        IntentStatus::RequiresPaymentMethod,
        IntentStatus::RequiresConfirmation,
        IntentStatus::Canceled,
    ];
    let shown = (0..3_u8, prop::sample::select(statuses.to_vec()))
        .prop_map(|(n, status)| row_of(&format!("pi_{n}"), status));
    let codes = [
        "card_declined",
        "processing_error",
        "authentication_required",
    ];
    prop_oneof![
        shown.clone().prop_map(Answer::Intent),
        prop::collection::vec(shown.clone(), 0..4).prop_map(Answer::Listed),
        (
            prop::sample::select(codes.to_vec()),
            prop::option::of(shown)
        )
            .prop_map(|(code, intent)| {
                Answer::Declined {
                    code: code.into(),
                    decline_code: None,
                    intent,
                }
            }),
        Just(Answer::Refunded),
        Just(Answer::Refused(Refused::Amount)),
        Just(Answer::KeyMismatch),
        Just(defect()),
        Just(Answer::BadApiKey),
        Just(Answer::Forbidden),
        Just(Answer::KeyInUse),
        Just(Answer::RateLimited {
            retry_after_ms: None
        }),
        any::<bool>().prop_map(seen_error),
        Just(Answer::NotSent("refused".into())),
        Just(Answer::Lost("timeout".into())),
    ]
}

fn any_event() -> impl Strategy<Value = Event> {
    prop_oneof![
        3 => Just(Event::Due),
        3 => prop::sample::select(every_event(0)),
        10 => (0..8_u16, any_answer()).prop_map(|(send, answer)| Event::Answered { send, answer }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever is claimed, in whatever order and at whatever time: a step or the typed error, and no more.
    #[test]
    fn any_events_make_steps_or_errors(
        events in prop::collection::vec((any_event(), any::<i64>(), any::<i64>(), any::<bool>()), 0..60),
    ) {
        let mut progress = Progress::new();
        for (event, wall_ms, stream_ms, to_latest) in events {
            let event = match event {
                Event::Answered { answer, .. } if to_latest => Event::Answered { send: progress.send, answer },
                event => event,
            };
            let is_402 = matches!(event, Event::Answered { answer: Answer::Declined { .. }, .. });
            let now = Now { wall_ms, stream_ms };
            let before = progress.clone();
            match donation().on(progress.clone(), event, now, &RULES) {
                Ok(transition) => progress = transition.progress,
                Err(error) => prop_assert_eq!(error.state, before.state),
            }
            prop_assert!(!before.state.is_terminal() || progress.state == before.state);
            prop_assert!(!before.state.is_terminal() || before.has_surplus() || progress.has_surplus() || progress == before);
            prop_assert!(progress.send >= before.send && progress.send <= before.send + 1);
            prop_assert!(progress.attempts >= before.attempts);
            prop_assert!(progress.attempts - before.attempts <= u8::from(is_402));
            prop_assert!(progress.attempts <= RULES.attempts_max);
            prop_assert!(progress.generation <= 2);
            let pinned = matches!(progress.call, Call::Fetch | Call::Confirm { .. } | Call::Cancel { .. });
            prop_assert!(!pinned || progress.intent.is_some());
            prop_assert!(progress.state != State::Held || progress.send == 0);
        }
    }
}
