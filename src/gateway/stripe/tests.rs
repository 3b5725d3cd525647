//! What goes out, call by call.

use std::sync::Arc;

use almoner_domain::donation::Donation;
use almoner_domain::ids::DonationId;
use futures::FutureExt;
use http_body_util::BodyExt;

use super::*;
use crate::gateway::fixtures::donation;

const ID: &str = "018f6b2e-5c1a-7abc-8def-0123456789ab";

fn call(call: Call, intent: Option<&str>, body_version: u16) -> GatewayCall {
    GatewayCall {
        donation: Arc::new(Donation {
            body_version,
            ..donation(DonationId::parse(ID).unwrap())
        }),
        call,
        intent: intent.map(Into::into),
        listed_s: (100, 200),
        permit: None,
    }
}

fn requests(base_url: &str) -> Requests {
    Requests::new(base_url, &SecretString::from("sk_test_1")).unwrap()
}

fn header(request: &Outgoing, name: &str) -> Option<String> {
    let value = request.headers().get(name)?;
    Some(value.to_str().unwrap().to_owned())
}

/// Method and path, key, body.
fn check(kind: Call, line: &str, key: Option<&str>, body: Option<&str>) {
    let call = call(kind, Some("pi_1"), 1);
    let request = requests("http://gateway:8080")
        .one(&Prepared::new(&call).unwrap())
        .unwrap();
    let shown = format!("{} {}", request.method(), request.uri());
    assert_eq!(shown.replace("http://gateway:8080", ""), line);
    assert_eq!(header(&request, "idempotency-key").as_deref(), key);
    assert_eq!(
        header(&request, "authorization").as_deref(),
        Some("Bearer sk_test_1")
    );
    assert_eq!(
        header(&request, "stripe-version").as_deref(),
        Some("2025-09-30.clover")
    );
    let form = body.map(|_| "application/x-www-form-urlencoded");
    assert_eq!(header(&request, "content-type").as_deref(), form);
    let debug = format!("{request:?}");
    assert!(!debug.contains("sk_test"), "{debug}");
    let sent = request
        .into_body()
        .collect()
        .now_or_never()
        .unwrap()
        .unwrap();
    assert_eq!(sent.to_bytes(), body.unwrap_or_default());
}

const PAID: &str = "amount=1250&currency=eur&payment_method=pm_1&payment_method_types%5B%5D=card";
const FOR: &str = "transfer_group=campaign_1\
    &metadata%5Bdonation_id%5D=018f6b2e-5c1a-7abc-8def-0123456789ab\
    &metadata%5Bcampaign_id%5D=campaign_1&metadata%5Buser_id%5D=user_1";

#[test]
fn each_call_has_its_address_its_key_and_its_bytes() {
    let key = |rest: &str| format!("{ID}:{rest}");
    check(
        Call::Charge,
        "POST /v1/payment_intents",
        Some(&key("charge:1")),
        Some(&format!("{PAID}&confirm=true&off_session=true&{FOR}")),
    );
    check(
        Call::CreateIntent { n: 2 },
        "POST /v1/payment_intents",
        Some(&key("intent:2")),
        Some(&format!("{PAID}&{FOR}")),
    );
    check(
        Call::Confirm { n: 3 },
        "POST /v1/payment_intents/pi_1/confirm",
        Some(&key("confirm:3")),
        Some("payment_method=pm_1&off_session=true"),
    );
    check(
        Call::Cancel { n: 1 },
        "POST /v1/payment_intents/pi_1/cancel",
        Some(&key("cancel:1")),
        Some(""),
    );
    check(
        Call::Discard {
            intent: "pi_2".into(),
            n: 1,
        },
        "POST /v1/payment_intents/pi_2/cancel",
        Some(&key("cancel:pi_2:1")),
        Some(""),
    );
    check(
        Call::Reverse {
            intent: "pi_2".into(),
        },
        "POST /v1/refunds",
        Some(&key("reversal:pi_2")),
        Some(&format!(
            "payment_intent=pi_2&reason=duplicate&metadata%5Bdonation_id%5D={ID}"
        )),
    );
    check(Call::Fetch, "GET /v1/payment_intents/pi_1", None, None);
    check(
        Call::List,
        "GET /v1/payment_intents?limit=100&created%5Bgte%5D=100&created%5Blte%5D=200",
        None,
        None,
    );
}

#[test]
fn a_further_page_starts_after_the_last_intent() {
    let version = Version::numbered(1).unwrap();
    let request = requests("https://api.stripe.com")
        .page(version, (100, 200), Some("pi_7"))
        .unwrap();
    let query = request.uri().query().unwrap();
    assert!(query.ends_with("&starting_after=pi_7"), "{query}");
}

#[test]
fn a_path_before_the_version_is_kept() {
    let call = call(Call::Fetch, Some("pi_1"), 1);
    for base in ["https://proxy/stripe", "https://proxy/stripe/"] {
        let request = requests(base).one(&Prepared::new(&call).unwrap()).unwrap();
        assert_eq!(
            request.uri(),
            "https://proxy/stripe/v1/payment_intents/pi_1"
        );
    }
}

#[test]
fn what_cannot_be_sent_says_why() {
    let unknown = call(Call::Charge, None, 9);
    assert!(matches!(
        Prepared::new(&unknown),
        Err(Unsendable::BodyVersion(9))
    ));
    for intent in [None, Some(""), Some("../v1/refunds"), Some("pi_1?x=y")] {
        let fetch = call(Call::Fetch, intent, 1);
        let outcome = requests("http://gateway").one(&Prepared::new(&fetch).unwrap());
        assert!(matches!(outcome, Err(Unsendable::NoIntent)), "{outcome:?}");
    }
}

#[test]
fn what_is_no_address_or_key_is_refused_without_showing_the_key() {
    for base in [
        "",
        "gateway",
        "/v1",
        "ftp://gateway",
        "http://u:p@gateway",
        "http://g/?a=b",
    ] {
        let refused = Requests::new(base, &SecretString::from("sk_1")).err();
        assert_eq!(refused, Some(InvalidOptions::BaseUrl));
    }
    for key in ["", "sk_secret\n"] {
        let refused = Requests::new("http://gateway", &SecretString::from(key)).err();
        assert_eq!(refused, Some(InvalidOptions::ApiKey));
    }
}
