//! A gateway that does not list as it should.

use almoner::gateway::{GatewayCharge, IntentList, ListError};

use crate::server::{Seen, Server};
use crate::support::{RUNTIME, options};

/// All that the list shows, and what was asked.
fn list(
    answer: impl Fn(&Seen) -> String + Send + Sync + 'static,
) -> (Result<Vec<GatewayCharge>, ListError>, Vec<Seen>) {
    let server = Server::answering(answer);
    let mut list = IntentList::new(&options(&server.url()), Some(1_795_000_000)).unwrap();
    let charges = RUNTIME.block_on(async {
        let mut all = Vec::new();
        while let Some(page) = list.next_page().await? {
            all.extend(page);
        }
        Ok(all)
    });
    (charges, server.seen())
}

fn http(status: &str, body: &str) -> String {
    format!(
        "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
}

fn page(id: &str, latest_charge: &str, has_more: bool) -> String {
    let body = format!(
        r#"{{"object":"list","has_more":{has_more},"data":[{{"id":"{id}","object":"payment_intent",
        "amount":1250,"amount_received":1250,"currency":"eur","status":"succeeded","created":1795000000,
        "latest_charge":{latest_charge},"metadata":{{"donation_id":"d-1"}}}}]}}"#
    );
    http("200 OK", &body)
}

const WHOLE: &str = r#"{"id":"ch_1","object":"charge","amount_refunded":50}"#;

#[test]
fn pages_follow_each_other() {
    let (charges, seen) = list(|request| {
        let is_last = request.line.ends_with("&starting_after=pi_1");
        page(if is_last { "pi_2" } else { "pi_1" }, WHOLE, !is_last)
    });
    let charge = |id: &str| GatewayCharge {
        intent_id: id.into(),
        donation_id: Some("d-1".into()),
        created_s: 1_795_000_000,
        currency: "eur".into(),
        charged: 1_250,
        refunded: 50,
    };
    assert_eq!(charges, Ok(vec![charge("pi_1"), charge("pi_2")]));
    assert_eq!(
        seen[0].line,
        "GET /v1/payment_intents?limit=100&expand%5B%5D=data.latest_charge&created%5Bgte%5D=1795000000"
    );
    assert_eq!(seen[0].header("stripe-version"), Some("2025-09-30.clover"));
}

#[test]
fn what_may_pass_is_asked_again() {
    let asked = std::sync::atomic::AtomicUsize::new(0);
    let (charges, _) =
        list(
            move |_| match asked.fetch_add(1, std::sync::atomic::Ordering::SeqCst) {
                0 => http("503 Service Unavailable", "{}"),
                1 => http("429 Too Many Requests", "{}"),
                _ => page("pi_1", WHOLE, false),
            },
        );
    assert_eq!(charges.unwrap().len(), 1);
}

#[test]
fn what_cannot_be_relied_on_is_an_error() {
    let check = |answer: String, expected: fn(&ListError) -> bool| {
        let (charges, _) = list(move |_| answer.clone());
        let error = charges.unwrap_err();
        assert!(expected(&error), "{error:?}");
    };
    let unreadable = |error: &ListError| matches!(error, ListError::Unreadable(_));
    check(http("401 Unauthorized", "{}"), |error| {
        *error == ListError::BadApiKey
    });
    check(http("403 Forbidden", "{}"), |error| {
        *error == ListError::Refused(403)
    });
    check(http("500 Internal Server Error", "{}"), |error| {
        *error == ListError::ServerError(500)
    });
    check(http("200 OK", "{}"), unreadable);
    check(
        http("200 OK", r#"{"object":"list","has_more":true,"data":[]}"#),
        unreadable,
    );
    check(page("pi_1", WHOLE, true), unreadable); // in circles
    check(page("pi_1", "\"ch_1\"", false), unreadable); // money, but not what was given back of it
    check(page("pi_1", "null", false), unreadable);
}
