use std::collections::{HashMap, HashSet};

use almoner_domain::campaign::Status;
use almoner_domain::money::Currency;
use almoner_domain::outcome::RejectionReason;
use almoner_domain::request::{Record, Refusal, Rules, decode};
use sha2::{Digest, Sha256};

use super::*;
use crate::Declines;

fn demo(donations: u64) -> (Scenario, Vec<Planned>) {
    let scenario = Scenario::demo(donations, 42);
    let traffic = Traffic::new(&scenario).unwrap().collect();
    (scenario, traffic)
}

fn hash(scenario: &Scenario) -> String {
    let mut hash = Sha256::new();
    for campaign in scenario.campaigns() {
        hash.update(campaign.encode());
    }
    for planned in Traffic::new(scenario).unwrap() {
        hash.update(planned.key.as_bytes());
        hash.update(&planned.value);
        hash.update(format!("{:?}", planned.kind));
    }
    hash.finalize()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

#[test]
fn the_same_seed_makes_the_same_bytes() {
    let scenario = Scenario::demo(5_000, 42);
    assert_eq!(hash(&scenario), hash(&scenario));
    assert_eq!(
        hash(&scenario),
        "b046e0db3da93dca0f58c31e830a51b1ae9ff8c0c0f701ec7424a3881664fa83"
    );
    assert_ne!(hash(&Scenario::demo(5_000, 43)), hash(&scenario));
}

#[test]
fn another_start_is_the_same_people_with_other_ids() {
    let (mut scenario, first) = demo(2_000);
    scenario.start_ms += 86_400_000;
    let ids: HashSet<_> = first.iter().filter_map(|planned| planned.id).collect();
    let second: Vec<_> = Traffic::new(&scenario).unwrap().collect();
    assert_eq!(second.len(), first.len());
    for (first, second) in first.iter().zip(&second) {
        assert_eq!(
            (&first.key, first.request.is_some()),
            (&second.key, second.request.is_some())
        );
        assert!(second.id.is_none_or(|id| !ids.contains(&id)));
    }
}

fn decoded(planned: &Planned) -> Result<Request, Refusal> {
    let record = Record {
        key: Some(planned.key.as_bytes()),
        value: &planned.value,
        schema_version: None,
    };
    decode(&record, &Rules::default())
}

#[test]
fn what_is_sent_is_read_as_it_was_meant() {
    let (_, traffic) = demo(30_000);
    for planned in &traffic {
        match (planned.kind, decoded(planned)) {
            (Kind::Bad(Bad::Garbage), Err(Refusal::DeadLetter { .. })) => {
                assert_eq!((planned.id, &planned.request), (None, &None));
            }
            (
                Kind::Bad(bad @ (Bad::ZeroAmount | Bad::UnknownCurrency)),
                Err(Refusal::Rejected(rejection)),
            ) => {
                let field = if bad == Bad::ZeroAmount {
                    "amount_minor"
                } else {
                    "currency"
                };
                assert_eq!(rejection.reason, RejectionReason::InvalidRequest);
                assert_eq!(rejection.field.as_deref(), Some(field));
                assert_eq!(Some(rejection.donation_id), planned.id);
            }
            (kind, Ok(Request::Donate(donation))) => {
                assert!(
                    !matches!(
                        kind,
                        Kind::Bad(Bad::Garbage | Bad::ZeroAmount | Bad::UnknownCurrency)
                    ),
                    "{kind:?}"
                );
                assert_eq!(planned.id, Some(donation.id));
                assert_eq!(planned.request, Some(donation));
            }
            (kind, read) => panic!("{kind:?} was read as {read:?}"),
        }
    }
}

#[test]
fn everything_comes_as_often_as_the_scenario_says() {
    let (scenario, traffic) = demo(100_000);
    let count =
        |is: &dyn Fn(&Planned) -> bool| traffic.iter().filter(|planned| is(planned)).count();
    let check = |what: &str, found: usize, share: f64| {
        let expected = share * 100_000.0;
        let off = (found as f64 - expected).abs();
        assert!(
            off < 5.0 * expected.sqrt(),
            "{what}: {found} for {expected}"
        );
    };
    let bad = |bad| count(&|planned| planned.kind == Kind::Bad(bad));
    let card = |name: &str| {
        count(&|planned| {
            planned.kind == Kind::First
                && planned
                    .request
                    .as_ref()
                    .is_some_and(|request| request.payment_method.starts_with(name))
        })
    };
    let sound = 0.995;
    assert_eq!(
        count(&|planned| matches!(planned.kind, Kind::First | Kind::Bad(_))),
        100_000
    );
    let repeats = scenario.repeats.share * (1.0 + scenario.repeats.twice_share) * (1.0 + 0.01);
    check(
        "repeats",
        count(&|planned| planned.kind == Kind::Repeat),
        repeats * sound,
    );
    let is_double = |planned: &Planned| matches!(planned.kind, Kind::DoubleClick { .. });
    check(
        "double clicks",
        count(&is_double),
        scenario.double_clicks.share * sound,
    );
    check(
        "zero amounts",
        bad(Bad::ZeroAmount),
        scenario.bad.zero_amount,
    );
    check(
        "unknown currencies",
        bad(Bad::UnknownCurrency),
        scenario.bad.unknown_currency,
    );
    check(
        "closed campaigns",
        bad(Bad::ClosedCampaign),
        scenario.bad.closed_campaign,
    );
    check(
        "unknown campaigns",
        bad(Bad::UnknownCampaign),
        scenario.bad.unknown_campaign,
    );
    check("garbage", bad(Bad::Garbage), scenario.bad.garbage);
    let Declines {
        generic,
        insufficient_funds,
        authentication_required,
        soft,
        ..
    } = scenario.declines;
    check(
        "declines",
        card("pm_card_chargeDeclined"),
        (generic + insufficient_funds) * sound,
    );
    check(
        "empty",
        card("pm_card_chargeDeclinedInsufficientFunds"),
        insufficient_funds * sound,
    );
    check(
        "authentication",
        card("pm_card_authenticationRequired"),
        authentication_required * sound,
    );
    check("soft declines", card("pm_soft_"), soft * sound);
    let says = |text: fn(&almoner_domain::request::Information) -> bool| {
        count(&|planned| {
            planned.kind == Kind::First
                && planned
                    .request
                    .as_ref()
                    .and_then(|request| request.information.as_deref())
                    .is_some_and(text)
        })
    };
    check(
        "messages",
        says(|information| information.message.is_some()),
        scenario.texts.message_share * sound,
    );
    check(
        "metadata",
        says(|information| !information.metadata.is_empty()),
        scenario.texts.metadata_share * sound,
    );
}

#[test]
fn repeats_and_double_clicks_follow_their_first_soon() {
    let (scenario, traffic) = demo(50_000);
    let mut firsts: HashMap<DonationId, (u64, DonationRequest)> = HashMap::new();
    let (mut arrived, mut sent) = (0, HashMap::<DonationId, u32>::new());
    for planned in traffic {
        arrived += u64::from(matches!(planned.kind, Kind::First | Kind::Bad(_)));
        let (Some(id), Some(request)) = (planned.id, planned.request) else {
            continue;
        };
        *sent.entry(id).or_default() += 1;
        match planned.kind {
            Kind::Repeat => {
                let (at, known) = &firsts[&id];
                assert_eq!(*known, request);
                assert!(arrived - at <= scenario.repeats.within_arrivals);
            }
            Kind::DoubleClick { of } => {
                let (at, known) = &firsts[&of];
                assert_ne!(known.id, request.id);
                assert_eq!(known.user_id, request.user_id);
                assert_eq!(
                    (&known.campaign_id, known.amount),
                    (&request.campaign_id, request.amount)
                );
                assert!(arrived - at <= scenario.double_clicks.within_arrivals);
                assert!(firsts.insert(id, (arrived, request)).is_none());
            }
            _ => assert!(
                firsts.insert(id, (arrived, request)).is_none(),
                "an id came twice"
            ),
        }
    }
    assert_eq!(sent.values().max(), Some(&3));
}

#[test]
fn ids_lag_by_up_to_two_seconds_and_a_tenth_is_v4() {
    let (scenario, traffic) = demo(50_000);
    let firsts = traffic.iter().filter(|planned| planned.kind == Kind::First);
    let (mut v4, mut v7, mut lags_ms) = (0, 0, Vec::new());
    for planned in firsts {
        let request = planned.request.as_ref().unwrap();
        let uuid = request.id.as_uuid();
        let made_ms = request.information.as_ref().unwrap().created_at_ms.unwrap();
        match uuid.get_version_num() {
            4 => v4 += 1,
            7 => {
                v7 += 1;
                let (seconds, nanos) = uuid.get_timestamp().unwrap().to_unix();
                lags_ms.push(made_ms - (seconds as i64 * 1_000 + i64::from(nanos) / 1_000_000));
            }
            other => panic!("a UUID of version {other}"),
        }
    }
    lags_ms.sort_unstable();
    let late_ms_max = scenario.ids.late_ms_max as i64;
    assert_eq!((lags_ms[0], lags_ms[lags_ms.len() - 1]), (0, late_ms_max));
    assert!((900..1_100).contains(&lags_ms[lags_ms.len() / 2]));
    assert!((0.09..0.11).contains(&(f64::from(v4) / f64::from(v4 + v7))));
}

#[test]
fn few_users_and_campaigns_have_much_of_it() {
    let (_, traffic) = demo(100_000);
    let mut users = HashMap::<_, u32>::new();
    let mut campaigns = HashMap::<_, u32>::new();
    for request in traffic
        .iter()
        .filter_map(|planned| planned.request.as_ref())
    {
        *users.entry(request.user_id.as_str()).or_default() += 1;
        *campaigns.entry(request.campaign_id.as_str()).or_default() += 1;
    }
    // Of 1,000 campaigns with exponent 1 the first has a share of 1 in 7.49; of 100,000 users with 0.4, 1 in 1,660.
    let share = |count: u32| f64::from(count) / traffic.len() as f64;
    assert!((0.125..0.142).contains(&share(campaigns["campaign-000001"])));
    assert!(
        (30..100).contains(&users["user-0000001"]),
        "{}",
        users["user-0000001"]
    );
    assert!(campaigns.len() > 990 && users.len() > 40_000);
}

#[test]
fn every_request_is_for_a_campaign_that_takes_it() {
    let (scenario, traffic) = demo(30_000);
    let campaigns: HashMap<_, _> = scenario
        .campaigns()
        .map(|campaign| (campaign.campaign_id.clone(), campaign))
        .collect();
    assert_eq!(campaigns.len(), 1_005);
    let currencies: HashSet<_> = campaigns
        .values()
        .map(|campaign| campaign.currency.code())
        .collect();
    assert_eq!(currencies.len(), scenario.givings.len());
    for (kind, request) in traffic
        .iter()
        .filter_map(|planned| Some((planned.kind, planned.request.as_ref()?)))
    {
        let campaign = campaigns.get(&request.campaign_id);
        match kind {
            Kind::Bad(Bad::UnknownCampaign) => assert_eq!(campaign, None),
            Kind::Bad(_) => assert_eq!(campaign.unwrap().status, Status::Closed),
            _ => assert_eq!(campaign.unwrap().refuses(request), None, "{request:?}"),
        }
    }
}

#[test]
fn campaigns_are_read_as_they_were_meant() {
    for campaign in Scenario::demo(1, 42).campaigns() {
        let key = campaign.campaign_id.as_str().as_bytes();
        let read = almoner_domain::campaign::decode(Some(key), Some(&campaign.encode()), None);
        assert_eq!(
            read,
            Ok(almoner_domain::campaign::CampaignChange::Described(
                campaign.clone()
            ))
        );
    }
}

#[test]
fn amounts_are_those_that_people_give_and_gateways_take() {
    let (scenario, traffic) = demo(50_000);
    let requests = || {
        traffic
            .iter()
            .filter_map(|planned| planned.request.as_ref())
    };
    let is_round = |request: &DonationRequest| {
        scenario.givings.iter().any(|giving| {
            giving.currency == request.amount.currency()
                && giving
                    .round_minor
                    .iter()
                    .any(|(round, _)| *round == request.amount.amount_minor())
        })
    };
    let round =
        requests().filter(|request| is_round(request)).count() as f64 / requests().count() as f64;
    assert!((0.84..0.87).contains(&round), "{round}");
    let in_tens = |code| {
        let currency = Currency::from_code(code).unwrap();
        requests()
            .filter(|request| request.amount.currency() == currency)
            .all(|request| request.amount.amount_minor() % 10 == 0)
    };
    assert!(in_tens("KWD"), "three decimals go in tens");
    assert!(!in_tens("EUR"), "cents go one by one");
}

#[test]
fn a_scenario_that_makes_no_traffic_is_refused() {
    let mut scenario = Scenario::demo(10, 1);
    scenario.users.count = 0;
    assert_eq!(
        Traffic::new(&scenario).err(),
        Some(ScenarioFault::Nothing("users.count"))
    );
    scenario.users.count = 1;
    scenario.donations = 0;
    assert_eq!(Traffic::new(&scenario).unwrap().count(), 0);
}
