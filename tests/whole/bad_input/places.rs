//! Keys that are wrong, and records that stand in a partition that is not their user's.

use super::{Fate, Stage, Table, dead, fates_at, rejected, user_in};
use crate::support::{Fields, PARTITIONS, Place, donate, id};

const FORWARDED: &[u8] = b"almoner-forwarded";

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
    // A fate is looked for at the place where the record was published.
    for (name, header) in [
        ("in another partition", None),
        ("in another one, as if forwarded", Some("made up")),
    ] {
        let elsewhere = (table.number() + 1) % PARTITIONS;
        table.record(
            name,
            |post| {
                post.partition = Some(elsewhere);
                let header = header.map(|it| (FORWARDED, Vec::from(it)));
                post.headers.extend(header);
            },
            Fate::Succeeded,
        );
    }
    let own = table.number() % PARTITIONS;
    table.record(
        "in its own partition, as if forwarded from there",
        |post| {
            let header = format!("donations.requests/{own}/7");
            post.headers.push((FORWARDED, header.into()));
        },
        Fate::Succeeded,
    );
    let post = donate(table.number(), &table.user());
    table.record(
        "its own partition, named",
        |it| it.value = post.value,
        Fate::Succeeded,
    );
}

/// Requests in partitions that are not their user's: what comes of each is told of the place where it was published.
pub fn misplaced_records_are_forwarded(stage: &Stage) {
    const N: u32 = 600_000;
    let user = user_in(0, "misplaced");
    let post = |spoil: fn(Fields) -> Fields, partition| {
        let mut post = spoil(Fields::donate(N, &user)).post();
        post.partition = Some(partition);
        post
    };
    let given = stage.publisher.publish(&[post(|it| it, 1)]);
    stage.follower.wait_answered(&given);
    let reused = post(|it| it.uint("amount_minor", 77), 2);
    let reused = stage.publisher.publish(&[reused]);
    stage.follower.wait_answered(&reused);
    stage.world.broker.wait_committed();
    let seen = stage.follower.seen();
    assert_eq!(fates_at(given[0], &seen), [Fate::Succeeded]);
    let fates = fates_at(reused[0], &seen);
    assert!(
        matches!(
            &*fates,
            [Fate::Rejected("id_reused", Some("amount_minor"), _)]
        ),
        "{fates:?}"
    );
    assert!(
        seen.of(id(N))
            .all(|told| told.source.unwrap().partition != 0)
    );
}

/// Then partition count or partitioner have changed, and nobody knows where it belongs.
pub fn a_record_misplaced_twice_is_a_dead_letter(stage: &Stage) {
    const FIRST: Place = Place {
        partition: 3,
        offset: 999_999_999,
    };
    let mut post = donate(600_001, &user_in(0, "misplaced"));
    post.partition = Some(1);
    let topic = &stage.world.broker.topics().requests;
    let header = format!("{topic}/{}/{}", FIRST.partition, FIRST.offset);
    post.headers.push((FORWARDED, header.into()));
    let read = stage.publisher.publish(&[post])[0];
    stage.follower.wait_answered(&[FIRST]);
    let sentence = format!(
        "it was forwarded once, and belongs to partition 0 still; it was read in partition 1 at offset {}",
        read.offset
    );
    let fates = fates_at(FIRST, &stage.follower.seen());
    assert_eq!(fates, [dead("almoner.misplaced", &sentence)]);
    stage.world.broker.wait_committed();
}
