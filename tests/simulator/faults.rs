//! Bad days: what goes wrong, what it leaves behind, and that a seed repeats it.

use std::collections::BTreeMap;
use std::time::Duration;

use almoner::simulator::{Options, Profile, Status};

use crate::support::{charge, faulty, options, start, unconfirmed};

const CREATE: &str = "/v1/payment_intents";

#[tokio::test]
async fn a_500_that_is_rolled_forward_shows_up_later() {
    let gateway = start(faulty(|it| it.error_rolled_forward_per_mille = 1000));
    let form = charge("d1", "pm_card_visa");
    assert_eq!(gateway.post(CREATE, "k", &form).await.status, 500);
    let replay = gateway.post(CREATE, "k", &form).await;
    assert_eq!((replay.status, replay.is_replay()), (500, true));
    assert_eq!(replay.headers["stripe-should-retry"], "false");
    assert_eq!(
        (gateway.charges("d1"), gateway.running.still_to_come()),
        (0, 1)
    );
    gateway.clock.advance(Duration::from_secs(5));
    assert_eq!(
        (gateway.charges("d1"), gateway.running.still_to_come()),
        (1, 0)
    );
    assert_eq!(
        gateway.post(CREATE, "k", &form).await.status,
        500,
        "the key's answer stays"
    );
}

#[tokio::test]
async fn until_it_is_rolled_forward_nobody_sees_it() {
    let folder = tempfile::tempdir().unwrap();
    let data = Some(folder.path().to_owned());
    let failing = faulty(|it| it.error_rolled_forward_per_mille = 1000);
    let gateway = start(Options {
        data: data.clone(),
        ..failing
    });
    assert_eq!(
        gateway
            .post(CREATE, "k", &charge("d1", "pm_card_visa"))
            .await
            .status,
        500
    );
    gateway.running.stop().await;
    // The simulator itself may die in between.
    let gateway = start(Options { data, ..options() });
    let list = async || {
        gateway.get(CREATE).await.json()["data"]
            .as_array()
            .unwrap()
            .clone()
    };
    assert!(list().await.is_empty());
    gateway.clock.advance(Duration::from_secs(5));
    let found = list().await;
    assert_eq!(
        (found.len(), found[0]["status"].as_str()),
        (1, Some("succeeded"))
    );
    assert_eq!(gateway.charges("d1"), 1);
}

#[tokio::test]
async fn a_cancel_comes_before_a_confirm_that_is_rolled_forward() {
    let gateway = start(faulty(|it| it.error_rolled_forward_per_mille = 1000));
    assert_eq!(
        gateway.post(CREATE, "k", &unconfirmed("d1")).await.status,
        500
    );
    let id = gateway.running.intents()[0].id.clone();
    let confirm = format!("{CREATE}/{id}/confirm");
    assert_eq!(
        gateway
            .post(&confirm, "c", "payment_method=pm_card_visa")
            .await
            .status,
        500
    );
    assert_eq!(
        gateway
            .post(&format!("{CREATE}/{id}/cancel"), "x", "")
            .await
            .status,
        500
    );
    assert_eq!(gateway.running.intents()[0].status, Status::Canceled);
    gateway.clock.advance(Duration::from_secs(5));
    assert_eq!(gateway.running.still_to_come(), 0);
    assert_eq!(
        (gateway.charges("d1"), gateway.running.intents()[0].status),
        (0, Status::Canceled)
    );
}

#[tokio::test]
async fn what_comes_late_is_carried_out_as_if_it_came_then() {
    let gateway = start(faulty(|it| {
        it.late_execution_per_mille = 1000;
        it.late_ms_max = 50;
    }));
    let form = charge("d1", "pm_card_visa");
    for _ in 0..5 {
        assert!(gateway.try_post(CREATE, "k", &form).await.is_err());
    }
    gateway.quiet().await;
    assert_eq!(
        gateway.charges("d1"),
        1,
        "one key, one charge, however many come late"
    );
    assert_eq!(gateway.running.stats().fault("late_execution"), 5);
}

