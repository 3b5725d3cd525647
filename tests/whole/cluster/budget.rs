//! The gateway's budget is the account's, however many instances share it and whoever comes and goes.

use super::members::{Cluster, PARTITIONS};
use super::pauses;

/// What the gateway allows the account.
const PER_SECOND_MAX: usize = 100;
/// Requests are counted over so long a time.
const WINDOW_MS: i64 = 10_000;
/// So much more of them may be seen, in per cent.
const ABOVE_MAX: usize = 2;
/// More are open than can be sent in a second, so that all of the budget is wanted.
const OPEN_MAX: u64 = 400;

#[test]
fn together_they_never_send_more_than_the_account_may() {
    let env = [("ALMONER__GATEWAY__REQUESTS_PER_SECOND_MAX", "100")];
    let Some(mut cluster) = Cluster::new(&["--latency-ms", "20"], &env) else {
        return;
    };
    cluster.join(0);
    cluster.join(0);
    cluster.give(1_000, OPEN_MAX);
    cluster.join(OPEN_MAX);
    cluster.give_until_it_owns(2, OPEN_MAX);
    cluster.give(1_000, OPEN_MAX);
    let before_leave = cluster.takeovers().len();
    cluster.stop(0, OPEN_MAX);
    cluster.give(1_000, OPEN_MAX);
    cluster.trial.wait_settled();
    let moves = cluster.takeovers();
    assert!(moves.len() > PARTITIONS as usize, "no shard has moved");
    pauses::print(
        "one leaves, with no budget to spare",
        &cluster,
        &moves[before_leave..],
    );
    cluster.stop_all();
    cluster.trial.assert_kept_at_rest();
    let requests = cluster.trial.world.gateway.requests();
    let mut arrivals_ms: Vec<_> = requests.iter().map(|it| it.at_ms).collect();
    arrivals_ms.sort_unstable();
    let fullest = check(&arrivals_ms);
    eprintln!(
        "{} requests, at most {fullest} within ten seconds",
        requests.len()
    );
    // Else it shows nothing.
    assert!(
        fullest > PER_SECOND_MAX * 10 / 2,
        "the budget was not wanted: {fullest} within ten seconds"
    );
}

/// The most that arrived within a window; it must not be above the limit. Where nothing arrived for a while, since a
/// machine stood still, what had been sent meanwhile comes later and all at once: that is not counted.
fn check(arrivals_ms: &[i64]) -> usize {
    let mut fullest = 0;
    for (first, began_ms) in arrivals_ms.iter().enumerate() {
        let ended = arrivals_ms.partition_point(|at_ms| *at_ms < began_ms + WINDOW_MS);
        let before = arrivals_ms.partition_point(|at_ms| *at_ms < began_ms - WINDOW_MS);
        let gaps_ms = arrivals_ms[before..ended]
            .windows(2)
            .map(|it| it[1] - it[0]);
        let stood_still_ms = gaps_ms.max().unwrap_or(0);
        let most = PER_SECOND_MAX * (WINDOW_MS + stood_still_ms) as usize / 1_000;
        let count = ended - first;
        assert!(
            count <= most * (100 + ABOVE_MAX) / 100,
            "{count} requests within ten seconds, and {most} are allowed"
        );
        fullest = fullest.max(count);
    }
    fullest
}

#[test]
fn as_many_as_are_allowed_are_seen() {
    let arrivals_ms: Vec<_> = (0..3_000).map(|n| n * 10).collect();
    assert_eq!(check(&arrivals_ms), 1_000);
}

#[test]
#[should_panic(expected = "are allowed")]
fn an_instance_that_keeps_a_share_of_what_it_handed_over_is_caught() {
    // Ten seconds of the account's rate from one, and for half of it a twelfth from another.
    let others = (0..1_000).filter(|n| n % 12 == 0).map(|n| 5_000 + n * 10);
    let mut arrivals_ms: Vec<_> = (0..2_000).map(|n| n * 10).chain(others).collect();
    arrivals_ms.sort_unstable();
    check(&arrivals_ms);
}
