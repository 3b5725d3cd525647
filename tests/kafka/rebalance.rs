//! Two members: partitions move drained, and their new owner goes on at the commit.

use crate::support::{Member, PARTITIONS, Recorder, assert_run, cluster, commit, produce};

#[test]
fn a_second_member_gets_drained_partitions() {
    let (_cluster, options) = cluster();
    for partition in 0..PARTITIONS {
        produce(&options, partition, 100, 20);
    }
    let first = Member::join(&options, Recorder::new().draining_slowly());
    first.intake.wait_taken(400);

    let second = Member::join(&options, Recorder::new());
    let drain = first
        .intake
        .wait("the revocation", |told| told.drains.pop());
    let moved = first.intake.look(|told| told.revoked.clone());
    assert_eq!(moved.len(), 2);
    // While it drains, the partitions are still its own: what becomes done is committed.
    for shard in &moved {
        assert_eq!(commit(&*first.source, *shard, 40), Ok(()));
        assert_eq!(commit(&*first.source, *shard, 70), Ok(()));
    }
    second.intake.look(|told| {
        assert!(
            told.assigned.is_empty(),
            "handed over before it was drained"
        )
    });
    drain.call(());

    let taken_over = second.wait_assigned(2);
    assert_eq!(
        {
            let mut moved = moved.clone();
            moved.sort_unstable();
            moved
        },
        taken_over
    );
    second.intake.wait_taken(60);
    second.intake.look(|told| {
        for shard in &moved {
            assert_eq!(told.assigned[shard].committed, Some(70));
            assert_run(told.taken.get(shard), 70, 30);
        }
    });
    assert!(
        commit(&*first.source, moved[0], 80).is_err(),
        "it is not ours any more"
    );
    first.intake.look(|told| {
        for shard in 0..4 {
            // What stayed was not read again, what went was read once.
            assert_run(told.taken.get(&shard), 0, 100);
        }
    });
    // A planned end gives them back.
    second.consumer.stop();
    let back = first.wait_assigned(4);
    assert_eq!(back, [0, 1, 2, 3]);
    first.intake.wait_taken(400 + 60);
}

#[test]
fn a_commit_that_the_drain_asked_for_last_is_not_forgotten() {
    let (_cluster, options) = cluster();
    produce(&options, 0, 10, 20);
    let member = Member::join(&options, Recorder::new().draining_slowly());
    member.intake.wait_taken(10);
    let Member {
        consumer,
        source,
        intake,
    } = member;
    let stopping = std::thread::spawn(move || consumer.stop());
    let drain = intake.wait("the drain", |told| told.drains.pop());
    // Asked for, and not waited for.
    let (done, result) = crate::support::done();
    source.commit(
        almoner_actors::ports::Commit {
            shard: almoner_domain::ids::Shard(0),
            next_offset: 10,
        },
        done,
    );
    drain.call(());
    stopping.join().unwrap();
    assert_eq!(result.recv().unwrap(), Ok(()));

    let next = Member::join(&options, Recorder::new());
    next.wait_assigned(4);
    next.intake
        .look(|told| assert_eq!(told.assigned[&0].committed, Some(10)));
}
