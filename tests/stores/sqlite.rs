//! What SQLite does beyond the contract: it lasts, it belongs to one process, its books can be read and checked.

use std::path::Path;
use std::time::Duration;

use almoner::store::sqlite::{Books, OpenError, Sighting, SqliteStore};
use almoner_actors::ports::{Accepted, FirstState, MarkWrite, RowId};
use almoner_domain::donation::{PendingKind, Progress, State};
use almoner_domain::ids::{CampaignId, Shard, UserId};
use almoner_domain::outcome::{Reason, Told};
use almoner_domain::request::Information;
use rusqlite::Connection;
use tokio::time::Instant;

use crate::support::*;

fn database(folder: &Path) -> Connection {
    Connection::open(folder.join("almoner.sqlite")).unwrap()
}

/// Accepts these donations with many in hand, and finishes those of which `finish` says how.
fn write(engine: &Engine, numbers: std::ops::Range<u64>, is_charged: impl Fn(u64) -> bool) {
    let accepted: Vec<_> = numbers
        .map(|n| {
            let given = donation_of(n, &format!("campaign-{}", n % 3), n + 1);
            let (done, receiver) = answer();
            engine.store.accept(charging(&given), done);
            (n, given, receiver)
        })
        .collect();
    let mut finished = Vec::new();
    for (n, given, accepted) in accepted {
        let row = row_of(accepted.recv().unwrap().unwrap());
        if is_charged(n) {
            let (done, receiver) = answer();
            let write = finish_write(&given, row, charged(START_MS / 1000));
            engine.store.finish(write, done);
            finished.push(receiver);
        }
    }
    for finished in finished {
        finished.recv().unwrap().unwrap();
    }
}

#[test]
fn everything_is_there_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let engine = sqlite_at(folder.path());
    engine.claim(0);
    write(&engine, 0..50, |n| n % 2 == 0);
    let row = engine.load(id(1)).unwrap().row;
    let waits = advance_write(&donation(1), row, 0, START_MS, PendingKind::Unknown);
    engine.advance(waits);
    let mark = MarkWrite {
        shard: Shard(0),
        epoch: 1,
        next_offset: 50,
        stream_ms: START_MS + 49,
    };
    engine.mark(mark);
    let before = (
        engine.unfinished(0),
        engine.recent(0, START_MS + 9),
        engine.campaign_days(),
    );
    drop(engine);
    let engine = sqlite_at(folder.path());
    let after = (
        engine.unfinished(0),
        engine.recent(0, START_MS + 9),
        engine.campaign_days(),
    );
    assert_eq!(before, after);
    assert_eq!((before.0.len(), before.1.len()), (25, 41));
    let claimed = engine.claim(0);
    assert_eq!((claimed.epoch, claimed.next_offset), (2, Some(50)));
    assert_eq!(claimed.stream_ms, START_MS + 49);
}

#[test]
fn a_start_finds_what_is_open_wherever_the_tail_was_written_down() {
    let folder = tempfile::tempdir().unwrap();
    let engine = sqlite_at(folder.path());
    engine.claim(0);
    // The tail is written down in between; a hundred stay open far below it.
    write(&engine, 0..20_000, |n| n % 200 != 7);
    let expected = engine.unfinished(0);
    assert_eq!(expected.len(), 100);
    drop(engine);
    let tails = [
        "UPDATE tail SET state = state",
        "UPDATE tail SET state = x'c0'",
        "DELETE FROM tail",
    ];
    for damage in tails {
        database(folder.path()).execute(damage, []).unwrap();
        let engine = sqlite_at(folder.path());
        assert_eq!(engine.unfinished(0), expected, "{damage}");
        let recent = engine.recent(0, START_MS + 19_000);
        assert_eq!(recent.len(), 1000, "{damage}");
    }
}

#[test]
fn a_folder_belongs_to_one_process() {
    let folder = tempfile::tempdir().unwrap();
    let first = SqliteStore::open(folder.path()).unwrap();
    match SqliteStore::open(folder.path()) {
        Err(OpenError::Locked { pid, folder: named }) => {
            assert_eq!(pid, Some(std::process::id()));
            assert_eq!(&*named, folder.path());
        }
        other => panic!("opened twice: {:?}", other.err()),
    }
    drop(first);
    SqliteStore::open(folder.path()).unwrap();
}

