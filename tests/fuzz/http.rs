//! A request to one of the two listeners: an answer that says what it is, as JSON.
//!
//! An input is the listener (a byte), the method and the path with its query, each on a line, then headers, one a line.

use std::sync::{Arc, LazyLock};

use almoner::http::{Donations, Health, WaitLimits, fuzz};
use almoner::metrics::Metrics;
use almoner_actors::ports::{Done, Recorded, StoreError};
use almoner_actors::watchers::Watchers;
use almoner_domain::ids::DonationId;
use axum::Router;
use axum::body::Body;
use axum::http::{HeaderName, HeaderValue, Method, Request, Response, Uri};
use http_body_util::BodyExt;
use serde_json::Value;
use tokio::runtime::Runtime;
use tower::ServiceExt;

use super::explore::{Fate, Target, fate};
use super::intake::FixedClock;

/// An answer is short, whatever is asked.
const ANSWER_BYTES_MAX: usize = 4 << 10;

/// The metrics are a process's own.
static METRICS: LazyLock<(Runtime, Metrics)> = LazyLock::new(|| {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap();
    let metrics = Metrics::install(runtime.handle()).unwrap();
    (runtime, metrics)
});

/// Nobody has given anything yet; the store cannot read ids that begin with `f`, and does not answer for those with `e`.
#[derive(Default)]
struct Nothing(Watchers);

impl Donations for Nothing {
    fn load(&self, id: DonationId, done: Done<Result<Option<Box<Recorded>>, StoreError>>) {
        match id.0[0] >> 4 {
            0xf => done.call(Err(StoreError::Impossible("it is damaged".into()))),
            0xe => drop(done),
            _ => done.call(Ok(None)),
        }
    }

    fn watchers(&self) -> &Watchers {
        &self.0
    }
}

/// The request, where its parts are what HTTP takes.
fn request(input: &[u8]) -> Option<Request<Body>> {
    let mut lines = input.split(|byte| *byte == b'\n');
    let method = Method::from_bytes(lines.next()?).ok()?;
    let uri = Uri::try_from(lines.next()?).ok()?;
    let mut request = Request::new(Body::empty());
    (*request.method_mut(), *request.uri_mut()) = (method, uri);
    for line in lines.take(16) {
        let end = line.iter().position(|byte| *byte == b':')?;
        let name = HeaderName::from_bytes(&line[..end]).ok()?;
        let value = HeaderValue::from_bytes(&line[end + 1..]).ok()?;
        request.headers_mut().append(name, value);
    }
    Some(request)
}

fn target(runtime: &Runtime, input: &[u8]) -> Fate {
    let Some((listener, input)) = input.split_first() else {
        return "nothing".into();
    };
    let Some(request) = request(input) else {
        return "no request".into();
    };
    let is_api = listener.is_multiple_of(2);
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let answer = runtime.block_on(async {
        let (api, _running) = fuzz::api(Arc::new(Nothing::default()), WaitLimits::default());
        let admin = || {
            fuzz::admin(
                Arc::new(Health::new()),
                METRICS.1.clone(),
                Arc::new(FixedClock),
            )
        };
        let router: Router = if is_api { api } else { admin() };
        let answer = router.oneshot(request).await.unwrap();
        let (head, body) = answer.into_parts();
        Response::from_parts(head, body.collect().await.unwrap().to_bytes())
    });
    let status = answer.status().as_u16();
    assert!(
        matches!(status, 200 | 400 | 404 | 405 | 500 | 503),
        "{status}"
    );
    assert!(answer.body().len() <= ANSWER_BYTES_MAX || path == "/metrics");
    if method != Method::GET && method != Method::HEAD && is_api {
        assert!(matches!(status, 404 | 405), "{method} {path}: {status}");
    }
    if method == Method::HEAD {
        assert!(answer.body().is_empty());
        return fate(&format!("head {is_api}"));
    }
    let said = serde_json::from_slice::<Value>(answer.body()).unwrap_or_default();
    let code = said["error"]["code"].as_str().unwrap_or_default();
    assert!(
        !code.is_empty() || !is_api && matches!(&*path, "/" | "/livez" | "/readyz" | "/metrics"),
        "{method} {path}: {status} {said}"
    );
    // Digits are left out of fates.
    fate(&format!(
        "api {is_api}, {} {code}",
        answer.status().canonical_reason().unwrap()
    ))
}

pub fn paths() -> Target {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    let id = "018f6b2e-5c1a-7abc-8def-0123456789ab";
    let seeds = [
        format!("\0GET\n/v1/donations/{id}"),
        format!("\0GET\n/v1/donations/{id}?wait_ms=30000"),
        format!("\0GET\n/v1/donations/{}", id.replace("018f", "f18f")),
        format!(
            "\0GET\n/v1/donations/{}?wait_ms=10",
            id.replace("018f", "e18f")
        ),
        format!("\0GET\n/v1/donations/{id}?wait_ms=30001&wait_ms=-1\naccept:text/html"),
        format!("\0POST\n/v1/donations/{id}"),
        "\0HEAD\n/v1/donations/%ff".into(),
        "\u{1}GET\n/".into(),
        "\u{1}GET\n/livez".into(),
        "\u{1}GET\n/readyz?verbose".into(),
        "\u{1}GET\n/metrics\naccept-encoding:gzip".into(),
        "\u{1}DELETE\n/metrics".into(),
    ];
    Target {
        seeds: seeds.map(String::into_bytes).to_vec(),
        words: vec![
            b"018f6b2e-5c1a-7abc-8def-0123456789ab",
            b"018f6b2e5c1a7abc8def0123456789ab",
            b"?wait_ms=",
            b"&wait_ms=1",
            b"/v1/donations/",
            b"http://host/v1/donations/",
            b"%2f",
            b"%ff",
            b"%00",
            b"..",
            b"*",
            b"GET\n",
            b"HEAD\n",
            b"OPTIONS\n",
            b"30001",
            b"0.5",
            b"+1",
        ],
        invent: None,
        inputs: 3_000,
        reaches: &[
            "api true, Not Found not_found",
            "api true, Bad Request malformed_id",
            "api true, Bad Request invalid_wait_ms",
            "api true, Method Not Allowed",
            "api true, Internal Server Error store_error",
            "api true, Service Unavailable store_unavailable",
            "api false, OK",
            "api false, Not Found",
            "head",
        ],
        read: Box::new(move |input| target(&runtime, input)),
    }
}
