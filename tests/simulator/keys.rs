//! Idempotency keys: the first answer once execution began is stored and repeated, for a day.

use std::time::Duration;

use almoner::simulator::Options;
use hyper::Method;

use crate::support::{DAY, Gateway, charge, faulty, options, start, unconfirmed};

const CREATE: &str = "/v1/payment_intents";

/// Sends the same twice: the first answer has this status, the second repeats it to the byte.
async fn check_replay(gateway: &Gateway, form: &str, status: u16) {
    let key = format!("key of {form}");
    let key: String = key.chars().take(200).collect();
    let first = gateway.post(CREATE, &key, form).await;
    let again = gateway.post(CREATE, &key, form).await;
    assert_eq!(
        (first.status, first.is_replay()),
        (status, false),
        "{form}: {}",
        first.text
    );
    assert_eq!(
        (again.status, again.is_replay()),
        (status, true),
        "{form}: {}",
        again.text
    );
    assert_eq!(first.text, again.text);
    assert_eq!(again.headers["idempotency-key"], *key);
    assert_ne!(first.headers["request-id"], again.headers["request-id"]);
}

#[tokio::test]
async fn every_kind_of_answer_is_stored_and_repeated() {
    let gateway = start(options());
    check_replay(&gateway, &charge("d1", "pm_card_visa"), 200).await;
    check_replay(
        &gateway,
        &format!("{}&expand[]=latest_charge", charge("d1", "pm_card_visa")),
        200,
    )
    .await;
    check_replay(&gateway, &charge("d2", "pm_card_chargeDeclined"), 402).await;
    check_replay(&gateway, &charge("d3", "pm_missing_1"), 400).await;
    check_replay(&gateway, "amount=1&currency=eur", 400).await;
    check_replay(&gateway, "amount=100000000&currency=eur", 400).await;
    let failing = start(faulty(|it| it.error_after_per_mille = 1000));
    check_replay(&failing, &charge("d4", "pm_card_visa"), 500).await;
    assert_eq!(failing.charges("d4"), 1);
    let failing = start(faulty(|it| it.error_before_per_mille = 1000));
    check_replay(&failing, &charge("d5", "pm_card_visa"), 500).await;
    assert_eq!(failing.charges("d5"), 0);
}

#[tokio::test]
async fn a_replay_tells_the_past_not_the_present() {
    let gateway = start(options());
    let created = gateway.post(CREATE, "k", &unconfirmed("d1")).await;
    let cancel = format!("{CREATE}/{}/cancel", created.id());
    assert_eq!(
        gateway.post(&cancel, "c", "").await.at("/status"),
        "canceled"
    );
    let again = gateway.post(CREATE, "k", &unconfirmed("d1")).await;
    assert_eq!(again.text, created.text);
}

#[tokio::test]
async fn what_never_began_is_not_stored() {
    let gateway = start(Options {
        requests_per_second_max: 3,
        ..options()
    });
    let form = charge("d1", "pm_card_visa");
    let wrong_key = gateway
        .send(Method::POST, CREATE, Some("k"), &form, "sk_wrong")
        .await
        .unwrap();
    assert_eq!(
        (wrong_key.status, &*wrong_key.at("/error/type")),
        (401, "invalid_request_error")
    );
    for invalid in [
        "currency=eur",
        "amount=x&currency=eur",
        "amount=100&currency=xxx",
        "amount=100&currency=eur&a=1",
    ] {
        gateway.clock.advance(Duration::from_secs(1));
        let refused = gateway.post(CREATE, "k", invalid).await;
        assert_eq!(refused.status, 400, "{invalid}");
    }
    gateway.clock.advance(Duration::from_secs(1));
    for n in 0..3 {
        gateway.get(&format!("{CREATE}/pi_{n}")).await;
    }
    let limited = gateway.post(CREATE, "k", &form).await;
    assert_eq!(
        (limited.status, &*limited.at("/error/code")),
        (429, "rate_limit")
    );
    assert_eq!(limited.headers["retry-after"], "1");
    gateway.clock.advance(Duration::from_secs(1));
    let done = gateway.post(CREATE, "k", &form).await;
    assert_eq!((done.status, done.is_replay()), (200, false));
}

#[tokio::test]
async fn after_its_life_a_key_executes_anew() {
    let gateway = start(options());
    let first = gateway.charge("d1", "pm_card_visa").await;
    gateway.clock.advance(DAY - Duration::from_millis(1));
    let replayed = gateway.charge("d1", "pm_card_visa").await;
    assert_eq!((replayed.id(), replayed.is_replay()), (first.id(), true));
    gateway.clock.advance(Duration::from_millis(1));
    let anew = gateway.charge("d1", "pm_card_visa").await;
    assert_ne!(anew.id(), first.id());
    assert!(!anew.is_replay());
    assert_eq!(
        gateway.charges("d1"),
        2,
        "this is the danger that the product must not run into"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn while_a_key_runs_another_send_of_it_is_409() {
    let gateway = start(Options {
        latency_ms: 600_000,
        ..options()
    });
    let form = charge("d1", "pm_card_visa");
    let (one, other) = (
        gateway.post(CREATE, "k", &form),
        gateway.post(CREATE, "k", &form),
    );
    let refused = tokio::select! { reply = one => reply, reply = other => reply };
    assert_eq!(
        (refused.status, &*refused.at("/error/code")),
        (409, "idempotency_key_in_use")
    );
    assert_eq!(refused.headers["stripe-should-retry"], "true");
}

#[tokio::test]
async fn other_parameters_under_a_known_key_are_an_idempotency_error() {
    let gateway = start(options());
    let created = gateway
        .post(CREATE, "k", &charge("d1", "pm_card_visa"))
        .await;
    let cancel = format!("{CREATE}/{}/cancel", created.id());
    let other = charge("d2", "pm_card_visa");
    for (path, form) in [(CREATE, &*other), (&cancel, "")] {
        let refused = gateway.post(path, "k", form).await;
        assert_eq!(
            (refused.status, &*refused.at("/error/type")),
            (400, "idempotency_error")
        );
    }
    assert!(
        gateway
            .post(CREATE, "k", &charge("d1", "pm_card_visa"))
            .await
            .is_replay()
    );
}

#[tokio::test]
async fn a_lost_answer_and_the_same_key_make_one_charge() {
    let gateway = start(faulty(|it| {
        it.answer_lost_per_mille = 300;
        it.answer_cut_per_mille = 200;
    }));
    for n in 0..40 {
        let donation = format!("d{n}");
        let form = charge(&donation, "pm_card_visa");
        let reply = gateway
            .insist(CREATE, &format!("{donation}:charge:1"), &form)
            .await;
        assert_eq!(reply.status, 200);
        assert_eq!(gateway.charges(&donation), 1);
    }
    let stats = gateway.running.stats();
    assert!(
        stats.fault("answer_lost") > 5 && stats.fault("answer_cut") > 3,
        "{stats:?}"
    );
    assert_eq!(stats.intents, 40);
    assert_eq!(stats.replays + 40, stats.request("create_intent"));
}
