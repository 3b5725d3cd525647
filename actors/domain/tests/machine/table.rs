//! The table of `CHARGES.md`, row by row and call by call: `table.txt` says what each answer makes of a donation, and
//! this test holds the machine to it.

use almoner_domain::answer::{Answer, Intent, IntentStatus, Refused};
use almoner_domain::donation::{Call, Ending, Event, Next, Now, Pause, Progress, Transition};
use almoner_domain::retry;

use crate::{HOUR_MS, MINUTE_MS, RULES, T0_MS, donation};

const TABLE: &str = include_str!("table.txt");

#[test]
fn each_answer_to_each_call_makes_of_a_donation_what_the_table_says() {
    let actual = rendered();
    let expected: Vec<&str> = TABLE
        .lines()
        .filter(|line| !line.starts_with('#'))
        .collect();
    let actual: Vec<&str> = actual.lines().collect();
    for (expected, actual) in expected.iter().zip(&actual) {
        assert_eq!(expected, actual);
    }
    assert_eq!(expected.len(), actual.len());
}

fn rendered() -> String {
    let mut text = String::new();
    for (situation, progress) in situations() {
        text.push_str(&format!("\n{situation}\n"));
        for (name, answer) in answers(&progress.call) {
            let now = at_ms(progress.permitted_at_ms + 6 * MINUTE_MS);
            let send = progress.send;
            let answered = Event::Answered { send, answer };
            let transition = donation().on(progress.clone(), answered, now, &RULES);
            let line = format!("  {name:<32} {}", row(&transition.unwrap()));
            text.push_str(line.trim_end());
            text.push('\n');
        }
    }
    text
}

/// Prints the table as the machine would have it, to be read before it is taken over.
#[test]
#[ignore = "for a person: cargo test -p almoner-domain --test machine -- --ignored --nocapture print"]
fn print() {
    println!("{}", rendered());
}

/// State, next call, pause, kind; or the ending and why.
pub fn row(transition: &Transition) -> String {
    let state = transition.progress.state.as_str();
    match &transition.next {
        Next::Finish(Ending {
            reason,
            decline_code,
            ..
        }) => {
            let reason = reason
                .map(|reason| format!("{reason:?}"))
                .unwrap_or_default();
            let code = decline_code.as_deref().unwrap_or_default();
            format!("{state:<10} {reason} {code}")
        }
        Next::Wait { pause, kind } => {
            let call = called(&transition.progress.call);
            format!(
                "{state:<10} {call:<16} {:<16} {}",
                paused(*pause),
                kind.as_str()
            )
        }
        Next::Send => format!("{state:<10} send {}", called(&transition.progress.call)),
        Next::Settled => format!("{state:<10} settled"),
        Next::Stay => format!("{state:<10} stay"),
    }
}

fn called(call: &Call) -> String {
    match call {
        Call::Charge | Call::Fetch | Call::List => call.name().to_owned(),
        Call::Confirm { n } | Call::Cancel { n } | Call::CreateIntent { n } => {
            format!("{} {n}", call.name())
        }
        Call::Discard { intent, n } => format!("discard {intent} {n}"),
        Call::Reverse { intent } => format!("reverse {intent}"),
    }
}

fn paused(pause: Pause) -> String {
    match pause {
        Pause::None => "at once".to_owned(),
        Pause::Backoff { schedule, n } => {
            let name = match schedule {
                retry::ASK => "ask",
                retry::SOFT_DECLINE => "soft decline",
                retry::MENDING => "mending",
                other => panic!("{other:?}"),
            };
            format!("{name} {n}")
        }
        Pause::RetryAfter { ms } => format!("retry after {ms}"),
        Pause::Until { ms } => format!("until {ms}"),
    }
}

