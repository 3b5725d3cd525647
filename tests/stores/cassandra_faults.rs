//! What the store on CQL does beyond the contract: two instances, writes whose answers are lost, lists that disagree with the
//! rows, how many requests a donation costs, and what is said of a cluster that cannot be used.

use std::sync::Arc;

use almoner::store::scylla::{self, OpenError, RoundTrips, ScyllaOptions, ScyllaStore};
use almoner_actors::ports::{Accepted, Advanced, Finished, MarkWrite, Marked, Store, StoreError};
use almoner_domain::donation::PendingKind;
use almoner_domain::ids::{Shard, UserId};
use almoner_domain::outcome::Reason;

use crate::cassandra::{Keyspace, engine_of, io, server};
use crate::support::*;

const NOON_S: i64 = START_MS / 1000;

/// A keyspace and its server, or the test is left out.
macro_rules! keyspace {
    () => {
        match server() {
            Some(server) => Keyspace::migrated(server),
            None => return,
        }
    };
}

/// How many requests `work` costs.
fn cost(store: &ScyllaStore, work: impl FnOnce()) -> RoundTrips {
    let before = store.round_trips();
    work();
    let after = store.round_trips();
    RoundTrips {
        conditional: after.conditional - before.conditional,
        upserts: after.upserts - before.upserts,
        reads: after.reads - before.reads,
    }
}

#[test]
fn a_donation_costs_as_few_requests_as_the_design_needs() {
    let keyspace = keyspace!();
    let store = Arc::new(keyspace.open());
    let engine = engine_of(Arc::clone(&store), None);
    engine.claim(0);
    let check = |n: u64, conditional, upserts, reads, what: &str| {
        let given = donation(n);
        let found = cost(&store, || {
            let row = engine.new_row(&given);
            let write = finish_write(&given, row, charged(NOON_S));
            assert_eq!(engine.finish(write), Finished::Done);
        });
        let expected = RoundTrips {
            conditional,
            upserts,
            reads,
        };
        assert_eq!(found, expected, "{what}");
    };
    // The hour's row; whether the campaign's day is there, and its beginning.
    check(1, 3, 4, 1, "the first of an hour and of a campaign's day");
    check(2, 2, 3, 0, "any other: accepted, charged, told");
    let given = donation(3);
    let refused = almoner_actors::ports::FirstState::Finished(Box::new(failed(Reason::Expired)));
    let found = cost(&store, || {
        row_of(engine.accept(accept_write(&given, refused)));
    });
    assert_eq!((found.conditional, found.upserts, found.reads), (1, 2, 0));
    let again = cost(&store, || {
        let known = engine.accept(charging(&given));
        assert!(matches!(known, Accepted::Known(_)));
    });
    assert_eq!((again.conditional, again.upserts, again.reads), (1, 2, 1));
}

#[test]
fn an_instance_that_lost_its_shard_changes_nothing_of_it() {
    let keyspace = keyspace!();
    let (old, new) = (keyspace.engine(), keyspace.engine());
    old.claim(0);
    let given = donation(1);
    let row = old.new_row(&given);
    let taken = donation(2);
    let taken_row = old.new_row(&taken);
    assert_eq!(new.claim(0).epoch, 2);
    assert_eq!(new.unfinished(0).len(), 2);
    // What the new owner has taken over is the new owner's.
    let mut takeover = advance_write(&taken, taken_row, 0, START_MS, PendingKind::Unknown);
    takeover.epoch = 2;
    assert_eq!(new.advance(takeover), Advanced::Done);
    let change = advance_write(&taken, taken_row, 1, START_MS, PendingKind::Retrying);
    assert_eq!(old.advance(change), Advanced::Fenced);
    // And from then on nothing else is the old one's either.
    assert_eq!(old.accept(charging(&donation(3))), Accepted::Fenced);
    let change = advance_write(&given, row, 0, START_MS, PendingKind::Retrying);
    assert_eq!(old.advance(change), Advanced::Fenced);
    // Facts are recorded by whoever learns them.
    let write = finish_write(&given, row, charged(NOON_S));
    assert_eq!(old.finish(write), Finished::Done);
    let Finished::Already(recorded) = old.finish(finish_write(&taken, taken_row, charged(NOON_S)))
    else {
        panic!("finished beside what had happened meanwhile");
    };
    assert_eq!(recorded.pending.unwrap().0.version, 1);
    assert_eq!(new.campaign_days()[0].count, 1);
}

