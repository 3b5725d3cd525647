//! Whatever bytes the gateway answers: a clear word where they are the documents' own, else unknown.

use almoner::gateway::fuzz::{self as gateway, Reply, is_id};
use almoner_domain::answer::{Answer, Intent, IntentStatus, MoneyMoved};
use almoner_domain::card_number::contains_card_number;
use almoner_domain::donation::Call;
use almoner_domain::ids::{CampaignId, DonationId, UserId};
use almoner_domain::money::{Currency, Money};
use almoner_domain::request::DonationRequest;
use hyper::header::{CONTENT_TYPE, HeaderMap, RETRY_AFTER};
use hyper::{StatusCode, header::HeaderValue};
use serde_json::Value;

use super::bounds::within;
use super::explore::{Fate, Target, fate};

const ID: &str = "018f6b2e-5c1a-7abc-8def-0123456789ab";
const AMOUNT: u64 = 1_250;

/// The longest word of the gateway's that is kept.
const WORD_CHARS_MAX: usize = 255;

fn calls() -> [Call; 7] {
    let intent: Box<str> = "pi_1".into();
    [
        Call::Charge,
        Call::Fetch,
        Call::Confirm { n: 1 },
        Call::Cancel { n: 1 },
        Call::CreateIntent { n: 1 },
        Call::Discard {
            intent: intent.clone(),
            n: 1,
        },
        Call::Reverse { intent },
    ]
}

/// A call, a status, and headers as a byte of flags, then the body.
fn unframed(input: &[u8]) -> (Call, Reply) {
    let mut head = [0; 4];
    let count = input.len().min(4);
    head[..count].copy_from_slice(&input[..count]);
    let mut headers = HeaderMap::new();
    if head[3] & 1 == 0 {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    }
    if head[3] & 2 != 0 {
        headers.insert("idempotent-replayed", HeaderValue::from_static("true"));
    }
    if head[3] & 4 != 0
        && let Ok(value) = HeaderValue::from_bytes(&input[count..input.len().min(24)])
    {
        headers.insert(RETRY_AFTER, value);
    }
    let status = 100 + u16::from_be_bytes([head[1], head[2]]) % 500;
    let reply = Reply {
        status: StatusCode::from_u16(status).unwrap(),
        headers,
        body: input[count..].to_vec().into(),
    };
    (calls()[usize::from(head[0]) % calls().len()].clone(), reply)
}

fn framed(call: u8, status: u16, flags: u8, body: &str) -> Vec<u8> {
    let [high, low] = (status - 100).to_be_bytes();
    [&[call, high, low, flags], body.as_bytes()].concat()
}

fn target(input: &[u8]) -> Fate {
    let (call, reply) = unframed(input);
    let intent = (!matches!(call, Call::Charge | Call::CreateIntent { .. })).then_some("pi_1");
    let request = request();
    let read = || gateway::answer(&call, &request, intent, &reply).unwrap();
    let answer = match within(input.len(), read) {
        Ok(answer) => answer,
        Err(said) => {
            // These say by themselves what they say, whatever the body is.
            let status = reply.status.as_u16();
            assert!(!matches!(status, 401 | 429 | 500..=599), "{status}");
            assert!(said.chars().count() <= 2 * WORD_CHARS_MAX, "{said}");
            return fate(&format!("useless {said}"));
        }
    };
    check_money(&call, &answer, &reply);
    check_words(&answer);
    fate(&format!("{} {:?} {answer:?}", call.name(), answer.money()))
}

/// 12.50 EUR.
fn request() -> DonationRequest {
    DonationRequest {
        id: DonationId::parse(ID).unwrap(),
        user_id: UserId::parse("user_1").unwrap(),
        campaign_id: CampaignId::parse("campaign_1").unwrap(),
        amount: Money::new(AMOUNT, Currency::from_code("EUR").unwrap()).unwrap(),
        payment_method: "pm_1".into(),
        gateway_customer: None,
        information: None,
    }
}

