//! The whole promise from outside: instances are killed, frozen, stopped and joined under load, with a gateway that fails.

use std::time::Duration;

use super::epochs;
use super::members::{Cluster, IN_FLIGHT_MAX};

/// How many requests are given, unless `ALMONER_CLUSTER_REQUESTS` says otherwise.
const REQUESTS: u64 = 5_000;
/// So many requests see each trouble once.
const REQUESTS_OF_A_ROUND: u64 = 25_000;
/// So many requests are unanswered at a time.
const OPEN_MAX: u64 = 1_500;
/// The group has given a frozen member up by then.
const BEYOND_THE_SESSION: Duration = Duration::from_secs(8);

/// What befalls the cluster.
#[derive(Clone, Copy, Debug)]
enum Trouble {
    /// Killed, and started again at once under its own id.
    Killed,
    /// Killed, and another one joins.
    Replaced,
    Frozen,
    Stopped,
    Joined,
}

const TROUBLES: [Trouble; 6] = [
    Trouble::Killed,
    Trouble::Frozen,
    Trouble::Joined,
    Trouble::Stopped,
    Trouble::Replaced,
    Trouble::Frozen,
];

#[test]
fn instances_are_killed_frozen_stopped_and_joined_and_every_promise_is_kept() {
    let gateway_args = ["--latency-ms", "20", "--faults", "mild"];
    let Some(mut cluster) = Cluster::new(&gateway_args, &[]) else {
        return;
    };
    let said = std::env::var("ALMONER_CLUSTER_REQUESTS");
    let requests = said.map_or(REQUESTS, |requests| requests.parse().unwrap());
    for _ in 0..3 {
        cluster.join(0);
    }
    let rounds = requests.div_ceil(REQUESTS_OF_A_ROUND);
    let troubles = TROUBLES
        .iter()
        .cycle()
        .take(TROUBLES.len() * rounds as usize);
    let pause = requests / (rounds * TROUBLES.len() as u64 + 1);
    let mut unplanned = 0;
    for (trouble, nth) in troubles.zip(1..) {
        cluster.give_up_to(nth * pause, OPEN_MAX);
        unplanned += befall(&mut cluster, *trouble);
    }
    cluster.give_up_to(requests, OPEN_MAX);
    cluster.trial.wait_settled();
    cluster.stop_all();
    let facts = cluster.trial.assert_kept_at_rest();
    let repeats = facts.repeats();
    eprintln!(
        "{} requests, {} sends, {} of them repeated after their answer, {unplanned} unplanned moves",
        facts.asked.len(),
        facts.sends.len(),
        repeats.len()
    );
    assert!(
        repeats.len() <= unplanned * IN_FLIGHT_MAX,
        "I12: more was repeated than was in flight: {repeats:#?}"
    );
    let keyspace = cluster.trial.world.keyspace.as_ref();
    let several = epochs::sent_by_several(&keyspace.unwrap().sends());
    assert!(
        several > 0,
        "no donation was sent by two owners: the epochs show nothing"
    );
}

/// The answer is how many instances were cut off in the middle of what they did.
fn befall(cluster: &mut Cluster, trouble: Trouble) -> usize {
    let which = cluster.trial.crowd.below(cluster.members.len() as u64) as usize;
    match trouble {
        Trouble::Killed => {
            let id = cluster.kill(which);
            cluster.join_as(id, OPEN_MAX);
            1
        }
        Trouble::Replaced => {
            cluster.kill(which);
            cluster.join(OPEN_MAX);
            1
        }
        Trouble::Frozen => {
            cluster.freeze(which, BEYOND_THE_SESSION, OPEN_MAX);
            1
        }
        Trouble::Stopped => {
            cluster.stop(which, OPEN_MAX);
            0
        }
        Trouble::Joined => {
            cluster.join(OPEN_MAX);
            0
        }
    }
}
