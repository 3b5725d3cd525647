//! `/livez` and `/readyz`: who is stuck, and what is missing.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use almoner::http::{BEAT_WITHIN_MS, Condition, Health, Server, serve_admin};
use almoner_actors::ports::Clock;
use serde_json::{Value, json};
use tokio::runtime::Handle;

use crate::{ANYWHERE, LIMITS, ask, get, metrics};

/// A clock that stands until it is set.
#[derive(Default)]
struct SetClock(AtomicI64);

impl Clock for SetClock {
    fn wall_ms(&self) -> i64 {
        0
    }

    fn boot_ms(&self) -> i64 {
        self.0.load(Ordering::SeqCst)
    }
}

fn serve() -> (Arc<Health>, Arc<SetClock>, Server) {
    let (health, clock) = (Arc::new(Health::new()), Arc::new(SetClock::default()));
    let server = serve_admin(
        &Handle::current(),
        ANYWHERE,
        LIMITS,
        Arc::clone(&health),
        metrics(),
        Arc::clone(&clock) as _,
    )
    .unwrap();
    (health, clock, server)
}

/// The checks of this endpoint, by name; its status and HTTP status follow from them.
async fn check(server: &Server, path: &str, expected: &[(&str, bool)]) -> Value {
    let answer = get(server.address(), path).await;
    let report = answer.json();
    let checks = report["checks"].as_array().unwrap();
    let seen: Vec<_> = checks
        .iter()
        .map(|check| {
            assert!(
                check["detail"].as_str().unwrap().ends_with(['.', '?']),
                "{check}"
            );
            (
                check["name"].as_str().unwrap(),
                check["ok"].as_bool().unwrap(),
            )
        })
        .collect();
    assert_eq!(seen, expected);
    let all_ok = expected.iter().all(|(_, ok)| *ok);
    let status = if all_ok {
        (200, json!("ok"))
    } else {
        (503, json!("unavailable"))
    };
    assert_eq!((answer.status, report["status"].clone()), status);
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    report
}

#[tokio::test]
async fn a_component_that_does_not_beat_is_named() {
    let (health, clock, server) = serve();
    check(&server, "/livez", &[]).await;
    clock.0.store(1_000, Ordering::SeqCst);
    let consumer = health.heart("consumer", 1_000);
    let arbiter = health.heart("arbiter 0", 1_000);
    check(
        &server,
        "/livez",
        &[("consumer", true), ("arbiter 0", true)],
    )
    .await;

    clock.0.store(1_000 + BEAT_WITHIN_MS, Ordering::SeqCst);
    check(
        &server,
        "/livez",
        &[("consumer", true), ("arbiter 0", true)],
    )
    .await;
    consumer.beat(2_000);
    clock.0.store(1_001 + BEAT_WITHIN_MS, Ordering::SeqCst);
    let report = check(
        &server,
        "/livez",
        &[("consumer", true), ("arbiter 0", false)],
    )
    .await;
    assert!(
        report["checks"][1]["detail"]
            .as_str()
            .unwrap()
            .contains("for 30 s"),
        "{report}"
    );

    arbiter.beat(3_000);
    check(
        &server,
        "/livez",
        &[("consumer", true), ("arbiter 0", true)],
    )
    .await;
}

#[tokio::test]
async fn who_stops_is_not_asked_and_who_dies_is_missed() {
    let (health, clock, server) = serve();
    health.heart("stopped", 0).stop();
    drop(health.heart("dead", 0));
    clock.0.store(BEAT_WITHIN_MS + 1, Ordering::SeqCst);
    check(&server, "/livez", &[("dead", false)]).await;
}

/// All conditions are met but this one.
async fn check_missing(missing: Option<Condition>) {
    let (health, _, server) = serve();
    for condition in Condition::ALL {
        health.set(condition, Some(condition) != missing);
    }
    let expected = Condition::ALL.map(|condition| (condition.name(), Some(condition) != missing));
    check(&server, "/readyz", &expected).await;
}

#[tokio::test]
async fn every_condition_is_needed() {
    check_missing(None).await;
    for condition in Condition::ALL {
        check_missing(Some(condition)).await;
    }
}

#[tokio::test]
async fn an_instance_begins_unready_and_undrained() {
    let (_, _, server) = serve();
    let expected = [
        ("store_usable", false),
        ("group_joined", false),
        ("not_draining", true),
        ("gateway_key_accepted", false),
    ];
    let report = check(&server, "/readyz", &expected).await;
    assert_eq!(report.get("details"), None);
}

#[tokio::test]
async fn details_stand_beside_the_checks() {
    let (health, _, server) = serve();
    health.detail("shards_owned", json!(1));
    health.detail("shards_owned", json!(12));
    health.detail("breaker", json!("closed"));
    let report = get(server.address(), "/readyz").await.json();
    assert_eq!(
        report["details"],
        json!({"breaker": "closed", "shards_owned": 12})
    );
}

#[tokio::test]
async fn the_page_lists_what_there_is() {
    let (_, _, server) = serve();
    let page = get(server.address(), "/").await;
    assert_eq!(
        (page.status, page.header("content-type")),
        (200, Some("text/html; charset=utf-8"))
    );
    for path in ["/livez", "/readyz", "/metrics"] {
        assert!(
            page.body.contains(&format!("href=\"{path}\"")),
            "{}",
            page.body
        );
        assert_ne!(get(server.address(), path).await.status, 404);
    }
}

#[tokio::test]
async fn unknown_paths_and_methods_are_refused() {
    let (_, _, server) = serve();
    for path in ["/healthz", "/livez/", "/v1/donations/7"] {
        let answer = get(server.address(), path).await;
        assert_eq!(
            (answer.status, answer.error_code().as_str()),
            (404, "not_found")
        );
    }
    for path in ["/", "/livez", "/readyz", "/metrics"] {
        let answer = ask(server.address(), "POST", path).await;
        assert_eq!(
            (answer.status, answer.error_code().as_str()),
            (405, "method_not_allowed")
        );
        assert_eq!(answer.header("allow"), Some("GET,HEAD"));
    }
}