/// Whatever it says of the money, the gateway has said in so many words.
fn check_money(call: &Call, answer: &Answer, reply: &Reply) {
    let status = reply.status.as_u16();
    let is_server_error = (500..600).contains(&status);
    assert_eq!(
        matches!(answer, Answer::ServerError { .. }),
        is_server_error
    );
    // In fields that nobody reads there may stand what is no text or no number.
    let Ok(body) = serde_json::from_slice::<Value>(&reply.body) else {
        return;
    };
    let intent = match &body["error"]["payment_intent"] {
        Value::Null => &body,
        carried => carried,
    };
    match answer.money() {
        MoneyMoved::Charged => {
            assert_eq!(intent["status"], "succeeded");
            assert_eq!(intent["object"], "payment_intent");
            assert_eq!(intent["metadata"]["donation_id"], ID);
            assert_eq!(intent["amount"], AMOUNT);
            assert_eq!(
                intent["currency"]
                    .as_str()
                    .map(str::to_lowercase)
                    .as_deref(),
                Some("eur")
            );
            let named = !matches!(call, Call::Charge | Call::CreateIntent { .. });
            assert!(!named || intent["id"] == "pi_1");
            assert!(status == 200 || (400..500).contains(&status), "{status}");
        }
        MoneyMoved::NotMoved => {
            let decides = status == 200 && body["object"].is_string() || body["error"].is_object();
            assert!(decides && matches!(status, 200 | 400..=499), "{status}");
            if matches!(answer, Answer::Declined { .. }) {
                assert!(status == 402 && call.moves_money());
            }
        }
        MoneyMoved::Unknown | MoneyMoved::NotExecuted => {}
    }
}

/// What is kept of the gateway's words is short, and no card number; its ids are ids.
fn check_words(answer: &Answer) {
    let mut words: Vec<&str> = Vec::new();
    let mut intents: Vec<&Intent> = Vec::new();
    match answer {
        Answer::Intent(intent) => intents.push(intent),
        Answer::Listed(listed) => intents.extend(listed),
        Answer::Declined {
            code,
            decline_code,
            intent,
        } => {
            words.push(code);
            words.extend(decline_code.as_deref());
            intents.extend(intent);
        }
        Answer::OurDefect { what, .. } => words.push(what),
        Answer::RateLimited {
            retry_after_ms: Some(ms),
        } => assert!(*ms <= 3_600_000),
        _ => {}
    }
    for word in words {
        assert!(word.chars().count() <= WORD_CHARS_MAX, "{word}");
        assert!(!contains_card_number(word), "{word}");
    }
    for intent in intents {
        assert!(is_id(&intent.id) && intent.charge_id.as_deref().is_none_or(is_id));
        assert!(intent.status != IntentStatus::Succeeded || !intent.id.is_empty());
    }
}

fn page(input: &[u8]) -> Fate {
    let (_, reply) = unframed(input);
    let one = match within(input.len(), || gateway::page(&reply)) {
        Ok(Ok((shown, next))) => {
            assert_eq!(reply.status, StatusCode::OK);
            assert!(next.is_none() || shown > 0);
            format!("page, more {}, empty {}", next.is_some(), shown == 0)
        }
        Ok(Err(answer)) => {
            assert_ne!(answer.money(), MoneyMoved::Charged);
            format!("no page {answer:?}")
        }
        Err(useless) => useless,
    };
    let all = match within(input.len(), || gateway::charges(&reply, Some("pi_after"))) {
        Ok((charges, next)) => {
            assert!(next.is_none_or(|next| next != "pi_after"));
            for charge in &charges {
                let said = format!("{} {}", charge.amount(), charge.amount_refunded());
                assert!(!said.is_empty());
                assert!(charge.unreversed().is_none() || charge.is_unreversed());
            }
            format!("charges, none {}", charges.is_empty())
        }
        Err(error) => error.to_string(),
    };
    fate(&format!("{one}; {all}"))
}

const WORDS: &[&[u8]] = &[
    b"pi_1",
    b"pi_2",
    b"ch_1",
    b"succeeded",
    b"processing",
    b"canceled",
    b"requires_action",
    b"requires_payment_method",
    b"payment_intent",
    b"refund",
    b"list",
    b"pending",
    b"failed",
    b"\"error\":{\"type\":\"card_error\"}",
    b"\"code\":\"card_declined\"",
    b"\"code\":\"resource_missing\"",
    b"\"param\":\"payment_method\"",
    b"idempotency_error",
    b"lock_timeout",
    b"charge_already_refunded",
    b"payment_intent_unexpected_state",
    b"authentication_required",
    b"amount_too_small",
    b"null",
    b"true",
    b"false",
    b"1250",
    b"1251",
    b"eur",
    b"usd",
    b"jpy",
    ID.as_bytes(),
    b"\\u0073",
    b"\\ud800",
    b"[[[[[[[[[[[[",
    b"{\"a\":",
    b"1e999",
];

fn intent(status: &str) -> String {
    format!(
        r#"{{"id":"pi_1","object":"payment_intent","amount":{AMOUNT},"amount_received":{AMOUNT},"created":1795262400,"currency":"eur",
        "latest_charge":"ch_1","metadata":{{"donation_id":"{ID}"}},"status":"{status}"}}"#
    )
}

