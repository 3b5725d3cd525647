//! Requests to the gateway simulator, one after another: each is answered as Stripe's API would, and whatever is asked, an
//! intent charges once at the most and gives back no more than that.
//!
//! An input is requests with a zero byte between them. A request is its method, its path with the query, its idempotency
//! key if any, and its form, each on a line. `{i}`, `{c}`, `{r}` and `{m}` stand for the intent, charge, refund and
//! payment method of which the answers told last.

use std::collections::BTreeSet;

use almoner::simulator::fuzz::Asked;
use almoner::simulator::{Clock, Options, Simulator};
use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{AUTHORIZATION, HeaderName, HeaderValue};
use hyper::{Method, Request, Uri};
use serde_json::Value;
use tokio::runtime::Runtime;

use super::explore::{Fate, Target, fate};

/// Requests of an input, at most.
const REQUESTS_MAX: usize = 12;

/// The ids that were told last, with what stands for them.
type Told = [(&'static str, String); 4];

fn request(input: &[u8], told: &Told) -> Option<Request<Full<Bytes>>> {
    let mut input = input.to_vec();
    for (mark, id) in told {
        let text = String::from_utf8(input).ok()?;
        input = text.replace(mark, id).into_bytes();
    }
    let mut lines = input.splitn(4, |byte| *byte == b'\n');
    let method = Method::from_bytes(lines.next()?).ok()?;
    let uri = Uri::try_from(lines.next()?).ok()?;
    let key = lines.next().unwrap_or_default();
    let form = lines.next().unwrap_or_default().to_vec();
    let mut request = Request::new(Full::from(form));
    (*request.method_mut(), *request.uri_mut()) = (method, uri);
    let headers = request.headers_mut();
    headers.insert(
        AUTHORIZATION,
        HeaderValue::from_static("Bearer sk_test_almoner"),
    );
    if !key.is_empty() {
        let name = HeaderName::from_static("idempotency-key");
        headers.insert(name, HeaderValue::from_bytes(key).ok()?);
    }
    Some(request)
}

fn target(runtime: &Runtime, input: &[u8]) -> Fate {
    let options = Options {
        clock: Clock::Manual(std::sync::Arc::default()),
        ..Options::default()
    };
    let simulator = Simulator::open(options).unwrap();
    let asked = Asked::new(simulator, runtime.handle());
    let mut told: Told = [("{i}", "pi"), ("{c}", "ch"), ("{r}", "re"), ("{m}", "pm")]
        .map(|(mark, id)| (mark, id.into()));
    let mut fates = Vec::new();
    for input in input.split(|byte| *byte == 0).take(REQUESTS_MAX) {
        fates.push(match request(input, &told) {
            Some(request) => one(runtime, &asked, request, &mut told),
            None => "no request".into(),
        });
    }
    let mut statuses = BTreeSet::new();
    for intent in asked.intents() {
        assert!(intent.charged == 0 || intent.charged == intent.amount);
        assert!(
            (0..=intent.charged).contains(&intent.refunded),
            "{intent:?}"
        );
        statuses.insert(intent.status.as_str());
    }
    // The last answers alone, so that not every sequence is another fate.
    let last = fates.iter().rev().take(2);
    let last: Vec<_> = last.map(String::as_str).collect();
    fate(&format!("{} {statuses:?}", last.join("; ")))
}

fn one(runtime: &Runtime, asked: &Asked, request: Request<Full<Bytes>>, told: &mut Told) -> Fate {
    let path = request.uri().path().to_owned();
    let answer = runtime
        .block_on(asked.answer(request))
        .expect("without faults every request is answered");
    let said: Value = serde_json::from_slice(answer.body())
        .unwrap_or_else(|error| panic!("{path}: {error}: {:?}", answer.body()));
    let status = answer.status().as_u16();
    match status {
        200 => assert!(said["object"].is_string(), "{path}: {said}"),
        400 | 402 | 404 | 409 => assert!(said["error"]["type"].is_string(), "{path}: {said}"),
        _ => panic!("{path}: {status} {said}"),
    }
    note(&said, told);
    let object = said["object"].as_str().unwrap_or_default();
    let kind = said["error"]["type"].as_str().unwrap_or_default();
    let code = said["error"]["code"].as_str().unwrap_or_default();
    let param = said["error"]["param"].as_str().unwrap_or_default();
    let param: String = param.chars().take(20).collect();
    format!("{object}{kind} {code} {param}")
}

fn note(said: &Value, told: &mut Told) {
    match said {
        Value::String(text) if text.len() < 64 => {
            let prefixes = ["pi_", "ch_", "re_", "pm_"];
            for (prefix, (_, id)) in prefixes.iter().zip(told) {
                if text.starts_with(prefix) && !text.contains("_secret") {
                    id.clone_from(text);
                }
            }
        }
        Value::Array(values) => values.iter().for_each(|value| note(value, told)),
        Value::Object(fields) => fields.values().for_each(|value| note(value, told)),
        _ => {}
    }
}

pub fn calls() -> Target {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    let create = "POST\n/v1/payment_intents\nk1\namount=1250&currency=eur&payment_method=pm_1&payment_method_types[]=card&confirm=true&off_session=true&transfer_group=c&metadata[donation_id]=d";
    let open = "POST\n/v1/payment_intents\n\namount=1250&currency=eur";
    let refund =
        "POST\n/v1/refunds\nr1\npayment_intent={i}&amount=250&reason=requested_by_customer";
    let seeds = [
        format!("{create}\0{create}\0GET\n/v1/payment_intents/{{i}}?expand[]=latest_charge"),
        format!("{create}\0{refund}"),
        format!(
            "{create}\0{refund}\0{refund}\0POST\n/v1/refunds\n\ncharge={{c}}\0GET\n/v1/refunds/{{r}}\0GET\n/v1/refunds?payment_intent={{i}}&limit=1"
        ),
        format!(
            "{open}\0POST\n/v1/payment_intents/{{i}}/confirm\nk2\npayment_method=pm_card_chargeDeclined\0POST\n/v1/payment_intents/{{i}}/confirm\n\npayment_method=pm_soft_1_a&off_session=true"
        ),
        format!(
            "{open}\0POST\n/v1/payment_intents/{{i}}/cancel\nk3\ncancellation_reason=abandoned\0{create}"
        ),
        format!(
            "{create}\0GET\n/v1/payment_intents?limit=3&created[gte]=0&starting_after={{i}}&expand[]=data.latest_charge\0GET\n/v1/payment_intents/search?query=metadata['donation_id']:'d'\0GET\n/v1/charges/{{c}}"
        ),
        "POST\n/v1/payment_methods\n\ntype=card&card[token]=tok_visa\0GET\n/v1/payment_methods/{m}"
            .into(),
        create.replace("pm_1", "pm_card_chargeDeclined"),
        create.replace("pm_1", "pm_action_1") + "\0POST\n/v1/payment_intents/{i}/confirm",
        create.replace("pm_1", "pm_processing_99_1") + "\0POST\n/v1/payment_intents/{i}/cancel",
    ];
    Target {
        seeds: seeds.map(String::into_bytes).to_vec(),
        words: vec![
            b"\0",
            b"\n",
            b"POST\n",
            b"GET\n",
            b"{i}",
            b"{c}",
            b"{r}",
            b"{m}",
            b"/confirm",
            b"/cancel",
            b"/v1/refunds",
            b"/v1/payment_intents",
            b"/search?query=metadata[%27donation_id%27]:%27d%27",
            b"&amount=",
            b"&amount=99999999",
            b"&currency=jpy",
            b"&payment_method=pm_processing_99999999999_",
            b"&payment_method=pm_soft_4294967295_",
            b"pm_card_visa_chargeDeclinedLostCard",
            b"pm_card_authenticationRequired",
            b"&customer=cus_missing",
            b"&error_on_requires_action=true",
            b"&limit=",
            b"&starting_after={i}",
            b"&ending_before={i}",
            b"&created[lt]=-9223372036854775808",
            b"&expand[]=latest_charge",
            b"&metadata[a]=b",
            b"&metadata=",
            b"%5B%5D",
            b"%ff",
            b"=",
            b"&",
        ],
        invent: None,
        inputs: 3_000,
        reaches: &[
            "payment_intent",
            "refund",
            "card_error",
            "invalid_request_error resource_missing",
            "invalid_request_error parameter",
            "no request",
        ],
        read: Box::new(move |input| target(&runtime, input)),
    }
}