#[test]
fn a_newer_releases_database_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    drop(sqlite_at(folder.path()));
    database(folder.path())
        .pragma_update(None, "user_version", 99)
        .unwrap();
    let answer = SqliteStore::open(folder.path());
    assert!(
        matches!(answer, Err(OpenError::Newer)),
        "{:?}",
        answer.err()
    );
}

#[test]
fn the_logs_generation_is_raised_for_good() {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(folder.path()).unwrap();
    let (done, raised) = answer();
    store.raise_log_generation(done);
    assert_eq!(raised.recv().unwrap(), Ok(2));
    drop(store);
    assert_eq!(sqlite_at(folder.path()).claim(0).log_generation, 2);
}

#[test]
fn a_sighted_donation_begins_with_what_the_gateway_has() {
    let folder = tempfile::tempdir().unwrap();
    {
        let engine = sqlite_at(folder.path());
        engine.claim(0);
        engine.new_row(&donation(1));
        engine.new_row(&donation(2));
        engine.finish(finish_write(
            &donation(2),
            RowId(2),
            failed(Reason::CardDeclined),
        ));
    }
    let sighting = |n: u64| Sighting {
        donation_id: id(n),
        intent_id: format!("pi_{n}").into(),
        is_charged: true,
    };
    for _ in 0..2 {
        let store = SqliteStore::open(folder.path()).unwrap();
        let (done, put) = answer();
        store.put_sightings(vec![sighting(1), sighting(2), sighting(3)], done);
        assert_eq!(put.recv().unwrap(), Ok(()));
    }
    let engine = sqlite_at(folder.path());
    let epoch = engine.claim(0).epoch;
    let progress = |n: u64, from: Progress| from.sighted(&format!("pi_{n}"), true);
    let unfinished = engine.load(id(1)).unwrap();
    let first_sent = Progress::first_sent(donation(1).accepted_at_ms);
    assert_eq!(unfinished.pending.unwrap().1, progress(1, first_sent));
    let finished = engine.load(id(2)).unwrap();
    assert_eq!((finished.pending, finished.finish.is_some()), (None, true));
    assert_eq!(engine.load(id(3)), None);
    for _ in 0..2 {
        let mut write = charging(&donation(3));
        write.epoch = epoch;
        let Accepted::Known(recorded) = engine.accept(write) else {
            panic!("it is charged again");
        };
        assert_eq!(recorded.pending.unwrap().1, progress(3, Progress::new()));
    }
    assert_eq!(engine.unfinished(0).len(), 2);
    let left: i64 = database(folder.path())
        .query_row("SELECT count(*) FROM sighted", [], |row| row.get(0))
        .unwrap();
    assert_eq!(left, 0);
}

/// The log lost the records of finished donations: those without an outbox get one, once, and only they.
#[test]
fn what_was_finished_of_lost_records_is_told_from_the_store() {
    let folder = tempfile::tempdir().unwrap();
    {
        let engine = sqlite_at(folder.path());
        engine.claim(0);
        for n in 1..=3 {
            engine.new_row(&donation(n));
        }
        for n in [1, 3] {
            let refused = failed(Reason::CardDeclined);
            engine.finish(finish_write(&donation(n), RowId(n as i64), refused));
        }
    }
    let offset = |n: u64| donation(n).shard_offset;
    for expected in [1, 0] {
        let store = SqliteStore::open(folder.path()).unwrap();
        let (done, told) = answer();
        store.tell_lost(Shard(0), offset(1)..offset(2) + 1, done);
        assert_eq!(told.recv().unwrap(), Ok(expected));
    }
    let engine = sqlite_at(folder.path());
    engine.claim(0);
    let has_row = |n: u64| engine.load(id(n)).unwrap().pending.is_some();
    assert_eq!([1, 2, 3].map(has_row), [true, false, false]);
    assert_eq!(
        engine.unfinished(0).len(),
        2,
        "the finished one, and the one that is not"
    );
}

