//! The window against the plainest model of what it is to say.

use proptest::prelude::*;

use super::*;
use crate::ids::{CampaignId, UserId};
use crate::money::{Currency, Money};

const WINDOW_MS: i64 = 60_000;

fn request(id: u8, campaign: &str, currency: &str, amount_minor: u64) -> DonationRequest {
    DonationRequest {
        id: DonationId([id; 16]),
        user_id: UserId::parse("u-1").unwrap(),
        campaign_id: CampaignId::parse(campaign).unwrap(),
        amount: Money::new(amount_minor, Currency::from_code(currency).unwrap()).unwrap(),
        payment_method: "pm_1".into(),
        gateway_customer: None,
        information: None,
    }
}

/// Read in its order, one record each millisecond.
fn at(at_ms: i64) -> Read {
    Read {
        at_ms,
        offset: at_ms,
    }
}

#[test]
fn an_entry_is_forty_bytes_and_a_window_of_one_needs_no_more() {
    assert_eq!(size_of::<Entry>(), 40);
    assert!(size_of::<Window>() <= 64);
    let mut window = Window::default();
    window.insert(Entry::new(
        &request(1, "c", "EUR", 5),
        at(0),
        Standing::Open,
    ));
    assert!(!window.entries.spilled());
}

#[test]
fn what_counts_as_the_same() {
    let given = request(1, "c", "EUR", 500);
    let check = |other: DonationRequest, age_ms: i64, standing, expected: Option<u8>| {
        let mut window = Window::default();
        window.insert(Entry::new(&given, at(1_000), standing));
        let found = window.suspect(&other, at(1_000 + age_ms), WINDOW_MS);
        assert_eq!(found, expected.map(|id| DonationId([id; 16])), "{other:?}");
    };
    check(request(2, "c", "EUR", 500), 0, Standing::Counted, Some(1));
    check(
        request(2, "c", "EUR", 500),
        WINDOW_MS,
        Standing::Counted,
        Some(1),
    );
    check(
        request(2, "c", "EUR", 500),
        WINDOW_MS + 1,
        Standing::Counted,
        None,
    );
    check(
        request(2, "c", "EUR", 500),
        100 * WINDOW_MS,
        Standing::Open,
        Some(1),
    );
    check(
        request(2, "c", "EUR", 500),
        100 * WINDOW_MS,
        Standing::Held,
        Some(1),
    );
    check(request(2, "c", "EUR", 500), -5, Standing::Counted, Some(1));
    check(request(1, "c", "EUR", 500), 0, Standing::Counted, None);
    check(request(2, "d", "EUR", 500), 0, Standing::Counted, None);
    check(request(2, "c", "USD", 500), 0, Standing::Counted, None);
    check(request(2, "c", "EUR", 501), 0, Standing::Counted, None);
}

#[test]
fn a_cause_is_no_double_of_its_own_double() {
    let check = |standing, held_at: i64, asked_at: i64, expected: Option<u8>| {
        let read = |offset| Read {
            at_ms: 1_000,
            offset,
        };
        let mut window = Window::default();
        let double = Entry::new(&request(2, "c", "EUR", 5), read(held_at), standing);
        window.insert(double);
        let found = window.suspect(&request(1, "c", "EUR", 5), read(asked_at), WINDOW_MS);
        assert_eq!(found, expected.map(|id| DonationId([id; 16])));
    };
    check(Standing::Held, 8, 7, None);
    check(Standing::Held, 7, 8, Some(2));
    check(Standing::Held, 1 << 32, (1 << 32) - 1, None);
    check(Standing::Held, (1 << 32) - 1, 1 << 32, Some(2));
    // What may be charged counts wherever it stands.
    check(Standing::Open, 8, 7, Some(2));
    check(Standing::Counted, 8, 7, Some(2));
}

/// Unless its user said that it is meant beside the one before it.
#[test]
fn nor_once_that_is_confirmed() {
    let read = |offset| Read {
        at_ms: 1_000,
        offset,
    };
    let double = request(2, "c", "EUR", 5);
    let check = |window: &Window| {
        let suspect = |offset| window.suspect(&request(1, "c", "EUR", 5), read(offset), WINDOW_MS);
        assert_eq!(suspect(7), None, "{window:?}");
        assert_eq!(suspect(9), Some(double.id), "{window:?}");
    };
    let mut window = Window::default();
    window.insert(Entry::new(&double, read(8), Standing::Held));
    assert!(window.confirm(double.id));
    check(&window);
    window.settle(double.id, Settled::Counted);
    check(&window);
    for standing in [Standing::Open, Standing::Counted] {
        let read_from_the_store = Entry::new(&double, read(8), standing).confirmed_if(true);
        check(&[read_from_the_store].into_iter().collect());
        assert_eq!(read_from_the_store.at_ms(), 1_000);
        assert_eq!(read_from_the_store.standing(), standing);
    }
}

