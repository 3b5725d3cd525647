//! Planned moves: an instance joins, another one leaves, under load.

use std::collections::BTreeMap;

use super::members::{Cluster, PARTITIONS};
use super::pauses;
use crate::support::id;

/// So many requests are unanswered at a time.
const OPEN_MAX: u64 = 150;
/// Gifts that are clicked again on the other side of a move: some in each shard.
const PLAIN: u32 = 6 * PARTITIONS;

#[test]
fn a_planned_move_repeats_no_send_and_takes_windows_and_open_donations_along() {
    let Some(mut cluster) = Cluster::new(&["--latency-ms", "40"], &[]) else {
        return;
    };
    cluster.join(0);
    cluster.join(0);
    cluster.give(300, OPEN_MAX);
    let plain = give_plainly(&mut cluster);
    // These are asked about before the move, and answered after it.
    let asked_before = click_again(&mut cluster, &plain[..plain.len() / 2]);
    let before_join = cluster.takeovers().len();
    cluster.join(OPEN_MAX);
    let third = cluster.members.len() - 1;
    cluster.give_until_it_owns(third, OPEN_MAX);
    let before_leave = cluster.takeovers().len();
    click_again(&mut cluster, &plain[plain.len() / 2..]);
    let plain = give_plainly(&mut cluster);
    cluster.stop(0, OPEN_MAX);
    cluster.give(300, OPEN_MAX);
    click_again(&mut cluster, &plain);
    cluster.trial.wait_settled();
    let moves = cluster.takeovers();
    pauses::print("one joins", &cluster, &moves[before_join..before_leave]);
    pauses::print("one leaves", &cluster, &moves[before_leave..]);
    cluster.stop_all();
    let facts = cluster.trial.assert_kept_at_rest();
    let mut sends: BTreeMap<&str, u32> = BTreeMap::new();
    for send in &facts.sends {
        *sends.entry(&send.key).or_default() += 1;
    }
    let repeated: Vec<_> = sends.iter().filter(|(_, count)| **count > 1).collect();
    assert!(
        repeated.is_empty(),
        "I12: sent more than once: {repeated:?}"
    );
    assert!(
        before_leave > before_join && moves.len() > before_leave,
        "no shard has moved"
    );
    let seen = cluster.trial.follower.seen();
    assert!(asked_before.iter().all(|n| seen.end_of(id(*n)).is_some()));
}

/// Gifts that have succeeded.
fn give_plainly(cluster: &mut Cluster) -> Vec<u32> {
    let plain = cluster.trial.crowd.give_plainly(PLAIN);
    let ids: Vec<_> = plain.iter().map(|n| id(*n)).collect();
    cluster.trial.follower.wait_ended(&ids);
    plain
}

/// Each of these gifts a second time: its user must be asked. The answer is the doubles.
fn click_again(cluster: &mut Cluster, gifts: &[u32]) -> Vec<u32> {
    let doubles = cluster.trial.crowd.click_again(gifts);
    cluster
        .trial
        .follower
        .wait("each double's question or end", |seen| {
            let is_decided = |n: &u32| seen.is_question(id(*n)) || seen.end_of(id(*n)).is_some();
            doubles.iter().all(is_decided).then_some(())
        });
    let seen = cluster.trial.follower.seen();
    let unasked: Vec<_> = doubles
        .iter()
        .filter(|n| !seen.is_question(id(**n)))
        .collect();
    assert!(
        unasked.is_empty(),
        "the window did not move along: nobody was asked about {unasked:?}"
    );
    drop(seen);
    doubles
}
