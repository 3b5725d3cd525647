//! Lists are read-after-write; searches lag.

use std::time::Duration;

use almoner::simulator::Options;

use crate::support::{Gateway, START_MS, charge, options, start};

const CREATE: &str = "/v1/payment_intents";
const START_S: i64 = START_MS / 1000;

async fn donations(gateway: &Gateway, query: &str) -> (Vec<String>, bool) {
    let page = gateway.get(&format!("{CREATE}{query}")).await.json();
    let data = page["data"].as_array().unwrap_or_else(|| panic!("{page}"));
    let name = |it: &serde_json::Value| it["metadata"]["donation_id"].as_str().unwrap().to_owned();
    (
        data.iter().map(name).collect(),
        page["has_more"].as_bool().unwrap(),
    )
}

/// Seven charges, a minute apart; the odd ones with a customer.
async fn seven(gateway: &Gateway) -> Vec<String> {
    let mut ids = Vec::new();
    for n in 0..7 {
        let donation = format!("d{n}");
        let customer = if n % 2 == 1 { "&customer=cus_1" } else { "" };
        let form = charge(&donation, "pm_card_visa") + customer;
        ids.push(gateway.post(CREATE, &donation, &form).await.id());
        // A refused one takes a number and leaves a gap.
        gateway
            .post(CREATE, &format!("refused {n}"), "amount=1&currency=eur")
            .await;
        gateway.clock.advance(Duration::from_secs(60));
    }
    ids
}

#[tokio::test]
async fn what_was_answered_is_listed() {
    let gateway = start(options());
    for n in 0..20 {
        let donation = format!("d{n}");
        gateway.charge(&donation, "pm_card_visa").await;
        assert_eq!(
            donations(&gateway, "?limit=1").await,
            (vec![donation], n > 0)
        );
    }
}

#[tokio::test]
async fn lists_are_paged_and_filtered() {
    let gateway = start(options());
    let ids = seven(&gateway).await;
    let at = |minute: i64| START_S + 60 * minute;
    for (query, expected, more) in [
        (String::new(), "d6 d5 d4 d3 d2 d1 d0", false),
        ("?limit=3".to_owned(), "d6 d5 d4", true),
        (
            format!("?limit=3&starting_after={}", ids[4]),
            "d3 d2 d1",
            true,
        ),
        (
            format!("?limit=3&starting_after={}", ids[3]),
            "d2 d1 d0",
            false,
        ),
        (format!("?limit=2&ending_before={}", ids[3]), "d5 d4", true),
        (
            format!("?created[gte]={}&created[lte]={}", at(2), at(4)),
            "d4 d3 d2",
            false,
        ),
        (
            format!("?created[gt]={}&created[lt]={}", at(2), at(4)),
            "d3",
            false,
        ),
        (format!("?created={}", at(5)), "d5", false),
        (format!("?created[gte]={}", at(6)), "d6", false),
        (format!("?created[lt]={}", at(0)), "", false),
        ("?customer=cus_1".to_owned(), "d5 d3 d1", false),
        (
            format!("?customer=cus_1&limit=1&starting_after={}", ids[5]),
            "d3",
            true,
        ),
    ] {
        let (found, has_more) = donations(&gateway, &query).await;
        assert_eq!(
            (found.join(" ").as_str(), has_more),
            (expected, more),
            "{query}"
        );
    }
    for query in [
        "?limit=0",
        "?limit=101",
        "?starting_after=x",
        "?page=2",
        "?created[x]=1",
        "?created[gte]=x",
    ] {
        assert_eq!(
            gateway.get(&format!("{CREATE}{query}")).await.status,
            400,
            "{query}"
        );
    }
}

#[tokio::test]
async fn searches_lag_behind() {
    let gateway = start(Options {
        search_lag_ms: 60_000,
        ..options()
    });
    let query = "/search?query=metadata%5B'donation_id'%5D:'d1'";
    gateway.charge("d1", "pm_card_visa").await;
    gateway.charge("d11", "pm_card_visa").await;
    assert!(
        donations(&gateway, query).await.0.is_empty(),
        "not found proves nothing"
    );
    gateway.clock.advance(Duration::from_secs(60));
    assert_eq!(donations(&gateway, query).await.0, ["d1"]);
    let both = format!("{query}%20AND%20status:'succeeded'");
    assert_eq!(donations(&gateway, &both).await.0, ["d1"]);
    assert_eq!(
        gateway
            .get(&format!("{CREATE}/search?query=amount%3E5"))
            .await
            .status,
        400
    );
}