/// Waits until so many donations are projected.
fn wait_projected(folder: &Path, count: i64) {
    let until = Instant::now() + Duration::from_secs(180);
    loop {
        let projected = Connection::open(folder.join("history.sqlite"))
            .and_then(|it| it.query_row("SELECT count(*) FROM by_user", [], |row| row.get(0)));
        if projected.is_ok_and(|it: i64| it >= count) {
            return;
        }
        assert!(Instant::now() < until, "the projection stands still");
        std::thread::yield_now();
    }
}

/// Every page of a user's and a campaign's donations, against what each donation says.
fn check_books(books: &Books) {
    let (mut by_user, mut by_campaign) = (Vec::new(), Vec::new());
    let user = UserId::parse("user-5").unwrap();
    let campaign = CampaignId::parse("campaign-1").unwrap();
    let each = books.each_donation(|recorded| {
        if recorded.donation.request.user_id == user {
            by_user.insert(0, recorded.clone());
        }
        if recorded.donation.request.campaign_id == campaign {
            by_campaign.insert(0, recorded);
        }
    });
    each.unwrap();
    for (expected, is_user, count) in [(by_user, true, 7), (by_campaign, false, 300)] {
        let (mut found, mut before) = (Vec::new(), None);
        loop {
            let page = if is_user {
                books.by_user(&user, before, count)
            } else {
                books.by_campaign(&campaign, before, count)
            };
            let page = page.unwrap();
            found.extend(page.donations);
            before = page.next;
            if before.is_none() {
                break;
            }
        }
        assert!(
            !expected.is_empty() && found == expected,
            "{}",
            expected.len()
        );
    }
}

#[test]
fn the_books_find_donations_projected_or_not() {
    let folder = tempfile::tempdir().unwrap();
    let engine = sqlite_at(folder.path());
    engine.claim(0);
    check_books_of(&engine, folder.path(), 0..3000);
    wait_projected(folder.path(), 3000);
    check_books_of(&engine, folder.path(), 3000..3500);
    drop(engine);
    // A projection that is not this store's is built again, and so is a broken one.
    let projection = folder.path().join("history.sqlite");
    for is_broken in [false, true] {
        if is_broken {
            std::fs::write(&projection, vec![7; 9000]).unwrap();
        } else {
            let other = Connection::open(&projection).unwrap();
            other
                .execute_batch("UPDATE projected SET identity = x'00'; DELETE FROM by_user")
                .unwrap();
        }
        let engine = sqlite_at(folder.path());
        wait_projected(folder.path(), 3500);
        check_books(&Books::open(folder.path()).unwrap());
        drop(engine);
    }
}

fn check_books_of(engine: &Engine, folder: &Path, numbers: std::ops::Range<u64>) {
    write(engine, numbers, |n| n % 2 == 0);
    check_books(&Books::open(folder).unwrap());
}

#[test]
fn the_sums_are_checked_against_the_movements() {
    let folder = tempfile::tempdir().unwrap();
    let engine = sqlite_at(folder.path());
    engine.claim(0);
    write(&engine, 0..300, |n| n % 3 != 0);
    let books = Books::open(folder.path()).unwrap();
    assert_eq!(books.day_differences().unwrap(), []);
    let totals = books.totals().unwrap();
    assert_eq!(totals.movements, totals.campaign_days);
    assert_eq!(totals.movements[0].count, 200);
    let campaign = CampaignId::parse("campaign-1").unwrap();
    assert_eq!(books.campaign_days(Some(&campaign)).unwrap().len(), 1);
    drop(engine);
    let changes = [
        "UPDATE campaign_day SET amount_minor = amount_minor + 1 WHERE campaign_id = 'campaign-1'",
        "DELETE FROM campaign_day WHERE campaign_id = 'campaign-2'",
        "INSERT INTO campaign_day VALUES ('campaign-3', 'EUR', 1, 1, 5)",
    ];
    for (found, change) in (1..).zip(changes) {
        database(folder.path()).execute(change, []).unwrap();
        assert_eq!(books.day_differences().unwrap().len(), found, "{change}");
    }
}