#[test]
fn the_latest_is_named() {
    let window: Window = [(1, 10), (2, 30), (3, 20)]
        .map(|(id, at_ms)| Entry::new(&request(id, "c", "EUR", 5), at(at_ms), Standing::Counted))
        .into_iter()
        .collect();
    let found = window.suspect(&request(9, "c", "EUR", 5), at(40), WINDOW_MS);
    assert_eq!(found, Some(DonationId([2; 16])));
}

#[test]
fn the_hash_is_the_same_after_every_restart() {
    let hash_64: u64 = 6_122_577_266_160_686_187;
    let folded = (hash_64 ^ (hash_64 >> 32)) as u32;
    assert_eq!(hash("c-1", Currency::from_code("EUR").unwrap()), folded);
}

/// One thing that happens to a user.
#[derive(Clone, Debug)]
enum Step {
    Insert(u8, u8, u64, Standing),
    Confirm(u8),
    Settle(u8, Settled),
    Pass(i64),
    Prune,
    Ask(u8, u8, u64),
}

fn any_step() -> impl Strategy<Value = Step> {
    let standing =
        proptest::sample::select(vec![Standing::Open, Standing::Held, Standing::Counted]);
    prop_oneof![
        4 => (0..6u8, 0..2u8, 1..3u64, standing).prop_map(|(id, campaign, amount, standing)| Step::Insert(id, campaign, amount, standing)),
        1 => (0..6u8).prop_map(Step::Confirm),
        2 => (0..6u8, proptest::sample::select(vec![Settled::Counted, Settled::Gone])).prop_map(|(id, how)| Step::Settle(id, how)),
        2 => (0..WINDOW_MS).prop_map(Step::Pass),
        1 => Just(Step::Prune),
        4 => (0..6u8, 0..2u8, 1..3u64).prop_map(|(id, campaign, amount)| Step::Ask(id, campaign, amount)),
    ]
}

/// Everything spelt out: id, campaign, amount, time, standing.
type Model = Vec<(u8, u8, u64, i64, Standing)>;

fn model_suspects(model: &Model, (id, campaign, amount): (u8, u8, u64), now: i64) -> Vec<u8> {
    let matching = model.iter().filter(|known| {
        known.0 != id
            && (known.1, known.2) == (campaign, amount)
            && (known.4 != Standing::Counted || now - known.3 <= WINDOW_MS)
    });
    let latest = matching.clone().map(|known| known.3).max();
    matching
        .filter(|known| Some(known.3) == latest)
        .map(|known| known.0)
        .collect()
}

fn of(id: u8, campaign: u8, amount: u64) -> DonationRequest {
    request(id, if campaign == 0 { "c" } else { "d" }, "EUR", amount)
}

proptest! {
    #[test]
    fn a_window_says_what_the_model_says(steps in proptest::collection::vec(any_step(), 0..60)) {
        let (mut window, mut model, mut now) = (Window::default(), Model::new(), 1_790_000_000_000);
        for step in steps {
            match step {
                Step::Insert(id, campaign, amount, standing) => {
                    window.insert(Entry::new(&of(id, campaign, amount), at(now), standing));
                    model.retain(|known| known.0 != id);
                    model.push((id, campaign, amount, now, standing));
                }
                Step::Confirm(id) => {
                    let held = model.iter_mut().find(|known| known.0 == id && known.4 == Standing::Held);
                    prop_assert_eq!(window.confirm(DonationId([id; 16])), held.is_some());
                    if let Some(held) = held {
                        held.4 = Standing::Open;
                    }
                }
                Step::Settle(id, settled) => {
                    let known = model.iter().position(|known| known.0 == id);
                    prop_assert_eq!(window.settle(DonationId([id; 16]), settled), known.is_some());
                    match (known, settled) {
                        (Some(at), Settled::Gone) => { model.remove(at); }
                        (Some(at), Settled::Counted) => model[at].4 = Standing::Counted,
                        (None, _) => {}
                    }
                }
                Step::Pass(ms) => now += ms,
                Step::Prune => {
                    window.prune(now, WINDOW_MS);
                    model.retain(|known| known.4 != Standing::Counted || now - known.3 <= WINDOW_MS);
                    prop_assert_eq!(window.entries().len(), model.len());
                }
                Step::Ask(id, campaign, amount) => {
                    let found = window.suspect(&of(id, campaign, amount), at(now), WINDOW_MS).map(|id| id.0[0]);
                    let expected = model_suspects(&model, (id, campaign, amount), now);
                    prop_assert!(found.map_or(expected.is_empty(), |id| expected.contains(&id)), "{found:?} {expected:?}");
                }
            }
            prop_assert_eq!(window.is_empty(), model.is_empty());
            prop_assert_eq!(window.held_count(), model.iter().filter(|known| known.4 == Standing::Held).count());
        }
    }

    #[test]
    fn an_entry_keeps_time_and_standing(at_ms in -(1i64 << 60)..1i64 << 60) {
        for standing in [Standing::Open, Standing::Held, Standing::Counted] {
            let mut entry = Entry::new(&of(1, 0, 1), at(at_ms), Standing::Counted);
            entry.set_standing(standing);
            prop_assert_eq!((entry.at_ms(), entry.standing()), (at_ms, standing));
        }
    }
}