/// How far a donation can have come when an answer arrives: each call on the wire, for the first time and resent.
fn situations() -> Vec<(&'static str, Progress)> {
    let soft = declined("processing_error", None);
    let burnt = [seen_error(true)];
    let pinned = [soft.clone()];
    let second = || [seen_error(true), Answer::Listed(Vec::new())];
    let then = |first: &[Answer], more: &[Answer]| [first, more].concat();
    let lost = || Answer::Lost("timeout".into());
    let created = || intent("pi_1", IntentStatus::RequiresConfirmation);
    let surplus = || {
        Answer::Listed(vec![
            row_of("pi_1", IntentStatus::RequiresConfirmation),
            row_of("pi_2", IntentStatus::RequiresConfirmation),
        ])
    };
    let exhausting = vec![soft.clone(); 4];
    let failing = [soft.clone(), refused(Refused::PaymentMethod)];
    vec![
        ("charge, sent once", sent(&[])),
        ("charge, resent after a lost answer", sent(&[lost()])),
        (
            "charge, its key in use for six minutes",
            sent(&[Answer::KeyInUse]),
        ),
        ("confirm after a soft decline", sent(&pinned)),
        (
            "confirm, resent after a lost answer",
            sent(&then(&pinned, &[lost()])),
        ),
        (
            "confirm after a lost one (fetched meanwhile)",
            sent(&then(
                &pinned,
                &[
                    seen_error(true),
                    intent("pi_1", IntentStatus::RequiresPaymentMethod),
                ],
            )),
        ),
        ("confirm, the last attempt", sent(&exhausting)),
        (
            "fetch of a processing intent",
            sent(&[intent("pi_1", IntentStatus::Processing)]),
        ),
        (
            "cancel, since the payment method was refused",
            sent(&failing),
        ),
        (
            "fetch after a refused cancel",
            sent(&then(&failing, &[defect()])),
        ),
        ("list, the key burnt, too soon for a proof", sent(&burnt)),
        (
            "list, the key burnt, a day after the charge",
            sent_late(&burnt),
        ),
        (
            "list, nobody knows the key's answer, a day after the charge",
            sent_late(&[lost(), Answer::KeyMismatch]),
        ),
        (
            "list, a day after a refused charge of which a send was lost",
            sent_late(&[lost(), refused(Refused::Amount)]),
        ),
        ("create_intent, the second generation", sent_late(&second())),
        (
            "list before the second generation's confirm",
            sent_late(&then(&second(), &[created()])),
        ),
        (
            "discard of another intent of the second generation",
            sent_late(&then(&second(), &[created(), surplus()])),
        ),
        (
            "confirm of the second generation",
            sent_late(&then(
                &second(),
                &[
                    created(),
                    Answer::Listed(vec![row_of("pi_1", IntentStatus::RequiresConfirmation)]),
                ],
            )),
        ),
        (
            "list after the second generation's charge",
            sent_late(&then(
                &second(),
                &[
                    created(),
                    Answer::Listed(vec![row_of("pi_1", IntentStatus::RequiresConfirmation)]),
                    intent("pi_1", IntentStatus::Succeeded),
                ],
            )),
        ),
        (
            "reverse of a surplus, the donation told to be charged",
            sent_late(&[
                intent("pi_1", IntentStatus::Succeeded),
                intent("pi_2", IntentStatus::Succeeded),
            ]),
        ),
    ]
}

/// The progress with a call on the wire after these answers, all within a minute.
fn sent(answers: &[Answer]) -> Progress {
    sent_at(answers, T0_MS)
}

/// The same, but each call after the charge is made a day later than the one before.
fn sent_late(answers: &[Answer]) -> Progress {
    sent_at(answers, T0_MS + 25 * HOUR_MS)
}

fn sent_at(answers: &[Answer], later_ms: i64) -> Progress {
    let donation = donation();
    let step = |progress: Progress, event, ms| {
        let transition = donation.on(progress, event, at_ms(ms), &RULES);
        transition.unwrap().progress
    };
    let mut progress = Progress::first_sent(T0_MS);
    for answer in answers {
        let (send, answer) = (progress.send, answer.clone());
        let ms = progress.permitted_at_ms;
        progress = step(progress, Event::Answered { send, answer }, ms);
        if progress.state.is_terminal() && !progress.has_surplus() {
            continue;
        }
        let due_ms = if progress.call.moves_money() {
            ms
        } else {
            later_ms
        };
        progress = step(progress, Event::Due, due_ms);
    }
    progress
}

pub fn at_ms(ms: i64) -> Now {
    Now {
        wall_ms: ms,
        stream_ms: ms,
    }
}

/// Every answer that such a call can get.
fn answers(call: &Call) -> Vec<(&'static str, Answer)> {
    let mut answers = match call {
        Call::List => lists(),
        Call::Reverse { .. } => vec![("200 refunded", Answer::Refunded)],
        Call::Discard { .. } => intents("pi_2"),
        Call::Charge
        | Call::Fetch
        | Call::Confirm { .. }
        | Call::Cancel { .. }
        | Call::CreateIntent { .. } => intents("pi_1"),
    };
    if call.moves_money() {
        answers.extend(declines());
    }
    answers.extend(errors());
    answers
}