#[test]
fn an_old_owners_mark_says_that_it_is_one() {
    let keyspace = keyspace!();
    let (old, new) = (keyspace.engine(), keyspace.engine());
    old.claim(0);
    new.claim(0);
    let mark = |epoch, next_offset| MarkWrite {
        shard: Shard(0),
        epoch,
        next_offset,
        stream_ms: START_MS,
    };
    assert_eq!(new.mark(mark(2, 5)), Marked::Done);
    assert_eq!(old.mark(mark(1, 9)), Marked::Fenced);
    assert_eq!(old.accept(charging(&donation(1))), Accepted::Fenced);
    assert_eq!(new.claim(0).next_offset, Some(5));
}

#[test]
fn many_instances_that_write_one_donation_agree() {
    let keyspace = keyspace!();
    let engines: Vec<_> = (0..4).map(|_| keyspace.open()).map(Arc::new).collect();
    let count = 40;
    let mut accepted = Vec::new();
    for store in &engines {
        let engine = engine_of(Arc::clone(store), None);
        engine.claim(0);
    }
    // All but the last are fenced by its claim, but do not know it yet: they write as owners of their epochs.
    for n in 0..count {
        for (epoch, store) in (1..).zip(&engines) {
            let (done, receiver) = answer();
            let mut write = charging(&donation(n));
            write.epoch = epoch;
            store.accept(write, done);
            accepted.push((n, receiver));
        }
    }
    let mut news = vec![0; count as usize];
    for (n, receiver) in accepted {
        let answer = receiver.recv().unwrap().unwrap();
        news[n as usize] += usize::from(matches!(answer, Accepted::New(_)));
    }
    assert!(news.iter().all(|it| *it <= 1), "{news:?}");
    let reader = engine_of(Arc::clone(&engines[3]), None);
    for n in 0..count {
        assert!(
            reader.load(id(n)).is_some(),
            "{n} has an accept without a row"
        );
    }
    let finished: Vec<_> = (0..count)
        .flat_map(|n| engines.iter().map(move |store| (n, store)))
        .map(|(n, store)| {
            let (done, receiver) = answer();
            let given = reader.load(id(n)).unwrap();
            let write = finish_write(&given.donation, given.row, charged(NOON_S));
            store.finish(write, done);
            (n, receiver)
        })
        .collect();
    let mut done = vec![0; count as usize];
    for (n, receiver) in finished {
        let answer = receiver.recv().unwrap().unwrap();
        done[n as usize] += usize::from(answer == Finished::Done);
    }
    assert!(done.iter().all(|it| *it == 1), "{done:?}");
    assert_eq!(reader.campaign_days()[0].count, count);
}

#[test]
fn rows_of_lists_that_the_donation_contradicts_do_not_count() {
    let keyspace = keyspace!();
    let engine = keyspace.engine();
    engine.claim(0);
    let given = donation(1);
    row_of(engine.accept(held(&given, START_MS + 60_000)));
    let before = (engine.unfinished(0), engine.recent(0, i64::MIN));
    assert_eq!((before.0.len(), before.1.len()), (1, 1));
    // As a crash between two writes leaves them: another due time, another arrival, a charge that was not recorded, and
    // what was accepted by nobody.
    let name = &keyspace.name;
    let (hour, at_ms) = (START_MS / 3_600_000, START_MS + 1);
    for (table, time) in [("pending", "due_ms"), ("arrival", "recorded_at_ms")] {
        let revision = |it: &'static str| if table == "pending" { it } else { "" };
        for (row_id, id) in [(7, given.request.id), (8, id(404))] {
            keyspace.cql(&format!(
                "INSERT INTO {name}.{table} (shard, hour, slot, {time}, row_id{}, id) \
                 VALUES (0, {hour}, 0, {}, {row_id}{}, {id})",
                revision(", revision"),
                at_ms + 5,
                revision(", 1"),
            ));
        }
    }
    keyspace.cql(&format!(
        "INSERT INTO {name}.campaign_day (campaign_id, currency, day, buckets) VALUES ('river-trees', 'EUR', 1, 64)"
    ));
    keyspace.cql(&format!(
        "INSERT INTO {name}.campaign_day_entry (campaign_id, currency, day, bucket, id, amount_minor) \
         VALUES ('river-trees', 'EUR', 1, 3, {}, 1250)",
        given.request.id
    ));
    let after = (engine.unfinished(0), engine.recent(0, i64::MIN));
    assert_eq!(before, after);
    assert_eq!(engine.campaign_days(), []);
}

