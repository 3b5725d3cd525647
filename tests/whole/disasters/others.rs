//! The gateway is killed; the broker goes away; the log is gone.

use std::time::Duration;

use crate::support::{Broker, PARTITIONS, Post, donate, id};
use crate::trial::Trial;

/// Longer than a session of the group.
const BEYOND_THE_SESSION: Duration = Duration::from_secs(8);
/// More than the embedded broker keeps of a partition, in all.
const FLOOD: (usize, usize) = (700, 10_000);

#[test]
fn the_gateway_is_killed_again_and_again() {
    let mut trial = Trial::new(&["--latency-ms", "100"]);
    let instance = trial.start();
    for _ in 0..4 {
        trial.crowd.give(40);
        trial.wait_told_some();
        trial.world.gateway.kill();
        trial.crowd.give(10);
        trial.world.gateway.start_again();
    }
    trial.settle(instance);
}

#[test]
fn the_broker_goes_away_for_a_moment_and_for_longer_than_a_session() {
    let mut trial = Trial::on(Broker::start(PARTITIONS), &["--latency-ms", "100"]);
    let instance = trial.start();
    for away in [Duration::from_millis(500), BEYOND_THE_SESSION] {
        trial.crowd.give(60);
        trial.wait_told_some();
        trial.world.broker.goes_away();
        std::thread::sleep(away);
        trial.world.broker.comes_back();
        trial.crowd.give(20);
    }
    trial.settle(instance);
}

#[test]
fn a_partition_whose_log_was_dropped_stands_still_and_says_so_and_the_others_go_on() {
    let mut trial = Trial::on(Broker::start(PARTITIONS), &[]);
    let instance = trial.start();
    trial.crowd.give(40);
    trial.settle(instance);
    trial.broker_notices_the_death();
    let before = trial.facts().committed[&0];

    let (count, bytes) = FLOOD;
    let flood = Post {
        partition: Some(0),
        key: Some(b"nobody".to_vec()),
        value: Some(vec![b'.'; bytes]),
        ..Post::default()
    };
    let publisher = trial.world.publisher();
    publisher.publish(&vec![flood; count]);
    let users = (0..40).map(|n| (1_000 + n, format!("user-{n}")));
    let posts = users.map(|(n, user)| (n, donate(n, &user)));
    let others: Vec<_> = posts.filter(|(_, post)| post.shard() != 0).collect();
    let ids: Vec<_> = others.iter().map(|(n, _)| id(*n)).collect();
    let posts: Vec<_> = others.into_iter().map(|(_, post)| post).collect();
    publisher.publish(&posts);

    let mut instance = trial.start();
    let said = instance.process.wait_line("requests_lost");
    assert!(said.contains("accept-loss"), "{said}");
    assert!(said.contains("partition 0"), "{said}");
    trial.follower.wait_ended(&ids);
    instance.stop();
    assert_eq!(trial.facts().committed[&0], before);
    trial.world.assert_audit_agrees();
}
