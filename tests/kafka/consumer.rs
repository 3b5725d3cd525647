//! Reading, committing, ending.

use std::time::Duration;

use almoner_actors::ports::{Commit, CommitError, LogRange};
use almoner_domain::ids::Shard;
use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};
use tokio::time::Instant;

use crate::support::{
    Member, PARTITIONS, PATIENCE, Recorder, assert_run, cluster, commit, commit_once, done, mock,
    produce,
};

#[test]
fn every_record_is_offered_in_the_order_of_its_partition() {
    let (_cluster, options) = cluster();
    for partition in 0..PARTITIONS {
        produce(&options, partition, 5_000, 200);
    }
    let member = Member::join(&options, Recorder::new());
    member.intake.wait_taken(1);
    let start = Instant::now();
    member.intake.wait_taken(20_000);
    println!(
        "consumed {:.0}/s (dev profile, a mutex a record)",
        20_000.0 / start.elapsed().as_secs_f64()
    );
    member.intake.look(|told| {
        for partition in 0..4 {
            assert_eq!(
                told.assigned[&partition],
                LogRange {
                    committed: None,
                    low: 0,
                    high: 5_000
                }
            );
            assert_run(told.taken.get(&partition), 0, 5_000);
            let last = format!("{partition}/4999/");
            assert!(told.last_values[&partition].starts_with(last.as_bytes()));
        }
        assert!(told.flushes > 0);
    });
    assert_eq!(member.consumer.status().assigned(), 4);
    member.consumer.stop();
    member.intake.look(|told| {
        told.revoked.sort_unstable();
        assert_eq!(
            (told.revoked.as_slice(), told.lost.as_slice()),
            (&[0, 1, 2, 3][..], &[][..])
        );
    });
}

#[test]
fn a_restart_resumes_at_the_commit() {
    let (_cluster, options) = cluster();
    produce(&options, 0, 100, 20);
    produce(&options, 1, 100, 20);
    let first = Member::join(&options, Recorder::new());
    first.intake.wait_taken(200);
    assert_eq!(commit(&*first.source, 0, 60), Ok(()));
    // Nothing but what was asked for is committed: partition 1 was read to its end.
    first.consumer.stop();

    let second = Member::join(&options, Recorder::new());
    second.intake.wait_taken(140);
    second.intake.look(|told| {
        assert_eq!(told.assigned[&0].committed, Some(60));
        assert_eq!(told.assigned[&1].committed, None);
        assert_run(told.taken.get(&0), 60, 40);
        assert_run(told.taken.get(&1), 0, 100);
    });
    let source = second.source;
    second.consumer.stop();
    assert!(matches!(
        commit(&*source, 0, 61),
        Err(CommitError::Failed(_))
    ));
}

#[test]
fn killed_without_a_stop_it_redelivers() {
    let (_cluster, options) = cluster();
    produce(&options, 2, 50, 20);
    let first = Member::join(&options, Recorder::new());
    first.intake.wait_taken(50);
    drop(first.consumer);
    first.intake.look(|told| {
        assert_eq!(told.lost.len(), 4);
        assert_eq!(told.revoked.len(), 0);
    });

    let second = Member::join(&options, Recorder::new());
    second.intake.wait_taken(50);
    second
        .intake
        .look(|told| assert_run(told.taken.get(&2), 0, 50));
}

#[test]
fn without_credit_nothing_is_lost_and_the_group_keeps_us() {
    let (_cluster, options) = cluster();
    produce(&options, 0, 3_000, 20);
    let member = Member::join(&options, Recorder::new().with_credit(100));
    member.intake.wait_taken(100);
    // Longer than the session, and than it takes until the partitions are paused: commits are answered all the while,
    // each one says that we are still a member.
    let start = Instant::now();
    let mut commits = 0;
    while start.elapsed() < Duration::from_millis(7_500) {
        assert_eq!(commit(&*member.source, 0, 50), Ok(()));
        commits += 1;
    }
    println!(
        "{:.0} ms a commit without credit",
        start.elapsed().as_millis() as f64 / f64::from(commits)
    );
    member
        .intake
        .look(|told| assert_eq!(told.taken_count(), 100));
    member.intake.give_credit(1_000_000);
    member.intake.wait_taken(3_000);
    member.intake.look(|told| {
        assert_run(told.taken.get(&0), 0, 3_000);
        assert_eq!((told.revoked.len(), told.lost.len()), (0, 0));
    });
}

