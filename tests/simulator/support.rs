//! A simulator with a clock of the test's own, and a client that never retries by itself.

use std::time::Duration;

use almoner::simulator::{Clock, IntentView, Options, Profile, Running, Simulator};
use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap};
use hyper::{Method, Request};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;

/// When every story begins: 2026-11-21, in milliseconds since 1970.
pub const START_MS: i64 = 1_795_219_200_000;
pub const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// A running simulator.
pub struct Gateway {
    pub running: Running,
    pub clock: Clock,
    client: Client<HttpConnector, Full<Bytes>>,
}

/// An answer.
#[derive(Clone, Debug)]
pub struct Reply {
    pub status: u16,
    pub headers: HeaderMap,
    pub text: String,
}

impl Reply {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap()
    }

    /// The text at this JSON pointer, or nothing.
    pub fn at(&self, pointer: &str) -> String {
        let found = self.json().pointer(pointer).cloned();
        found.map_or_else(String::new, |value| match value {
            Value::String(text) => text,
            other => other.to_string(),
        })
    }

    pub fn id(&self) -> String {
        self.at("/id")
    }

    pub fn is_replay(&self) -> bool {
        self.headers.contains_key("idempotent-replayed")
    }
}

/// Options for tests: everything the default, but a clock that stands still.
pub fn options() -> Options {
    Options {
        clock: Clock::manual(START_MS),
        ..Options::default()
    }
}

/// A profile in which one thing goes wrong.
pub fn faulty(set: impl FnOnce(&mut Profile)) -> Options {
    let mut profile = Profile::none();
    set(&mut profile);
    Options {
        profile,
        ..options()
    }
}

pub fn start(options: Options) -> Gateway {
    let clock = options.clock.clone();
    let simulator = Simulator::open(options).unwrap();
    let running = simulator.serve(&tokio::runtime::Handle::current()).unwrap();
    let mut builder = Client::builder(TokioExecutor::new());
    builder.retry_canceled_requests(false);
    Gateway {
        running,
        clock,
        client: builder.build_http(),
    }
}

/// The form of call 1 for this donation.
pub fn charge(donation: &str, payment_method: &str) -> String {
    format!(
        "amount=1000&currency=eur&payment_method={payment_method}&payment_method_types[]=card&confirm=true\
         &off_session=true&transfer_group=c1&metadata[donation_id]={donation}"
    )
}

/// The form of an intent that is not confirmed yet.
pub fn unconfirmed(donation: &str) -> String {
    format!("amount=1000&currency=eur&metadata[donation_id]={donation}")
}

impl Gateway {
    /// Sends once. An error is what a client sees when no answer comes.
    pub async fn try_post(&self, path: &str, key: &str, form: &str) -> Result<Reply, String> {
        self.send(Method::POST, path, Some(key), form, "sk_test_almoner")
            .await
    }

    pub async fn post(&self, path: &str, key: &str, form: &str) -> Reply {
        self.try_post(path, key, form).await.unwrap()
    }

    pub async fn charge(&self, donation: &str, payment_method: &str) -> Reply {
        let key = format!("{donation}:charge:1");
        self.post(
            "/v1/payment_intents",
            &key,
            &charge(donation, payment_method),
        )
        .await
    }

    pub async fn get(&self, path: &str) -> Reply {
        self.send(Method::GET, path, None, "", "sk_test_almoner")
            .await
            .unwrap()
    }

    pub async fn send(
        &self,
        method: Method,
        path: &str,
        key: Option<&str>,
        form: &str,
        api_key: &str,
    ) -> Result<Reply, String> {
        let mut request = Request::builder()
            .method(method)
            .uri(format!("http://{}{path}", self.running.addr()))
            .header(AUTHORIZATION, format!("Bearer {api_key}"))
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded");
        if let Some(key) = key {
            request = request.header("idempotency-key", key);
        }
        let request = request.body(Full::from(form.to_owned())).unwrap();
        let sent = self.client.request(request).await;
        let (head, body) = sent.map_err(|error| error.to_string())?.into_parts();
        let body = body.collect().await.map_err(|error| error.to_string())?;
        let text = String::from_utf8(body.to_bytes().to_vec()).unwrap();
        Ok(Reply {
            status: head.status.as_u16(),
            headers: head.headers,
            text,
        })
    }

    /// Sends the same until an answer comes, at most so often.
    pub async fn insist(&self, path: &str, key: &str, form: &str) -> Reply {
        for _ in 0..100 {
            if let Ok(reply) = self.try_post(path, key, form).await {
                return reply;
            }
        }
        panic!("no answer to {key} in 100 sends");
    }

    /// How many unreversed charges the donation has.
    pub fn charges(&self, donation: &str) -> usize {
        let of_donation = |it: &&IntentView| it.donation_id.as_deref() == Some(donation);
        self.running
            .intents()
            .iter()
            .filter(of_donation)
            .filter(|it| it.is_unreversed_charge())
            .count()
    }

    /// Waits until nothing happens by itself any more.
    pub async fn quiet(&self) {
        let deadline = tokio::time::Instant::now() + Duration::from_secs(180);
        while self.running.still_to_come() > 0 {
            assert!(tokio::time::Instant::now() < deadline, "never quiet");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }
}
