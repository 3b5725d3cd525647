//! The table of `CHARGES.md`, row by row.

use almoner_domain::money::{Currency, Money};

use super::*;

const ID: &str = "018f6b2e-5c1a-7abc-8def-0123456789ab";

fn charged() -> Charged {
    Charged::new(Money::new(1_250, Currency::from_code("EUR").unwrap()).unwrap()).unwrap()
}

/// An intent of the donation's as the gateway shows it, with fields that nobody reads.
fn intent(id: &str, status: &str) -> String {
    shown(
        id,
        status,
        1_250,
        "eur",
        &format!(r#"{{"user_id":"u","donation_id":"{ID}"}}"#),
    )
}

fn shown(id: &str, status: &str, amount: u64, currency: &str, metadata: &str) -> String {
    format!(
        r#"{{"id":"{id}","object":"payment_intent","amount":{amount},"amount_details":{{"tip":{{}}}},
        "client_secret":"{id}_secret_x","created":1795262400,"currency":"{currency}","customer":null,
        "latest_charge":"ch_1","livemode":false,"metadata":{metadata},"next_action":null,
        "status":"{status}","payment_method_types":["card"]}}"#
    )
}

fn own(id: &str, status: IntentStatus) -> Intent {
    Intent {
        id: id.into(),
        status,
        created_s: 1_795_262_400,
        charge_id: Some("ch_1".into()),
    }
}

fn error(fields: &str) -> String {
    format!(
        r#"{{"error":{{"message":"It did not work.","request_log_url":"https://x",{fields}}}}}"#
    )
}