fn intents(id: &str) -> Vec<(&'static str, Answer)> {
    vec![
        ("200 succeeded", intent(id, IntentStatus::Succeeded)),
        ("200 processing", intent(id, IntentStatus::Processing)),
        (
            "200 requires_action",
            intent(id, IntentStatus::RequiresAction),
        ),
        ("200 canceled", intent(id, IntentStatus::Canceled)),
        (
            "200 requires_payment_method",
            intent(id, IntentStatus::RequiresPaymentMethod),
        ),
        (
            "200 requires_confirmation",
            intent(id, IntentStatus::RequiresConfirmation),
        ),
    ]
}

fn lists() -> Vec<(&'static str, Answer)> {
    let listed = |rows: &[(&str, IntentStatus)]| {
        Answer::Listed(
            rows.iter()
                .map(|(id, status)| row_of(id, *status))
                .collect(),
        )
    };
    let open = IntentStatus::RequiresConfirmation;
    vec![
        ("empty", listed(&[])),
        ("succeeded", listed(&[("pi_1", IntentStatus::Succeeded)])),
        ("processing", listed(&[("pi_1", IntentStatus::Processing)])),
        (
            "requires_action",
            listed(&[("pi_1", IntentStatus::RequiresAction)]),
        ),
        ("canceled", listed(&[("pi_1", IntentStatus::Canceled)])),
        (
            "requires_payment_method",
            listed(&[("pi_1", IntentStatus::RequiresPaymentMethod)]),
        ),
        ("requires_confirmation", listed(&[("pi_1", open)])),
        (
            "two that are open",
            listed(&[("pi_1", open), ("pi_2", open)]),
        ),
        (
            "one open, another canceled",
            listed(&[("pi_2", IntentStatus::Canceled), ("pi_1", open)]),
        ),
        (
            "one open, another succeeded",
            listed(&[("pi_1", open), ("pi_2", IntentStatus::Succeeded)]),
        ),
        (
            "only another, succeeded",
            listed(&[("pi_2", IntentStatus::Succeeded)]),
        ),
        (
            "two that succeeded",
            listed(&[
                ("pi_1", IntentStatus::Succeeded),
                ("pi_2", IntentStatus::Succeeded),
            ]),
        ),
        ("only another, open", listed(&[("pi_2", open)])),
    ]
}

fn declines() -> Vec<(&'static str, Answer)> {
    let lacking = Some("insufficient_funds");
    let away = Some("issuer_not_available");
    vec![
        ("402 card_declined", declined("card_declined", lacking)),
        (
            "402 authentication_required",
            declined("authentication_required", None),
        ),
        ("402 processing_error", declined("processing_error", None)),
        ("402 issuer_not_available", declined("card_declined", away)),
        ("402 try_again_later", declined("try_again_later", None)),
        (
            "402, and the intent is canceled",
            Answer::Declined {
                code: "processing_error".into(),
                decline_code: None,
                intent: Some(row_of("pi_1", IntentStatus::Canceled)),
            },
        ),
    ]
}

fn errors() -> Vec<(&'static str, Answer)> {
    let limited = |retry_after_ms| Answer::RateLimited { retry_after_ms };
    vec![
        ("400 of the payment method", refused(Refused::PaymentMethod)),
        ("400 of the amount", refused(Refused::Amount)),
        ("400 idempotency_error", Answer::KeyMismatch),
        ("400 any other", defect()),
        ("401", Answer::BadApiKey),
        ("403", Answer::Forbidden),
        ("409", Answer::KeyInUse),
        ("429", limited(None)),
        ("429 with Retry-After", limited(Some(3_000))),
        ("500", seen_error(false)),
        ("500 replayed", seen_error(true)),
        ("never sent", Answer::NotSent("refused".into())),
        ("no answer", Answer::Lost("timeout".into())),
    ]
}

pub fn intent(id: &str, status: IntentStatus) -> Answer {
    Answer::Intent(row_of(id, status))
}

pub fn row_of(id: &str, status: IntentStatus) -> Intent {
    Intent {
        id: id.into(),
        status,
        created_s: T0_MS / 1_000,
        charge_id: (status == IntentStatus::Succeeded).then(|| "ch_1".into()),
    }
}

pub fn declined(code: &str, decline_code: Option<&str>) -> Answer {
    Answer::Declined {
        code: code.into(),
        decline_code: decline_code.map(Into::into),
        intent: Some(row_of("pi_1", IntentStatus::RequiresPaymentMethod)),
    }
}

fn refused(refused: Refused) -> Answer {
    Answer::Refused(refused)
}

pub fn defect() -> Answer {
    Answer::OurDefect {
        status: 400,
        what: "parameter_unknown".into(),
    }
}

pub fn seen_error(replayed: bool) -> Answer {
    Answer::ServerError {
        status: 500,
        replayed,
    }
}