#[test]
fn a_refused_record_is_offered_again_in_its_order() {
    let (_cluster, options) = cluster();
    produce(&options, 0, 1_000, 20);
    produce(&options, 1, 1_000, 20);
    let member = Member::join(&options, Recorder::new().refusing_every(7));
    member.intake.wait_taken(2_000);
    member.intake.look(|told| {
        assert_run(told.taken.get(&0), 0, 1_000);
        assert_run(told.taken.get(&1), 0, 1_000);
    });
}

#[test]
fn a_refused_commit_is_told_and_the_next_one_covers_it() {
    let (cluster, options) = mock();
    produce(&options, 0, 10, 20);
    let member = Member::join(&options, Recorder::new());
    member.intake.wait_taken(10);
    assert_eq!(commit(&*member.source, 9, 1), Err(CommitError::NotOurs));

    cluster.request_errors(
        RDKafkaApiKey::OffsetCommit,
        &[RDKafkaRespErr::RD_KAFKA_RESP_ERR_REBALANCE_IN_PROGRESS],
    );
    assert!(matches!(
        commit_once(&*member.source, 0, 3),
        Err(CommitError::Failed(_))
    ));
    assert_eq!(commit(&*member.source, 0, 4), Ok(()));

    cluster.request_errors(
        RDKafkaApiKey::OffsetCommit,
        &[RDKafkaRespErr::RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID],
    );
    assert_eq!(commit(&*member.source, 0, 5), Err(CommitError::NotOurs));
}

#[test]
fn a_quiet_partition_is_told_where_its_log_ends() {
    let (_cluster, options) = cluster();
    produce(&options, 3, 7, 20);
    let member = Member::join(&options, Recorder::new());
    member.intake.wait("the ends of all partitions", |told| {
        (told.ends.len() == 4).then_some(())
    });
    member.intake.look(|told| {
        for (partition, next_offset) in [(0, 0), (1, 0), (2, 0), (3, 7)] {
            let (end, asked_wall_ms) = told.ends[&partition];
            assert_eq!(end, next_offset);
            assert!(asked_wall_ms >= 1_000_000);
        }
    });
}

#[test]
fn a_panic_of_the_thread_is_reported() {
    let (_cluster, options) = cluster();
    produce(&options, 0, 3, 20);
    let member = Member::join(&options, Recorder::new().panicking_at(1));
    let reason = member.intake.wait("the report", |told| told.fatal.clone());
    assert!(
        reason.contains("panicked") && reason.contains("told to"),
        "{reason}"
    );
    assert!(commit(&*member.source, 0, 1).is_err());
    member.consumer.stop();
}

#[test]
fn it_stops_although_the_broker_is_gone() {
    let (cluster, mut options) = mock();
    options.drain_timeout_ms = 1_000;
    produce(&options, 0, 3, 20);
    let member = Member::join(&options, Recorder::new());
    member.intake.wait_taken(3);
    drop(cluster);
    // A commit that nobody will acknowledge does not hold up the loop.
    let (done, result) = done();
    let commit = Commit {
        shard: Shard(0),
        next_offset: 3,
    };
    member.source.commit(commit, done);
    let start = Instant::now();
    let status = member.consumer.status();
    let beats = status.beats();
    while status.beats() < beats + 10 {
        assert!(start.elapsed() < PATIENCE, "the loop stands still");
        std::thread::yield_now();
    }
    member.consumer.stop();
    println!("stopped in {:?} without a broker", start.elapsed());
    assert!(result.recv_timeout(PATIENCE).unwrap().is_err());
}