#[test]
fn lists_that_were_lost_are_made_anew() {
    let keyspace = keyspace!();
    let store = Arc::new(keyspace.open());
    let engine = engine_of(Arc::clone(&store), None);
    engine.claim(0);
    let rows: Vec<_> = (1..=30)
        .map(|n| match n % 3 {
            0 => row_of(engine.accept(held(&donation(n), START_MS - i64::try_from(n).unwrap()))),
            _ => engine.new_row(&donation(n)),
        })
        .collect();
    for (n, row) in (1..).zip(rows).filter(|(n, _)| n % 3 == 1) {
        engine.finish(finish_write(&donation(n), row, charged(NOON_S)));
    }
    let user = UserId::parse("user-7").unwrap();
    let all = |engine: &Engine| {
        let (mut open, mut recent) = (engine.unfinished(0), engine.recent(0, i64::MIN));
        open.sort_by_key(|it| it.id);
        recent.sort_by_key(|it| it.entry.id());
        let of_user = store.by_user(&user, START_MS + 100, 5).unwrap();
        (open, recent, engine.campaign_days(), of_user.len())
    };
    let whole = all(&engine);
    assert_eq!((whole.0.len(), whole.1.len(), whole.3), (20, 30, 1));
    for table in [
        "arrival",
        "pending",
        "shard_hour",
        "campaign_day_entry",
        "donation_by_user",
    ] {
        keyspace.cql(&format!("TRUNCATE {}.{table}", keyspace.name));
    }
    let lost = all(&engine);
    assert_eq!((lost.0.len(), lost.1.len(), lost.3), (0, 0, 0));
    // By a process that knows nothing of what was written before.
    assert_eq!(keyspace.open().rebuild(), Ok(30));
    assert_eq!(all(&engine), whole);
}

#[test]
fn the_lists_follow_what_moves() {
    let keyspace = keyspace!();
    let engine = keyspace.engine();
    engine.claim(0);
    let hour_ms = 3_600_000;
    let given = donation(1);
    let row = row_of(engine.accept(held(&given, START_MS)));
    // It moves forward by days, back, and on again: each time it is found once, where it is.
    for (seen, due_ms) in (1..).zip([
        START_MS + 50 * hour_ms,
        START_MS + 40 * hour_ms,
        START_MS - 9 * hour_ms,
        START_MS + 90 * hour_ms,
    ]) {
        let change = advance_write(&given, row, seen, due_ms, PendingKind::Unknown);
        assert_eq!(engine.advance(change), Advanced::Done);
        let found = engine.unfinished(0);
        assert_eq!(found.len(), 1, "due {due_ms}");
        assert_eq!(found[0].due_ms, due_ms);
        let mark = MarkWrite {
            shard: Shard(0),
            epoch: 1,
            next_offset: 1,
            stream_ms: START_MS + i64::from(seen) * 30 * hour_ms,
        };
        assert_eq!(engine.mark(mark), Marked::Done);
        // An owner that comes later begins where this one has seen nothing before.
        assert_eq!(keyspace.engine().unfinished(0).len(), 1, "due {due_ms}");
    }
}

#[test]
fn a_users_donations_come_the_newest_first() {
    let keyspace = keyspace!();
    let store = Arc::new(keyspace.open());
    let engine = engine_of(Arc::clone(&store), None);
    engine.claim(0);
    // One of them months later than the others.
    for n in [5, 5 + 97, 5 + 2 * 97, 97 * 200_000_000 + 5, 6] {
        engine.new_row(&donation(n));
    }
    let user = UserId::parse("user-5").unwrap();
    let found = |before_ms, count| -> Vec<u64> {
        let found = store.by_user(&user, before_ms, count).unwrap();
        let numbers = found.iter().map(|it| it.donation.place.offset);
        numbers.map(|it| it.try_into().unwrap()).collect()
    };
    let end_ms = START_MS + 97 * 200_000_001;
    assert_eq!(found(end_ms, 10), [97 * 200_000_000 + 5, 199, 102, 5]);
    assert_eq!(found(end_ms, 2), [97 * 200_000_000 + 5, 199]);
    assert_eq!(found(START_MS + 199, 10), [102, 5]);
}

