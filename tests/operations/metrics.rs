//! What a running service shows is what the table says, and the other way round.

use std::collections::{BTreeMap, BTreeSet};

use almoner::metrics::table;
use almoner_domain::ids::{CampaignId, DonationId, UserId};
use almoner_domain::money::{Currency, Money};
use almoner_domain::request::{DonationRequest, Request, encode};

use crate::support::{ANYWHERE, Surroundings, gateway, wait_for};

/// What only faults make appear: no story of a service that is well shows them.
const ONLY_AFTER_FAULTS: [&str; 5] = [
    "almoner_actors_passivated_total",
    "almoner_actors_quarantined_total",
    "almoner_actors_restarted_total",
    "almoner_illegal_transitions_total",
    "almoner_surplus_charges_total",
];

/// One metric as it is exposed: kind, help, and the labels of its samples.
#[derive(Default, Debug, PartialEq, Eq)]
struct Shown {
    kind: String,
    help: String,
    labels: BTreeSet<String>,
}

fn request(number: u8, amount_minor: u64) -> Vec<u8> {
    encode(&Request::Donate(DonationRequest {
        id: DonationId([number; 16]),
        user_id: UserId::parse("user_1").unwrap(),
        campaign_id: CampaignId::parse("campaign_1").unwrap(),
        amount: Money::new(amount_minor, Currency::from_code("EUR").unwrap()).unwrap(),
        payment_method: "pm_card_visa".into(),
        gateway_customer: None,
        information: None,
    }))
}

/// Reads Prometheus' text format. A histogram's samples count for it; `le` is no label of ours.
fn read(text: &str) -> BTreeMap<String, Shown> {
    let mut shown = BTreeMap::<String, Shown>::new();
    for line in text.lines().filter(|line| !line.is_empty()) {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            let (name, help) = rest.split_once(' ').unwrap();
            help.clone_into(&mut shown.entry(name.to_owned()).or_default().help);
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').unwrap();
            kind.clone_into(&mut shown.entry(name.to_owned()).or_default().kind);
        } else {
            let sample = line.rsplit_once(' ').unwrap().0;
            let (name, labels) = sample.split_once('{').unwrap_or((sample, "}"));
            let whole = |suffix| {
                name.strip_suffix(suffix)
                    .filter(|it| shown.contains_key(*it))
            };
            let name = ["_bucket", "_sum", "_count"]
                .into_iter()
                .find_map(whole)
                .unwrap_or(name);
            let labels = labels
                .trim_end_matches('}')
                .split("\",")
                .filter_map(|it| it.split_once('='));
            let labels = labels
                .map(|(label, _)| label.to_owned())
                .filter(|it| it != "le");
            let labels: Vec<_> = labels.collect();
            shown
                .entry(name.to_owned())
                .or_default()
                .labels
                .extend(labels);
        }
    }
    shown
}

#[test]
fn what_a_running_service_shows_is_what_the_table_says() {
    let (surroundings, gateway) = (Surroundings::new(), gateway(ANYWHERE));
    let instance = surroundings.run(gateway.addr(), &[]);
    let mut letters = vec![b"garbage".to_vec()];
    // A donation, another content under its id, and one that the gateway cannot take.
    letters.extend([request(1, 1_250), request(1, 1_300), request(2, 999)]);
    surroundings.publish("user_1", &letters);
    // Of the stores only the one that it has shows anything.
    let names = table().map(|metric| metric.name);
    let expected: BTreeSet<_> = names
        .filter(|name| !name.starts_with("almoner_cql_"))
        .collect();
    let mut text = String::new();
    wait_for("all metrics", || {
        text = instance.get("/metrics").1;
        let shown = read(&text);
        let has = |name: &&str| shown.contains_key::<str>(name) || ONLY_AFTER_FAULTS.contains(name);
        let missing: Vec<_> = expected.iter().filter(|name| !has(name)).collect();
        if !missing.is_empty() {
            eprintln!("missing so far: {missing:?}");
        }
        missing.is_empty()
    });
    let shown = read(&text);
    for (name, shown) in &shown {
        let metric = table().find(|it| it.name == name);
        let metric = metric.unwrap_or_else(|| panic!("{name} is in no table"));
        let labels = metric.labels.iter().map(|it| (*it).to_owned()).collect();
        let said = Shown {
            kind: metric.kind.as_str().to_owned(),
            help: metric.meaning.to_owned(),
            labels,
        };
        assert_eq!(*shown, said, "{name}");
    }
}