#[test]
fn a_movement_names_both_accounts() {
    let folder = tempfile::tempdir().unwrap();
    let engine = sqlite_at(folder.path());
    engine.claim(0);
    write(&engine, 1..3, |n| n == 1);
    let movements: Vec<(String, String, i64, String, String)> = database(folder.path())
        .prepare("SELECT debit, credit, amount_minor, currency, day FROM movement")
        .unwrap()
        .query_map([], |row| row.try_into())
        .unwrap()
        .collect::<Result<_, _>>()
        .unwrap();
    let expected = (
        "gateway_clearing",
        "campaign:campaign-1",
        2,
        "EUR",
        "2023-11-14",
    );
    assert_eq!(movements.len(), 1);
    let (debit, credit, amount_minor, currency, day) = &movements[0];
    assert_eq!(
        (&**debit, &**credit, *amount_minor, &**currency, &**day),
        expected
    );
}

/// The blobs as this release wrote them first; a later one reads them for ever. `ALMONER_GOLDEN=write` makes those
/// that are missing.
#[test]
fn blobs_that_were_written_once_are_read_for_ever() {
    let folder = tempfile::tempdir().unwrap();
    let engine = sqlite_at(folder.path());
    engine.claim(0);
    let given = std::sync::Arc::new(almoner_domain::donation::Donation {
        request: almoner_domain::request::DonationRequest {
            information: Some(Box::new(information())),
            ..donation(1).request.clone()
        },
        ..(*donation(1)).clone()
    });
    let first = FirstState::Pending {
        pending: pending(1, START_MS, PendingKind::Unknown),
        progress: Box::new(progress()),
        told: Some(event()),
    };
    let row = row_of(engine.accept(accept_write(&given, first)));
    drop(engine);
    let columns = [
        ("progress.1", "pending", "progress"),
        ("told.1", "event", "told"),
        ("information.1", "donation", "information"),
    ];
    for (name, table, column) in columns {
        let connection = database(folder.path());
        let select = format!("SELECT {column} FROM {table} WHERE seq = {}", row.0);
        let written: Vec<u8> = connection.query_row(&select, [], |row| row.get(0)).unwrap();
        let path = format!(
            "{}/tests/stores/golden/{name}.msgpack",
            env!("CARGO_MANIFEST_DIR")
        );
        if !Path::new(&path).exists() && std::env::var_os("ALMONER_GOLDEN").is_some() {
            std::fs::write(&path, &written).unwrap();
        }
        let golden = std::fs::read(&path).unwrap();
        let update = format!("UPDATE {table} SET {column} = ?1 WHERE seq = {}", row.0);
        connection.execute(&update, [golden]).unwrap();
    }
    let recorded = sqlite_at(folder.path()).load(given.request.id).unwrap();
    assert_eq!(recorded.donation, given);
    assert_eq!(recorded.pending.unwrap().1, progress());
    assert_eq!(recorded.told, [event()]);
}

fn progress() -> Progress {
    Progress {
        state: State::Unknown,
        attempts: 2,
        intent: Some("pi_1".into()),
        call: almoner_domain::donation::Call::Confirm { n: 2 },
        send: 3,
        permitted_at_ms: START_MS,
        duplicate_of: Some(id(7)),
        ..Progress::new()
    }
}

fn event() -> Told {
    told_pending(1, PendingKind::Unknown)
}

fn information() -> Information {
    Information {
        created_at_ms: Some(START_MS),
        message: Some("for the trees".into()),
        anonymous: Some(false),
        receipt_email: None,
        metadata: vec![("source".into(), "widget".into())],
    }
}

#[test]
fn a_refusal_before_any_charge_moves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let engine = sqlite_at(folder.path());
    engine.claim(0);
    let first = FirstState::Finished(Box::new(failed(Reason::CampaignNotFound)));
    engine.accept(accept_write(&donation(1), first));
    let totals = Books::open(folder.path()).unwrap().totals().unwrap();
    assert_eq!((totals.movements.len(), totals.campaign_days.len()), (0, 0));
}

#[test]
fn the_number_of_partitions_is_fixed_by_the_first_start() {
    let folder = tempfile::tempdir().unwrap();
    for _ in 0..2 {
        let store = almoner::store::sqlite::SqliteStore::open(folder.path()).unwrap();
        store.hold_to_partitions(16).unwrap();
    }
    let store = almoner::store::sqlite::SqliteStore::open(folder.path()).unwrap();
    let refused = store.hold_to_partitions(32).unwrap_err().to_string();
    assert!(
        refused.contains("has 32 partitions") && refused.contains("made for 16"),
        "{refused}"
    );
}