fn reply(status: u16, headers: &[(&'static str, &str)], body: String) -> Reply {
    let mut all = HeaderMap::new();
    all.insert(CONTENT_TYPE, "application/json".parse().unwrap());
    for (name, value) in headers {
        all.insert(*name, value.parse().unwrap());
    }
    Reply {
        status: StatusCode::from_u16(status).unwrap(),
        headers: all,
        body: body.into(),
    }
}

fn expected<'a>(call: &'a Call, intent: Option<&'a str>) -> Expected<'a> {
    Expected {
        call,
        donation: DonationId::parse(ID).unwrap(),
        charged: charged(),
        intent,
    }
}

fn read_for(call: &Call, named: Option<&str>, reply: &Reply) -> Result<Answer, Useless> {
    read(&expected(call, named), reply)
}

/// The answer to a charge.
fn check(status: u16, headers: &[(&'static str, &str)], body: String, answer: Answer) {
    let reply = reply(status, headers, body);
    let text = String::from_utf8_lossy(&reply.body).into_owned();
    assert_eq!(
        read_for(&Call::Charge, None, &reply),
        Ok(answer),
        "{status} {text}"
    );
}

#[track_caller]
fn check_unreadable(call: &Call, reply: &Reply) {
    let answer = read_for(call, None, reply);
    assert!(
        matches!(answer, Err(Useless::Unreadable { .. })),
        "{answer:?} from {reply:?}"
    );
}

#[test]
fn a_200_is_its_intents_status() {
    let statuses = [
        ("succeeded", IntentStatus::Succeeded),
        ("processing", IntentStatus::Processing),
        ("requires_action", IntentStatus::RequiresAction),
        (
            "requires_payment_method",
            IntentStatus::RequiresPaymentMethod,
        ),
        ("requires_confirmation", IntentStatus::RequiresConfirmation),
        ("canceled", IntentStatus::Canceled),
    ];
    for (spelt, status) in statuses {
        let answer = Answer::Intent(own("pi_1", status));
        check(200, &[], intent("pi_1", spelt), answer.clone());
        let replayed = [("idempotent-replayed", "true")];
        check(200, &replayed, intent("pi_1", spelt), answer);
    }
}

#[test]
fn what_the_gateway_leaves_out_or_escapes_is_read_too() {
    let without_charge = intent("pi_1", "processing").replace(r#""latest_charge":"ch_1","#, "");
    let mut seen = own("pi_1", IntentStatus::Processing);
    seen.charge_id = None;
    check(200, &[], without_charge, Answer::Intent(seen.clone()));
    let null_charge = intent("pi_1", "processing").replace(r#""ch_1""#, "null");
    check(200, &[], null_charge, Answer::Intent(seen));
    let escaped = intent("pi_1", "succeeded").replace("eur", r"\u0065ur");
    let succeeded = Answer::Intent(own("pi_1", IntentStatus::Succeeded));
    check(200, &[], escaped, succeeded.clone());
    let with_charset = [("content-type", "Application/JSON; charset=utf-8")];
    check(200, &with_charset, intent("pi_1", "succeeded"), succeeded);
}

#[test]
fn a_402_is_the_cards_answer() {
    let declined = |code: &str, decline_code: Option<&str>, intent| Answer::Declined {
        code: code.into(),
        decline_code: decline_code.map(Into::into),
        intent,
    };
    let retryable = intent("pi_1", "requires_payment_method");
    check(
        402,
        &[],
        error(&format!(
            r#""type":"card_error","code":"card_declined","decline_code":"insufficient_funds",
            "charge":"ch_1","payment_intent":{retryable}"#
        )),
        declined(
            "card_declined",
            Some("insufficient_funds"),
            Some(own("pi_1", IntentStatus::RequiresPaymentMethod)),
        ),
    );
    for code in [
        "processing_error",
        "expired_card",
        "authentication_required",
        "one_of_tomorrow",
    ] {
        let body = error(&format!(r#""type":"card_error","code":"{code}""#));
        check(402, &[], body, declined(code, None, None));
    }
    let nameless = error(r#""type":"card_error""#);
    check(402, &[], nameless, declined("card_error", None, None));
}

#[test]
fn a_402_counts_only_where_a_card_was_asked() {
    let declined = reply(
        402,
        &[],
        error(r#""type":"card_error","code":"card_declined""#),
    );
    assert!(read_for(&Call::Confirm { n: 1 }, Some("pi_1"), &declined).is_ok());
    for call in [
        Call::Fetch,
        Call::Cancel { n: 1 },
        Call::List,
        Call::CreateIntent { n: 1 },
    ] {
        check_unreadable(&call, &declined);
    }
}

#[test]
fn the_known_kinds_of_400_and_404_refuse_the_donation() {
    let method = Answer::Refused(Refused::PaymentMethod);
    let amount = Answer::Refused(Refused::Amount);
    let rows = [
        (
            404,
            r#""code":"resource_missing","param":"payment_method""#,
            &method,
        ),
        (
            400,
            r#""code":"resource_missing","param":"payment_method""#,
            &method,
        ),
        (
            400,
            r#""code":"resource_missing","param":"customer""#,
            &method,
        ),
        (400, r#""code":"payment_method_unexpected_state""#, &method),
        (
            400,
            r#""code":"payment_intent_incompatible_payment_method""#,
            &method,
        ),
        (
            400,
            r#""code":"amount_too_small","param":"amount""#,
            &amount,
        ),
        (
            400,
            r#""code":"amount_too_large","param":"amount""#,
            &amount,
        ),
    ];
    for (status, fields, answer) in rows {
        let body = error(&format!(r#""type":"invalid_request_error",{fields}"#));
        check(status, &[], body, answer.clone());
    }
    let in_words = [
        "The provided PaymentMethod was previously used with a PaymentIntent without Customer attachment, shared with \
         a connected account without Customer attachment, or was detached from a Customer. It may not be used again.",
        "The customer does not have a payment method with the ID pm_1.",
    ];
    for message in in_words {
        let body = error(r#""type":"invalid_request_error""#).replace("It did not work.", message);
        check(400, &[], body, method.clone());
    }
}

#[test]
fn a_call_that_names_no_method_cannot_be_refused_for_it() {
    let missing = reply(
        404,
        &[],
        error(r#""type":"invalid_request_error","code":"resource_missing","param":"customer""#),
    );
    let confirmed = read_for(&Call::Confirm { n: 1 }, Some("pi_1"), &missing);
    assert_eq!(confirmed, Ok(Answer::Refused(Refused::PaymentMethod)));
    for call in [Call::Fetch, Call::Cancel { n: 1 }, Call::List] {
        let answer = read_for(&call, None, &missing);
        assert!(
            matches!(answer, Ok(Answer::OurDefect { status: 404, .. })),
            "{answer:?}"
        );
    }
}

#[test]
fn a_call_out_of_turn_tells_its_intents_state() {
    for (spelt, status) in [
        ("succeeded", IntentStatus::Succeeded),
        ("canceled", IntentStatus::Canceled),
        (
            "requires_payment_method",
            IntentStatus::RequiresPaymentMethod,
        ),
    ] {
        let body = error(&format!(
            r#""type":"invalid_request_error","code":"payment_intent_unexpected_state",
            "payment_intent":{}"#,
            intent("pi_1", spelt)
        ));
        let reply = reply(400, &[], body);
        for call in [Call::Confirm { n: 2 }, Call::Cancel { n: 1 }] {
            let answer = read_for(&call, Some("pi_1"), &reply);
            assert_eq!(answer, Ok(Answer::Intent(own("pi_1", status))));
        }
    }
    let without =
        error(r#""type":"invalid_request_error","code":"payment_intent_unexpected_state""#);
    check(
        400,
        &[],
        without,
        Answer::OurDefect {
            status: 400,
            what: "invalid_request_error, payment_intent_unexpected_state, no parameter".into(),
        },
    );
}

#[test]
fn everything_else_of_the_table() {
    let mismatch = error(r#""type":"idempotency_error""#);
    check(400, &[], mismatch.clone(), Answer::KeyMismatch);
    check(409, &[], mismatch, Answer::KeyInUse);
    let in_use = error(r#""type":"invalid_request_error","code":"idempotency_key_in_use""#);
    check(409, &[], in_use, Answer::KeyInUse);
    let locked = error(r#""type":"invalid_request_error","code":"lock_timeout""#);
    check(409, &[], locked.clone(), Answer::KeyInUse);
    let limited = |retry_after_ms| Answer::RateLimited { retry_after_ms };
    check(429, &[], locked, limited(None));
    check(
        429,
        &[("retry-after", "2")],
        "{}".into(),
        limited(Some(2_000)),
    );
    check(
        401,
        &[],
        error(r#""type":"invalid_request_error""#),
        Answer::BadApiKey,
    );
    check(
        403,
        &[],
        error(r#""type":"invalid_request_error""#),
        Answer::Forbidden,
    );
    for status in [500, 502, 503, 504, 599] {
        let burnt = [("idempotent-replayed", "true")];
        let failed = |replayed| Answer::ServerError { status, replayed };
        check(status, &[], error(r#""type":"api_error""#), failed(false));
        check(status, &burnt, error(r#""type":"api_error""#), failed(true));
    }
    for status in [400, 404, 405, 413, 422] {
        let body =
            error(r#""type":"invalid_request_error","code":"parameter_unknown","param":"x""#);
        let what = "invalid_request_error, parameter_unknown, x".into();
        check(status, &[], body, Answer::OurDefect { status, what });
    }
}

#[test]
fn what_stands_for_itself_needs_no_json() {
    let html = [("content-type", "text/html")];
    let page = || "<html>".to_owned();
    check(401, &html, page(), Answer::BadApiKey);
    check(
        429,
        &html,
        page(),
        Answer::RateLimited {
            retry_after_ms: None,
        },
    );
    let failed = Answer::ServerError {
        status: 502,
        replayed: false,
    };
    check(502, &html, page(), failed);
}

#[test]
fn what_is_not_listed_or_cannot_be_read_is_no_answer() {
    let whole = intent("pi_1", "succeeded");
    let cut = |at: usize| reply(200, &[], whole[..at].to_owned());
    for at in [0, 1, whole.len() / 2, whole.len() - 1] {
        check_unreadable(&Call::Charge, &cut(at));
    }
    let html = [("content-type", "text/html")];
    check_unreadable(&Call::Charge, &reply(200, &html, whole.clone()));
    check_unreadable(&Call::Charge, &reply(200, &[], format!("{whole}{whole}")));
    check_unreadable(
        &Call::Charge,
        &reply(200, &[], whole.replace("payment_intent", "charge")),
    );
    check_unreadable(
        &Call::Charge,
        &reply(200, &[], intent("pi_1", "requires_capture")),
    );
    check_unreadable(
        &Call::Charge,
        &reply(200, &[], intent("pi_1/../pi_2", "succeeded")),
    );
    check_unreadable(
        &Call::Charge,
        &reply(200, &[], whole.replace("1795262400", "1.5")),
    );
    let refusal = error(r#""type":"invalid_request_error","code":"amount_too_small""#);
    for status in [400, 402, 403, 404, 409] {
        check_unreadable(&Call::Charge, &reply(status, &html, refusal.clone()));
        check_unreadable(&Call::Charge, &reply(status, &[], "{}".into()));
    }
    for status in [
        100, 201, 202, 204, 301, 302, 307, 408, 409, 424, 425, 499, 600,
    ] {
        check_unreadable(&Call::Charge, &reply(status, &[], refusal.clone()));
    }
}

#[test]
fn an_intent_that_is_not_the_donations_is_no_answer() {
    let metadata = format!(r#"{{"donation_id":"{ID}"}}"#);
    let other_id = metadata.replace("0123456789ab", "0123456789ac");
    let foreign = [
        shown("pi_1", "succeeded", 1_251, "eur", &metadata),
        shown("pi_1", "succeeded", 1_250, "usd", &metadata),
        shown("pi_1", "succeeded", 1_250, "eur", &other_id),
        shown("pi_1", "succeeded", 1_250, "eur", "{}"),
        shown("pi_1", "succeeded", 1_250, "eur", "null"),
        intent("pi_2", "succeeded"),
    ];
    for body in foreign {
        let declined = error(&format!(
            r#""type":"card_error","code":"x","payment_intent":{body}"#
        ));
        for reply in [reply(200, &[], body), reply(402, &[], declined)] {
            let answer = read_for(&Call::Confirm { n: 1 }, Some("pi_1"), &reply);
            assert!(
                matches!(answer, Err(Useless::NotOurs(_))),
                "{answer:?} from {reply:?}"
            );
        }
    }
}

/// A page of the list with these intents.
fn page(rows: &[String], has_more: bool) -> Reply {
    let data = rows.join(",");
    let body = format!(r#"{{"object":"list","url":"/v1","has_more":{has_more},"data":[{data}]}}"#);
    reply(200, &[], body)
}

#[test]
fn a_page_shows_every_intent_and_where_the_next_one_starts() {
    let foreign = shown("pi_9", "requires_capture", 7, "usd", "{}");
    let rows = [
        intent("pi_3", "succeeded"),
        foreign.clone(),
        intent("pi_1", "canceled"),
        foreign,
    ];
    let read = |reply: &Reply| {
        let mut owners = Vec::new();
        let next_after = read_page(reply, |intent| {
            owners.push(intent.donation_id().map(str::to_owned));
        });
        (owners, next_after)
    };

    let (owners, next_after) = read(&page(&rows, true));
    let own = Some(ID.to_owned());
    assert_eq!(owners, [own.clone(), None, own, None]);
    assert_eq!(next_after, Ok(Ok(Some("pi_9".to_owned()))));
    assert_eq!(read(&page(&[], false)), (vec![], Ok(Ok(None))));

    for no_page in [
        page(&[], true),
        reply(200, &[], intent("pi_1", "succeeded")),
    ] {
        let (_, outcome) = read(&no_page);
        assert!(
            matches!(outcome, Err(Useless::Unreadable { .. })),
            "{outcome:?}"
        );
    }
}

#[test]
fn an_answer_in_place_of_a_page_is_nobodys_intent() {
    let in_place = |status, body| read_page(&reply(status, &[], body), |_| panic!("shown"));
    let limited = Answer::RateLimited {
        retry_after_ms: None,
    };
    assert_eq!(in_place(429, "{}".into()), Ok(Err(limited)));
    let carrying = error(&format!(
        r#""type":"invalid_request_error","code":"payment_intent_unexpected_state",
        "payment_intent":{}"#,
        intent("pi_1", "succeeded")
    ));
    let answer = in_place(400, carrying.clone());
    assert!(
        matches!(answer, Ok(Err(Answer::OurDefect { status: 400, .. }))),
        "{answer:?}"
    );
    let declined = in_place(402, carrying);
    assert!(
        matches!(declined, Err(Useless::Unreadable { .. })),
        "{declined:?}"
    );
}

#[test]
fn no_text_of_the_gateways_that_may_quote_a_card_is_kept() {
    let body = error(r#""type":"invalid_request_error","code":"x","param":"payment_method""#)
        .replace("It did not work.", "No such method: '4242424242424242'");
    let answer = read_for(&Call::Charge, None, &reply(400, &[], body));
    assert!(!format!("{answer:?}").contains("4242"), "{answer:?}");
    let garbled = intent("pi_1", "succeeded").replace("1250", r#""4242424242424242""#);
    let answer = read_for(&Call::Charge, None, &reply(200, &[], garbled));
    assert!(!format!("{answer:?}").contains("4242"), "{answer:?}");
}

fn refund(status: &str, intent: &str, amount: u64) -> String {
    format!(
        r#"{{"id":"re_1","object":"refund","status":"{status}","payment_intent":"{intent}","amount":{amount}}}"#
    )
}

fn read_refund(status: u16, body: String) -> Result<Answer, Useless> {
    let call = Call::Reverse {
        intent: "pi_2".into(),
    };
    read_for(&call, Some("pi_2"), &reply(status, &[], body))
}

#[test]
fn a_refund_is_made_or_was_made_before() {
    for status in ["succeeded", "pending"] {
        let answer = read_refund(200, refund(status, "pi_2", 1_250));
        assert_eq!(answer, Ok(Answer::Refunded));
    }
    let before = error(r#""type":"invalid_request_error","code":"charge_already_refunded""#);
    assert_eq!(read_refund(400, before), Ok(Answer::Refunded));
}

#[test]
fn any_other_answer_is_no_refund() {
    let poor = error(r#""type":"invalid_request_error","code":"balance_insufficient""#);
    let is_refused =
        |answer: &Result<Answer, Useless>| matches!(answer, Ok(Answer::OurDefect { .. }));
    for answer in [
        read_refund(400, poor),
        read_refund(200, refund("failed", "pi_2", 1_250)),
        read_refund(200, refund("canceled", "pi_2", 1_250)),
    ] {
        assert!(is_refused(&answer), "{answer:?}");
    }
    for (status, body) in [
        (200, refund("succeeded", "pi_3", 1_250)),
        (200, refund("succeeded", "pi_2", 1_251)),
        (200, refund("strange", "pi_2", 1_250)),
        (200, intent("pi_2", "succeeded")),
        (402, error(r#""type":"card_error","code":"card_declined""#)),
    ] {
        let answer = read_refund(status, body);
        assert!(answer.is_err(), "{answer:?}");
    }
}