fn error(kind: &str, code: &str, more: &str) -> String {
    format!(r#"{{"error":{{"message":"It did not work.","type":"{kind}","code":"{code}"{more}}}}}"#)
}

fn answers_seen() -> Vec<Vec<u8>> {
    let long = "x".repeat(5_000);
    let mut seen = Vec::new();
    // Nearly the donation's own: to be mutated, and none to be taken for it.
    for (own, other) in [
        ("1250", "1251"),
        ("eur", "usd"),
        ("\"pi_1\"", "\"pi_2\""),
        (ID, "018f6b2e-5c1a-7abc-8def-0123456789ac"),
        ("payment_intent", "setup_intent"),
    ] {
        for call in 0..7 {
            seen.push(framed(
                call,
                200,
                0,
                &intent("succeeded").replace(own, other),
            ));
        }
    }
    for call in 0..7 {
        for status in [
            "succeeded",
            "processing",
            "canceled",
            "requires_action",
            "requires_payment_method",
            "new",
        ] {
            seen.push(framed(call, 200, 0, &intent(status)));
        }
        let carried = format!(
            r#","decline_code":"insufficient_funds","payment_intent":{}"#,
            intent("requires_payment_method")
        );
        seen.push(framed(
            call,
            402,
            0,
            &error("card_error", "card_declined", &carried),
        ));
        seen.push(framed(call, 402, 0, &error("card_error", &long, "")));
        let card = r#","decline_code":"4242424242424242","param":"4242 4242 4242 4242""#;
        seen.push(framed(
            call,
            402,
            0,
            &error("card_error", "card_declined", card),
        ));
        seen.push(framed(
            call,
            400,
            0,
            &error("invalid_request_error", "4242424242424242", card),
        ));
        seen.push(framed(
            call,
            400,
            0,
            &error("invalid_request_error", "amount_too_small", ""),
        ));
        seen.push(framed(
            call,
            404,
            0,
            &error(
                "invalid_request_error",
                "resource_missing",
                r#","param":"payment_method""#,
            ),
        ));
        let carried = format!(r#","payment_intent":{}"#, intent("succeeded"));
        seen.push(framed(
            call,
            400,
            0,
            &error(
                "invalid_request_error",
                "payment_intent_unexpected_state",
                &carried,
            ),
        ));
        seen.push(framed(call, 409, 0, &error("idempotency_error", "", "")));
        seen.push(framed(call, 400, 0, &error("idempotency_error", "", "")));
        seen.push(framed(call, 500, 2, "{}"));
        seen.push(framed(call, 429, 4, "20"));
        seen.push(framed(call, 401, 0, "{}"));
        seen.push(framed(
            call,
            200,
            0,
            &intent("succeeded").replace("ch_1", &long),
        ));
    }
    let refund = format!(
        r#"{{"object":"refund","status":"succeeded","payment_intent":"pi_1","amount":{AMOUNT}}}"#
    );
    seen.push(framed(6, 200, 0, &refund));
    seen.push(framed(6, 200, 0, &"[".repeat(10_000)));
    seen
}

pub fn answers_to_calls() -> Target {
    Target {
        seeds: answers_seen(),
        words: WORDS.to_vec(),
        invent: None,
        inputs: 10_000,
        reaches: &[
            "charge Charged Intent",
            "charge NotMoved Declined",
            "charge NotMoved Refused",
            "charge Unknown ServerError",
            "charge NotExecuted RateLimited",
            "confirm Charged",
            "fetch Charged",
            "reverse NotMoved Refunded",
            "useless unreadable",
            "useless the answer shows an intent that is not",
        ],
        read: Box::new(target),
    }
}

pub fn pages_of_the_list() -> Target {
    let whole = intent("succeeded").replace("\"ch_1\"", r#"{"id":"ch_1","amount_refunded":0}"#);
    let list = |rows: &str, more: bool| {
        framed(
            1,
            200,
            0,
            &format!(r#"{{"object":"list","has_more":{more},"data":[{rows}]}}"#),
        )
    };
    let two = format!(
        "{whole},{}",
        whole
            .replace("pi_1", "pi_2")
            .replace("1250", "18446744073709551615")
    );
    Target {
        seeds: vec![
            list("", false),
            list(&whole, false),
            list(&two, true),
            list(&intent("succeeded"), true),
            list("", true),
            framed(1, 429, 4, "7"),
            framed(1, 500, 0, "{}"),
        ],
        words: WORDS.to_vec(),
        invent: None,
        inputs: 10_000,
        reaches: &[
            "page, more true",
            "page, more false, empty true",
            "no page",
            "unreadable",
        ],
        read: Box::new(page),
    }
}
