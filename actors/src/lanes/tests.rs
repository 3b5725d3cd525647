use std::collections::BTreeSet;

use proptest::prelude::*;

use super::{Lane, Lanes};
use crate::budget::Endpoint;

const ALL: [Lane; 4] = [Lane::Live, Lane::Ask, Lane::Retry, Lane::Background];
const CREATE: Endpoint = Endpoint::Create;
const FLOORS: [usize; 4] = [78, 10, 10, 2];

fn drain<T>(lanes: &mut Lanes<T>) -> Vec<T> {
    std::iter::from_fn(|| lanes.pop(|_| true)).collect()
}

/// Pushes (lane, campaign, urgent), each named by its place, and the order that they are popped in.
fn check(pushes: &[(Lane, u64, bool)], expected: &[usize]) {
    let mut lanes = Lanes::new();
    for (name, (lane, campaign, urgent)) in pushes.iter().enumerate() {
        lanes.push(*lane, CREATE, *campaign, *urgent, name);
    }
    assert_eq!(lanes.len(), pushes.len());
    assert_eq!(drain(&mut lanes), expected);
    assert!(lanes.is_empty());
}

#[test]
fn within_a_lane_campaigns_go_in_turn_and_what_is_urgent_goes_first() {
    let (usual, urgent) = (false, true);
    let live = |campaign| (Lane::Live, campaign, usual);
    check(&[], &[]);
    check(&[live(7), live(7), live(7)], &[0, 1, 2]);
    check(&[live(7), live(7), live(8), live(9)], &[0, 2, 3, 1]);
    let ask = |campaign, urgent| (Lane::Ask, campaign, urgent);
    check(
        &[
            ask(7, usual),
            ask(8, urgent),
            ask(8, urgent),
            ask(9, urgent),
        ],
        &[1, 3, 2, 0],
    );
}

#[test]
fn a_turn_that_a_lane_does_not_use_goes_to_the_others() {
    let mut lanes = Lanes::new();
    for lane in [Lane::Background, Lane::Retry, Lane::Ask] {
        lanes.push(lane, CREATE, 1, false, lane);
    }
    assert_eq!(
        drain(&mut lanes),
        [Lane::Ask, Lane::Retry, Lane::Background]
    );
}

#[test]
fn a_viral_campaign_delays_another_by_no_more_than_its_turns() {
    let mut lanes = Lanes::new();
    for _ in 0..10_000 {
        lanes.push(Lane::Live, CREATE, 1, false, 1);
    }
    for _ in 0..10 {
        lanes.push(Lane::Live, CREATE, 2, false, 2);
    }
    let first: Vec<u64> = std::iter::from_fn(|| lanes.pop(|_| true))
        .take(20)
        .collect();
    assert_eq!(first.iter().filter(|campaign| **campaign == 2).count(), 10);
}

#[test]
fn what_waits_for_an_endpoint_without_budget_keeps_nobody_back() {
    let mut lanes = Lanes::new();
    lanes.push(Lane::Live, CREATE, 1, false, "create");
    lanes.push(Lane::Retry, CREATE, 1, true, "create again");
    lanes.push(Lane::Retry, Endpoint::Confirm, 1, false, "confirm");
    lanes.push(Lane::Retry, Endpoint::Cancel, 1, false, "cancel");
    let spent = |endpoint| endpoint != CREATE;
    assert_eq!(lanes.pop(spent), Some("confirm"));
    assert_eq!(lanes.pop(spent), Some("cancel"));
    assert_eq!(lanes.pop(spent), None);
    assert_eq!(drain(&mut lanes), ["create", "create again"]);
}

#[test]
fn with_all_waiting_each_lane_has_its_floor_of_any_hundred() {
    let mut lanes = Lanes::new();
    for lane in ALL {
        (0..1_000).for_each(|_| lanes.push(lane, CREATE, 1, false, lane));
    }
    let popped: Vec<Lane> = std::iter::from_fn(|| lanes.pop(|_| true))
        .take(1_000)
        .collect();
    for window in popped.windows(100) {
        let counts = ALL.map(|lane| window.iter().filter(|popped| **popped == lane).count());
        assert_eq!(counts, FLOORS);
    }
}

proptest! {
    /// Whatever comes and goes: nothing is lost or made up, each campaign's come in order, and a lane in which
    /// something waited through 100 pops had its floor of them.
    #[test]
    fn nothing_is_lost_and_the_floors_hold(
        rounds in prop::collection::vec((0_usize..4, 0_u64..5, any::<bool>(), 0_usize..40, 0_usize..60), 1..80),
    ) {
        let mut lanes = Lanes::new();
        let mut waiting = BTreeSet::new();
        let mut in_lane = [0_usize; 4];
        // Of each pop: the lane that it was of, and which lanes had something before it.
        let mut pops: Vec<(usize, [bool; 4])> = Vec::new();
        let mut last = std::collections::HashMap::new();
        let mut name = 0_u32;
        for (lane, campaign, urgent, pushed, popped) in rounds {
            for _ in 0..pushed {
                lanes.push(ALL[lane], CREATE, campaign, urgent, (lane, campaign, urgent, name));
                waiting.insert(name);
                in_lane[lane] += 1;
                name += 1;
            }
            for _ in 0..popped {
                let had = in_lane.map(|count| count > 0);
                let Some((lane, campaign, urgent, name)) = lanes.pop(|_| true) else {
                    prop_assert!(waiting.is_empty());
                    break;
                };
                prop_assert!(waiting.remove(&name));
                prop_assert!(last.insert((lane, campaign, urgent), name) < Some(name));
                in_lane[lane] -= 1;
                pops.push((lane, had));
            }
            prop_assert_eq!(lanes.len(), waiting.len());
        }
        for window in pops.windows(100) {
            for (lane, floor) in FLOORS.into_iter().enumerate() {
                let waited = window.iter().all(|(_, had)| had[lane]);
                let had = window.iter().filter(|(popped, _)| *popped == lane).count();
                prop_assert!(!waited || had >= floor, "{:?}: {}", ALL[lane], had);
            }
        }
        let rest: BTreeSet<u32> = drain(&mut lanes).into_iter().map(|(.., name)| name).collect();
        prop_assert_eq!(rest, waiting);
    }

    /// However many others wait, a campaign's nth item goes no later than in the nth round of turns.
    #[test]
    fn no_campaign_waits_longer_than_its_turns(
        others in prop::collection::vec((1_u64..20, 1_usize..500), 0..20),
        own in 1_usize..20,
    ) {
        let mut lanes = Lanes::new();
        for (campaign, count) in &others {
            (0..*count).for_each(|_| lanes.push(Lane::Retry, CREATE, *campaign, false, *campaign));
        }
        (0..own).for_each(|_| lanes.push(Lane::Retry, CREATE, 0, false, 0));
        let campaigns = others.iter().map(|(campaign, _)| campaign).collect::<BTreeSet<_>>().len() + 1;
        let popped = drain(&mut lanes);
        let last = popped.iter().rposition(|campaign| *campaign == 0).unwrap();
        prop_assert!(last < own * campaigns);
    }
}
