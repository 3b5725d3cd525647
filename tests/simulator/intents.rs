//! Payment intents: what each request makes of them, and that one charges at most once.

use std::time::Duration;

use almoner::simulator::{Options, Status};
use futures::future::join_all;

use crate::support::{Gateway, Reply, charge, options, start, unconfirmed};

const CREATE: &str = "/v1/payment_intents";

async fn confirm(gateway: &Gateway, id: &str, key: &str, form: &str) -> Reply {
    gateway
        .post(&format!("{CREATE}/{id}/confirm"), key, form)
        .await
}

async fn cancel(gateway: &Gateway, id: &str, key: &str) -> Reply {
    gateway
        .post(&format!("{CREATE}/{id}/cancel"), key, "")
        .await
}

/// Charges this method: the status, the error's code and decline code, and the intent's state in the end.
async fn check_method(gateway: &Gateway, method: &str, expected: (u16, &str, &str, &str)) {
    let reply = gateway.charge(method, method).await;
    let state = match reply.status {
        200 => reply.at("/status"),
        _ => reply.at("/error/payment_intent/status"),
    };
    let (code, decline_code) = (reply.at("/error/code"), reply.at("/error/decline_code"));
    assert_eq!(
        (reply.status, &*code, &*decline_code, &*state),
        expected,
        "{method}"
    );
}

#[tokio::test]
async fn methods_behave_as_their_names_say() {
    let gateway = start(options());
    let again = "requires_payment_method";
    for (method, expected) in [
        ("pm_card_visa", (200, "", "", "succeeded")),
        ("pm_1Nt7", (200, "", "", "succeeded")),
        (
            "pm_card_chargeDeclined",
            (402, "card_declined", "generic_decline", again),
        ),
        (
            "pm_card_chargeDeclinedInsufficientFunds",
            (402, "card_declined", "insufficient_funds", again),
        ),
        (
            "pm_card_visa_chargeDeclinedStolenCard",
            (402, "card_declined", "stolen_card", again),
        ),
        (
            "pm_card_chargeDeclinedExpiredCard",
            (402, "expired_card", "", again),
        ),
        (
            "pm_card_chargeDeclinedProcessingError",
            (402, "processing_error", "", again),
        ),
        (
            "pm_card_authenticationRequired",
            (
                402,
                "authentication_required",
                "authentication_required",
                again,
            ),
        ),
        (
            "pm_decline_u1",
            (402, "card_declined", "generic_decline", again),
        ),
        ("pm_soft_1_u1", (402, "processing_error", "", again)),
        ("pm_action_u1", (200, "", "", "requires_action")),
        ("pm_processing_u1", (200, "", "", "processing")),
        ("pm_missing_u1", (400, "resource_missing", "", "")),
        ("tok_visa", (400, "resource_missing", "", "")),
    ] {
        check_method(&gateway, method, expected).await;
    }
    let on_session =
        charge("on", "pm_card_authenticationRequired").replace("&off_session=true", "");
    let reply = gateway.post(CREATE, "on", &on_session).await;
    assert_eq!(reply.at("/status"), "requires_action");
}

