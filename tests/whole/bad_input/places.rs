//! Keys that are wrong, and records that stand in a partition that is not their user's.

use super::{Fate, Stage, Table, dead, rejected, user_in};
use crate::support::{PARTITIONS, donate, id};

pub fn rows(table: &mut Table) {
    let wrong_key = "the record's key is not user_id; send user_id, as UTF-8, as its key";
    for (name, key) in [
        ("another user's key", &b"somebody-else"[..]),
        ("an empty key", b""),
        ("a key that is not UTF-8", &[0xff, 0xfe]),
    ] {
        table.record(
            name,
            |post| post.key = Some(key.to_vec()),
            rejected("key", wrong_key),
        );
    }
    table.record(
        "no key",
        |post| post.key = None,
        rejected("key", "the record has no key; send user_id as its key"),
    );
    let owner = table.number() % PARTITIONS;
    table.record(
        "forwarded once, and in the wrong partition still",
        |post| {
            post.partition = Some((owner + 1) % PARTITIONS);
            post.headers
                .push((b"almoner-forwarded", b"donations.requests/0/7".to_vec()));
        },
        dead(
            "almoner.misplaced",
            &format!("it was forwarded once, and belongs to partition {owner} still"),
        ),
    );
    let post = donate(table.number(), &table.user());
    table.record(
        "its own partition, named",
        |it| it.value = post.value,
        Fate::Succeeded,
    );
}

/// A record in a partition that is not its user's is forwarded: charged once, and done with where it stood.
pub fn a_misplaced_record_is_forwarded(stage: &Stage) {
    const N: u32 = 600_000;
    let mut post = donate(N, &user_in(0, "misplaced"));
    post.partition = Some(1);
    stage.publisher.publish(&[post]);
    stage.follower.wait_ended(&[id(N)]);
    stage.world.broker.wait_committed();
    let seen = stage.follower.seen();
    assert_eq!(seen.end_of(id(N)), Some("donation.succeeded"));
    assert!(seen.of(id(N)).all(|told| told.sequence == Some(1)));
}