#[test]
fn a_store_keeps_its_log_generation_and_its_partitions() {
    let keyspace = keyspace!();
    let store = keyspace.open();
    let other = keyspace.open();
    store.hold_to_partitions(12).unwrap();
    other.hold_to_partitions(12).unwrap();
    let refused = other.hold_to_partitions(13);
    assert!(matches!(
        refused,
        Err(OpenError::Partitions {
            recorded: 12,
            now: 13
        })
    ));
    let (done, raised) = answer();
    store.raise_log_generation(done);
    assert_eq!(raised.recv().unwrap(), Ok(2));
    assert_eq!(keyspace.engine().claim(0).log_generation, 2);
}

#[test]
fn a_migration_can_be_repeated_and_meet_another() {
    let Some(server) = server() else { return };
    let keyspace = Keyspace::unused(server);
    let opened = ScyllaStore::open(&keyspace.options(), io()).err();
    assert!(matches!(opened, Some(OpenError::Keyspace(_))), "{opened:?}");
    let found: Vec<_> = std::thread::scope(|scope| {
        let migrate = || scylla::migrate(&keyspace.options(), &io()).unwrap();
        let both = [scope.spawn(migrate), scope.spawn(migrate)];
        both.map(|it| it.join().unwrap()).into()
    });
    let version = scylla::schema_version();
    assert_eq!(found.iter().sum::<i32>(), version, "one made it: {found:?}");
    assert_eq!(
        scylla::migrate(&keyspace.options(), &io()).unwrap(),
        version
    );
    keyspace.engine().claim(0);
}

#[test]
fn another_releases_schema_is_refused() {
    let keyspace = keyspace!();
    let set = |version: i32| {
        let table = format!("{}.schema_version", keyspace.name);
        keyspace.cql(&format!(
            "UPDATE {table} SET version = {version} WHERE name = 'schema' IF EXISTS"
        ));
    };
    set(99);
    let check = |found: Option<OpenError>, expected: &str| {
        let found = found.expect("it is refused").to_string();
        assert!(found.contains(expected), "{found}");
    };
    let newer = "a newer release made the schema version 99";
    check(ScyllaStore::open(&keyspace.options(), io()).err(), newer);
    check(scylla::migrate(&keyspace.options(), &io()).err(), newer);
    set(0);
    let older = "the schema is version 0, and this release needs 1; run `almoner migrate`";
    check(ScyllaStore::open(&keyspace.options(), io()).err(), older);
}

#[test]
fn what_is_wrong_with_the_cluster_is_one_line() {
    let keyspace = keyspace!();
    let check = |change: &dyn Fn(&mut ScyllaOptions), expected: &[&str]| {
        let mut options = keyspace.options();
        change(&mut options);
        let found = ScyllaStore::open(&options, io()).err();
        let found = found.expect("it is refused").to_string();
        assert!(!found.contains('\n'), "{found}");
        for expected in expected {
            assert!(found.contains(expected), "{found}");
        }
    };
    check(
        &|it| it.contact_points = vec!["127.0.0.1:1".into(), "127.0.0.1:2".into()],
        &[
            "no node of the cluster answers at 127.0.0.1:1, 127.0.0.1:2",
            "check [store.scylla] contact_points",
        ],
    );
    check(
        &|it| it.contact_points = vec!["no-such-host.invalid:9042".into()],
        &["no node of the cluster answers at no-such-host.invalid:9042"],
    );
    check(
        &|it| it.local_datacenter = "mars".into(),
        &["in the data centre \"mars\", only in \"datacenter1\""],
    );
    check(
        &|it| it.keyspace = "nobody_made_this".into(),
        &["no keyspace \"nobody_made_this\"; run `almoner migrate`"],
    );
}

#[test]
fn a_request_that_takes_too_long_says_so_and_harms_nothing() {
    let keyspace = keyspace!();
    let mut options = keyspace.options();
    options.request_timeout = std::time::Duration::from_micros(1);
    // Opening takes longer than that, so it is done with a store that has time.
    let patient = keyspace.engine();
    patient.claim(0);
    let Ok(store) = ScyllaStore::open(&options, io()) else {
        return; // not even opened
    };
    let hasty = engine_of(Arc::new(store), None);
    let claimed = hasty.call(|store, done| store.claim(Shard(0), done));
    assert!(
        matches!(claimed, Err(StoreError::Unanswered(_))),
        "{claimed:?}"
    );
}
