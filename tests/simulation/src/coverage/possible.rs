//! What a run may reach, and what it cannot, with the reason. What it reaches although it is said to be impossible is a mistake of
//! this list; what it does not reach although it is possible is a gap of the histories.

use std::collections::BTreeSet;

use crate::many::Sum;

const STATES: &[&str] = &[
    "accepted",
    "held",
    "charging",
    "retrying",
    "unknown",
    "succeeded",
    "failed",
    "cancelled",
];

const EVENTS: &[&str] = &[
    "judged",
    "due",
    "answered",
    "taken over",
    "set aside",
    "user confirmed",
    "user declined",
    "hold lapsed",
];

const CALLS: &[&str] = &[
    "charge",
    "fetch",
    "confirm",
    "cancel",
    "list",
    "create_intent",
    "discard",
    "reverse",
];

const ROWS: &[&str] = &[
    "200 succeeded",
    "200 processing",
    "200 requires_action",
    "200 canceled",
    "200 requires_payment_method",
    "200 requires_confirmation",
    "200 refunded",
    "a list without intents",
    "a list of one intent",
    "a list of several intents",
    "402 card_declined",
    "402 authentication_required",
    "402 processing_error",
    "402 issuer_not_available",
    "402 try_again_later",
    "402, and the intent is canceled",
    "400 of the payment method",
    "400 of the amount",
    "400 idempotency_error",
    "400 any other",
    "401",
    "403",
    "409",
    "429",
    "429 with Retry-After",
    "500",
    "500 replayed",
    "never sent",
    "no answer",
];

/// The calls of ports: each is made by an actor, which a crash there takes with it.
const PORTS: &[&str] = &[
    "accept",
    "advance",
    "finish",
    "acknowledged",
    "load",
    "claim",
    "mark",
    "recent",
    "unfinished",
    "campaign",
    "publish",
    "dead_letter",
    "forward",
    "commit",
    "gateway",
];

const FAILURES: &[&str] = &[
    "actor crashed",
    "call refused",
    "answer of a port lost",
    "call delayed",
    "answer delayed",
];

/// Why some pairs cannot be reached: which first words, which second ones, and the reason.
struct Impossible(
    &'static [&'static str],
    &'static [&'static str],
    &'static str,
);

const STEPS_IMPOSSIBLE: &[Impossible] = &[
    Impossible(
        &["held"],
        &["judged", "due", "answered", "taken over"],
        "only its user, or time, brings a held donation forward: nothing of it is on the wire",
    ),
    Impossible(
        &["accepted"],
        &["answered", "user confirmed", "user declined", "hold lapsed"],
        "nothing was sent, and nothing asked",
    ),
    Impossible(
        &["accepted"],
        &["due", "taken over"],
        "what was queued is judged again when it is due: its campaign may have closed",
    ),
    Impossible(
        &[
            "charging",
            "retrying",
            "unknown",
            "succeeded",
            "failed",
            "cancelled",
        ],
        &["judged", "user confirmed", "user declined", "hold lapsed"],
        "the checks and the question come before the first send",
    ),
    Impossible(
        &["retrying", "unknown", "succeeded", "failed", "cancelled"],
        &["taken over"],
        "a pending row says what is due; only the first send has none",
    ),
    Impossible(
        &["cancelled"],
        &["due", "answered", "set aside"],
        "nothing is sent before the question is answered, so no answer and no surplus comes after that",
    ),
    Impossible(
        &["charging"],
        &["due"],
        "the first send follows the accept at once; who finds it unanswered takes it over",
    ),
];

/// Possible, and so rare that no run has to reach it.
const STEPS_RARE: &[Impossible] = &[
    Impossible(
        &["failed"],
        &["due", "set aside"],
        "after the end nothing is asked: what the gateway charges then shows only to a send that was overtaken; \
         `a_charge_that_turns_up_after_the_failure_stays_pending_for_a_person` goes there",
    ),
    Impossible(
        &["retrying", "failed"],
        &["answered"],
        "one send is open at a time, so an answer finds these states only if a crash opened a second one, and that one was \
         answered first; the stories of `actors/domain/tests/machine` go there",
    ),
];