#[tokio::test]
async fn a_request_is_carried_out_though_its_caller_has_gone() {
    let gateway = start(Options {
        latency_ms: 30,
        ..options()
    });
    let form = charge("d1", "pm_card_visa");
    let sent = gateway.post(CREATE, "k", &form);
    // Let it get as far as the gateway, and hang up.
    tokio::select! {
        _ = sent => {}
        () = async {
            while gateway.running.stats().keys == 0 {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        } => {}
    }
    let again = async {
        loop {
            let reply = gateway.post(CREATE, "k", &form).await;
            if reply.status != 409 {
                return reply;
            }
        }
    };
    let reply = tokio::time::timeout(Duration::from_secs(180), again)
        .await
        .unwrap();
    assert!(
        reply.is_replay(),
        "the first send was carried out: {reply:?}"
    );
    assert_eq!(gateway.charges("d1"), 1);
}

#[tokio::test]
async fn a_reset_before_leaves_nothing_behind() {
    let gateway = start(faulty(|it| it.reset_before_per_mille = 1000));
    assert!(
        gateway
            .try_post(CREATE, "k", &charge("d1", "pm_card_visa"))
            .await
            .is_err()
    );
    let stats = gateway.running.stats();
    assert_eq!(
        (stats.intents, stats.keys, stats.fault("reset_before")),
        (0, 0, 1)
    );
}

#[tokio::test]
async fn a_cut_answer_is_no_answer_and_a_slow_one_is() {
    let gateway = start(faulty(|it| it.answer_cut_per_mille = 1000));
    assert!(
        gateway
            .try_post(CREATE, "k", &charge("d1", "pm_card_visa"))
            .await
            .is_err()
    );
    assert_eq!(gateway.charges("d1"), 1);
    let gateway = start(faulty(|it| {
        it.body_slow_per_mille = 1000;
        it.body_slow_ms = 1;
    }));
    assert_eq!(
        gateway.charge("d1", "pm_card_visa").await.at("/status"),
        "succeeded"
    );
}

#[tokio::test]
async fn bursts_of_429_come_with_and_without_retry_after() {
    let gateway = start(faulty(|it| it.rate_limited_blocks_per_mille = 500));
    let (mut with, mut without, mut passed) = (0, 0, 0);
    for _ in 0..1_280 {
        let reply = gateway.get("/v1/payment_methods/pm_card_visa").await;
        match (reply.status, reply.headers.get("retry-after")) {
            (429, Some(_)) => with += 1,
            (429, None) => without += 1,
            _ => passed += 1,
        }
    }
    assert!(
        with >= 64 && without >= 64 && passed >= 64,
        "{with} {without} {passed}"
    );
    assert_eq!(
        (with % 64, without % 64, passed % 64),
        (0, 0, 0),
        "whole blocks"
    );
}

/// What a client sees of 150 charges, each sent three times. None comes late, since that goes by the machine's clock,
/// and no 429, which goes by the order of arrival.
async fn history(seed: u64, order: impl Iterator<Item = u32>) -> BTreeMap<u32, Vec<String>> {
    let profile = Profile {
        late_execution_per_mille: 0,
        rate_limited_blocks_per_mille: 0,
        ..Profile::nasty()
    };
    let gateway = start(Options {
        profile,
        seed,
        ..options()
    });
    let mut seen = BTreeMap::<_, Vec<_>>::new();
    for n in order {
        let form = charge(&format!("d{n}"), "pm_card_visa");
        for _ in 0..3 {
            let reply = gateway.try_post(CREATE, &format!("d{n}"), &form).await;
            let outcome = reply.map_or_else(|_| "lost".to_owned(), |it| it.status.to_string());
            seen.entry(n).or_default().push(outcome);
        }
    }
    seen
}

#[tokio::test]
async fn the_same_seed_hits_the_same_keys_in_whatever_order_they_come() {
    let (first, again) = (history(5, 0..150).await, history(5, (0..150).rev()).await);
    assert_eq!(first, again);
    assert_ne!(first, history(6, 0..150).await);
    let outcomes: Vec<_> = first.values().flatten().collect();
    assert!(outcomes.iter().any(|it| *it == "lost") && outcomes.iter().any(|it| *it == "500"));
}

#[tokio::test]
async fn on_the_nastiest_day_each_key_still_charges_at_most_once() {
    let gateway = start(Options {
        profile: Profile::nasty(),
        ..options()
    });
    for n in 0..200 {
        let donation = format!("d{n}");
        let form = charge(&donation, "pm_card_visa");
        let key = format!("{donation}:charge:1");
        for _ in 0..20 {
            match gateway.try_post(CREATE, &key, &form).await {
                Ok(reply) if reply.status == 200 => break,
                _ => {}
            }
        }
    }
    gateway.clock.advance(Duration::from_secs(5));
    gateway.quiet().await;
    let charges: Vec<_> = (0..200)
        .map(|n| gateway.charges(&format!("d{n}")))
        .collect();
    assert!(charges.iter().all(|count| *count <= 1), "{charges:?}");
    assert!(charges.iter().filter(|count| **count == 1).count() > 150);
}