#[tokio::test]
async fn amounts_are_checked_by_currency() {
    let gateway = start(options());
    for (form, code) in [
        ("amount=49&currency=usd", "amount_too_small"),
        ("amount=99999999&currency=usd", ""),
        ("amount=100000000&currency=usd", "amount_too_large"),
        ("amount=50&currency=jpy", ""),
        ("amount=5124&currency=kwd", "parameter_invalid_integer"),
        ("amount=50050&currency=isk", "parameter_invalid_integer"),
        ("amount=50000&currency=ISK", ""),
        ("amount=1.5&currency=usd", "parameter_invalid_integer"),
        ("amount=100&currency=kpw", ""),
    ] {
        let reply = gateway.post(CREATE, form, form).await;
        let refused = !code.is_empty() || form.contains("kpw");
        assert_eq!(
            (reply.status, &*reply.at("/error/code")),
            (if refused { 400 } else { 200 }, code),
            "{form}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn under_64_confirms_at_once_an_intent_charges_once() {
    let gateway = start(options());
    let id = gateway.post(CREATE, "k", &unconfirmed("d1")).await.id();
    let keys: Vec<_> = (0..64).map(|n| format!("confirm {n}")).collect();
    let confirms = keys
        .iter()
        .map(|key| confirm(&gateway, &id, key, "payment_method=pm_card_visa"));
    let replies = join_all(confirms).await;
    let (won, lost): (Vec<_>, Vec<_>) = replies.iter().partition(|reply| reply.status == 200);
    assert_eq!((won.len(), lost.len()), (1, 63));
    for reply in lost {
        assert_eq!(reply.at("/error/code"), "payment_intent_unexpected_state");
        assert_eq!(reply.at("/error/payment_intent/id"), id);
        assert_eq!(reply.at("/error/payment_intent/status"), "succeeded");
    }
    assert_eq!(gateway.charges("d1"), 1);
}

#[tokio::test]
async fn after_a_decline_it_can_be_confirmed_with_a_method_named_again() {
    let gateway = start(options());
    let declined = gateway.charge("d1", "pm_soft_2_u1").await;
    let id = declined.at("/error/payment_intent/id");
    assert_eq!(declined.at("/error/payment_intent/payment_method"), "null");
    assert_eq!(
        declined.at("/error/payment_intent/last_payment_error/code"),
        "processing_error"
    );
    let unnamed = confirm(&gateway, &id, "c0", "").await;
    assert_eq!(
        (unnamed.status, &*unnamed.at("/error/code")),
        (400, "payment_intent_unexpected_state")
    );
    let second = confirm(
        &gateway,
        &id,
        "c1",
        "payment_method=pm_soft_2_u1&off_session=true",
    )
    .await;
    assert_eq!(
        (second.status, &*second.at("/error/code")),
        (402, "processing_error")
    );
    let third = confirm(
        &gateway,
        &id,
        "c2",
        "payment_method=pm_soft_2_u1&off_session=true",
    )
    .await;
    assert_eq!((third.status, &*third.at("/status")), (200, "succeeded"));
    assert_eq!(third.at("/last_payment_error"), "null");
    assert!(
        confirm(
            &gateway,
            &id,
            "c1",
            "payment_method=pm_soft_2_u1&off_session=true"
        )
        .await
        .is_replay()
    );
    assert_eq!(gateway.charges("d1"), 1);
}

#[tokio::test]
async fn too_many_confirms_cancel_it_and_canceled_never_charges() {
    let gateway = start(Options {
        confirms_max: 2,
        ..options()
    });
    let id = gateway
        .charge("d1", "pm_decline_1")
        .await
        .at("/error/payment_intent/id");
    assert_eq!(
        confirm(&gateway, &id, "c1", "payment_method=pm_decline_1")
            .await
            .status,
        402
    );
    let canceled = confirm(&gateway, &id, "c2", "payment_method=pm_card_visa").await;
    assert_eq!(
        (canceled.status, &*canceled.at("/status")),
        (200, "canceled")
    );
    assert_eq!(canceled.at("/cancellation_reason"), "automatic");
    let refused = confirm(&gateway, &id, "c3", "payment_method=pm_card_visa").await;
    assert_eq!(
        (refused.status, &*refused.at("/error/payment_intent/status")),
        (400, "canceled")
    );
    assert_eq!(cancel(&gateway, &id, "x").await.status, 400);
    assert_eq!(gateway.charges("d1"), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_cancel_that_races_a_confirm_has_one_winner() {
    let gateway = start(options());
    for n in 0..50 {
        let donation = format!("d{n}");
        let id = gateway
            .post(CREATE, &donation, &unconfirmed(&donation))
            .await
            .id();
        let (confirm_key, cancel_key) = (format!("c{n}"), format!("x{n}"));
        let confirming = confirm(&gateway, &id, &confirm_key, "payment_method=pm_card_visa");
        let (confirmed, canceled) = tokio::join!(confirming, cancel(&gateway, &id, &cancel_key));
        let charged = gateway.charges(&donation);
        match (confirmed.status, canceled.status) {
            (200, 400) => {
                assert_eq!(charged, 1);
                assert_eq!(
                    canceled.at("/error/code"),
                    "payment_intent_unexpected_state"
                );
                assert_eq!(canceled.at("/error/payment_intent/status"), "succeeded");
            }
            (400, 200) => {
                assert_eq!(charged, 0);
                assert_eq!(confirmed.at("/error/payment_intent/status"), "canceled");
            }
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn processing_ends_in_success_by_itself() {
    let gateway = start(options());
    let id = gateway.charge("d1", "pm_processing_60000_u1").await.id();
    let path = format!("{CREATE}/{id}?expand[]=latest_charge");
    assert_eq!(
        gateway.get(&path).await.at("/latest_charge/status"),
        "pending"
    );
    let refused = cancel(&gateway, &id, "x").await;
    assert_eq!(
        (refused.status, &*refused.at("/error/payment_intent/status")),
        (400, "processing")
    );
    assert_eq!(
        (gateway.charges("d1"), gateway.running.still_to_come()),
        (0, 1)
    );
    gateway.clock.advance(Duration::from_secs(60));
    let settled = gateway.get(&path).await;
    assert_eq!(
        (
            &*settled.at("/status"),
            &*settled.at("/latest_charge/status")
        ),
        ("succeeded", "succeeded")
    );
    assert_eq!(
        (gateway.charges("d1"), gateway.running.still_to_come()),
        (1, 0)
    );
}

#[tokio::test]
async fn refunds_never_exceed_the_charge() {
    let gateway = start(options());
    let id = gateway.charge("d1", "pm_card_visa").await.id();
    let refund = async |key: &str, form: &str| {
        let reply = gateway
            .post("/v1/refunds", key, &format!("payment_intent={id}{form}"))
            .await;
        (reply.status, reply.at("/amount"), reply.at("/error/code"))
    };
    let done = |amount: &str| (200, amount.to_owned(), String::new());
    let refused = |code: &str| (400, String::new(), code.to_owned());
    assert_eq!(refund("r1", "&amount=400").await, done("400"));
    assert_eq!(refund("r2", "&amount=601").await, refused(""));
    assert_eq!(refund("r1", "&amount=400").await, done("400"));
    assert_eq!(refund("r3", "&reason=duplicate").await, done("600"));
    assert_eq!(refund("r4", "").await, refused("charge_already_refunded"));
    let list = gateway
        .get(&format!("/v1/refunds?payment_intent={id}"))
        .await
        .json();
    let amounts: Vec<_> = list["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it["amount"].clone())
        .collect();
    assert_eq!(amounts, [600, 400]);
    let charge = gateway
        .get(&format!("{CREATE}/{id}"))
        .await
        .at("/latest_charge");
    assert_eq!(
        gateway
            .get(&format!("/v1/charges/{charge}"))
            .await
            .at("/refunded"),
        "true"
    );
    let view = &gateway.running.intents()[0];
    assert_eq!(
        (view.charged, view.refunded, view.status),
        (1000, 1000, Status::Succeeded)
    );
    let uncharged = gateway.post(CREATE, "u", &unconfirmed("d2")).await.id();
    let reply = gateway
        .post("/v1/refunds", "r5", &format!("payment_intent={uncharged}"))
        .await;
    assert_eq!(reply.status, 400);
}

#[tokio::test]
async fn unknown_paths_and_objects_are_404_in_stripes_shape() {
    let gateway = start(options());
    for path in [
        "/v1/transfers",
        "/v1/payment_intents/pi_x",
        "/v1/charges/ch_x",
        "/v1/refunds/re_x",
        "/",
    ] {
        let reply = gateway.get(path).await;
        assert_eq!(
            (reply.status, &*reply.at("/error/type")),
            (404, "invalid_request_error"),
            "{path}"
        );
    }
    let confirmed = confirm(&gateway, "pi_x", "k", "").await;
    assert_eq!(
        (confirmed.status, &*confirmed.at("/error/code")),
        (404, "resource_missing")
    );
}