const ANSWERS_IMPOSSIBLE: &[Impossible] = &[
    Impossible(
        &[
            "charge",
            "fetch",
            "confirm",
            "cancel",
            "create_intent",
            "discard",
            "reverse",
        ],
        &[
            "a list without intents",
            "a list of one intent",
            "a list of several intents",
        ],
        "only the list is answered by one",
    ),
    Impossible(
        &["list"],
        &[
            "200 succeeded",
            "200 processing",
            "200 requires_action",
            "200 canceled",
            "200 requires_payment_method",
            "200 requires_confirmation",
        ],
        "a list is answered by a list",
    ),
    Impossible(
        &[
            "charge",
            "fetch",
            "confirm",
            "cancel",
            "create_intent",
            "discard",
            "list",
        ],
        &["200 refunded"],
        "only a refund is answered by one",
    ),
    Impossible(
        &["reverse"],
        &[
            "200 succeeded",
            "200 processing",
            "200 requires_action",
            "200 canceled",
            "200 requires_payment_method",
            "200 requires_confirmation",
        ],
        "a refund is answered by a refund",
    ),
    Impossible(
        &[
            "fetch",
            "list",
            "cancel",
            "create_intent",
            "discard",
            "reverse",
        ],
        &[
            "402 card_declined",
            "402 authentication_required",
            "402 processing_error",
            "402 issuer_not_available",
            "402 try_again_later",
            "402, and the intent is canceled",
        ],
        "no card is asked",
    ),
    Impossible(
        &["fetch", "list", "cancel", "discard", "reverse"],
        &["400 of the payment method", "400 of the amount"],
        "it names neither",
    ),
    Impossible(
        &["fetch", "list"],
        &["500 replayed"],
        "a read has no key, so nothing is replayed",
    ),
    Impossible(
        &["confirm"],
        &["400 of the amount"],
        "the intent has an amount that was taken",
    ),
    Impossible(
        &["create_intent"],
        &[
            "200 succeeded",
            "200 processing",
            "200 requires_action",
            "200 canceled",
            "200 requires_payment_method",
        ],
        "its key answers with the intent as it was made",
    ),
];

const POINTS_IMPOSSIBLE: &[Impossible] = &[Impossible(
    &["gateway"],
    &["call refused", "answer of a port lost"],
    "what is refused or lost on the way to the gateway has names of its own: turned away, lost, executed late",
)];

/// A pair that a run did not reach though it may be, or reached though it is said to be impossible.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Gap {
    /// The state, the call to the gateway or the port's call.
    pub where_: &'static str,
    /// The event, the answer or the failure.
    pub what: &'static str,
    /// Why it was said to be impossible, if it was.
    pub excuse: Option<&'static str>,
}

/// What a run has left out, and what it should not have reached.
#[must_use]
pub fn gaps(sum: &Sum) -> Vec<Gap> {
    let steps: BTreeSet<(&str, &str)> = sum.steps.keys().map(|(a, b)| (&**a, &**b)).collect();
    let answers: BTreeSet<(&str, &str)> = sum.answers.keys().copied().collect();
    let points: BTreeSet<(&str, &str)> = sum.points.keys().copied().collect();
    [
        among(STATES, EVENTS, (STEPS_IMPOSSIBLE, STEPS_RARE), &steps),
        among(CALLS, ROWS, (ANSWERS_IMPOSSIBLE, &[]), &answers),
        among(PORTS, FAILURES, (POINTS_IMPOSSIBLE, &[]), &points),
    ]
    .concat()
}

/// Why this cannot happen in this state, if it cannot.
#[must_use]
pub fn impossible_step(state: &str, event: &str) -> Option<&'static str> {
    excuse(STEPS_IMPOSSIBLE, state, event)
}

fn excuse(impossible: &[Impossible], first: &str, second: &str) -> Option<&'static str> {
    let names = |it: &&Impossible| it.0.contains(&first) && it.1.contains(&second);
    impossible.iter().find(names).map(|it| it.2)
}

fn among(
    firsts: &[&'static str],
    seconds: &[&'static str],
    (impossible, rare): (&[Impossible], &[Impossible]),
    reached: &BTreeSet<(&str, &str)>,
) -> Vec<Gap> {
    let pairs = firsts
        .iter()
        .flat_map(|first| seconds.iter().map(move |second| (*first, *second)));
    let gap = |(where_, what): (&'static str, &'static str)| {
        let excuse = excuse(impossible, where_, what);
        let is_as_said = reached.contains(&(where_, what)) != excuse.is_some();
        let is_as_said = is_as_said || self::excuse(rare, where_, what).is_some();
        (!is_as_said).then_some(Gap {
            where_,
            what,
            excuse,
        })
    };
    pairs.filter_map(gap).collect()
}
