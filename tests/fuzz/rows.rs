//! A database with altered cells: numbers out of range, other types, nulls where none is expected, damaged blobs. Each call
//! to the store is answered, with what is there or with why not; nothing panics, and no page leads round in a circle.
//!
//! An input is alterations, one a line: `TABLE.COLUMN ROW VALUE`. The value is `n` for null, `i` with an integer, `r` with a
//! real number, `t` with text, `x` with bytes in hexadecimal, or `^` with the number of a byte that is inverted.

use std::panic;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, LazyLock, Once};
use std::time::Duration;

use almoner::audit::{Audit, BookSums};
use almoner::store::sqlite::{Books, BooksError, Sighting, SqliteStore};
use almoner_actors::ports::{
    AcceptWrite, AdvanceWrite, Cursor, Done, Dropped, Finish, FinishWrite, FirstState, KeptLetter,
    Letters, MarkWrite, Pending, Recorded, RowId, Store, StoreError,
};
use almoner_domain::campaign::{Campaign, CampaignChange, Status};
use almoner_domain::donation::{Donation, Ending, PendingKind, Progress, State, Trace};
use almoner_domain::ids::{CampaignId, DonationId, Shard, UserId};
use almoner_domain::outcome::{Reason, Told, What};
use rusqlite::Connection;
use rusqlite::types::Value;

use super::explore::{Fate, Target, fate, golden_blob};
use super::mutate::Mutator;
use super::stored::donation;

const NOW_MS: i64 = 1_795_262_400_000;

/// How long a call may take before it counts as unanswered.
const DEADLINE: Duration = Duration::from_secs(120);

/// Pages that so few rows can have.
const PAGES_MAX: usize = 20;

/// How many donations there are, with ids and rows from 1.
const DONATIONS: u8 = 6;

/// Threads of the store that panicked. Others answer for them, so that nobody else would see it.
static STORE_PANICS: AtomicUsize = AtomicUsize::new(0);

/// The files of a store in which something of everything is, without the rules of its schema.
static SOUND: LazyLock<Vec<(String, Vec<u8>)>> = LazyLock::new(|| {
    let folder = tempfile::tempdir().unwrap();
    fill(&SqliteStore::open(folder.path()).unwrap());
    relax(&database(folder.path()));
    let entries = std::fs::read_dir(folder.path()).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    let files = paths.filter(|path| path.is_file()).map(|path| {
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        (name, std::fs::read(path).unwrap())
    });
    files.collect()
});

/// Every column of every table.
static COLUMNS: LazyLock<Vec<&'static str>> = LazyLock::new(|| {
    let folder = tempfile::tempdir().unwrap();
    lay_out(folder.path());
    let connection = Connection::open(database(folder.path())).unwrap();
    let mut statement = connection
        .prepare(
            "SELECT t.name || '.' || c.name FROM sqlite_schema t, pragma_table_info(t.name) c \
             WHERE t.type = 'table' AND t.name NOT LIKE 'sqlite%' ORDER BY 1",
        )
        .unwrap();
    let names = statement
        .query_map([], |row| row.get::<_, String>(0))
        .unwrap();
    names.map(|name| &*name.unwrap().leak()).collect()
});

fn database(folder: &Path) -> PathBuf {
    folder.join("almoner.sqlite")
}

fn lay_out(folder: &Path) {
    for entry in std::fs::read_dir(folder).unwrap() {
        std::fs::remove_file(entry.unwrap().path()).unwrap();
    }
    for (name, bytes) in &*SOUND {
        std::fs::write(folder.join(name), bytes).unwrap();
    }
}

/// Any column takes anything.
fn relax(database: &Path) {
    let connection = Connection::open(database).unwrap();
    connection
        .execute_batch(
            "PRAGMA writable_schema = ON; \
             UPDATE sqlite_schema SET sql = replace(replace(replace(sql, 'STRICT, ', ''), ') STRICT', ')'), ' NOT NULL', '') \
             WHERE type = 'table'; PRAGMA writable_schema = RESET;",
        )
        .unwrap();
}

/// Calls the store, and waits for what it says.
fn call<T: Dropped + Send + 'static>(call: impl FnOnce(Done<T>)) -> T {
    let (sender, receiver) = channel();
    call(Done::new(move |answer| drop(sender.send(answer))));
    receiver.recv_timeout(DEADLINE).expect("the store answers")
}

fn numbered(n: u8) -> Arc<Donation> {
    let mut donation = donation();
    donation.request.id = DonationId([n; 16]);
    donation.request.information = rmp_serde::from_slice(&golden_blob("information")[0]).unwrap();
    donation.place.offset = n.into();
    donation.shard_offset = n.into();
    donation.recorded_at_ms = NOW_MS - 1_000 + i64::from(n);
    donation.trace = n.is_multiple_of(2).then(|| {
        Arc::new(Trace {
            traceparent: Some("00-1".into()),
            correlation_id: None,
        })
    });
    Arc::new(donation)
}

fn accept(n: u8, first: FirstState) -> AcceptWrite {
    AcceptWrite {
        donation: numbered(n),
        shard: Shard(0),
        epoch: 1,
        first,
    }
}

fn held() -> FirstState {
    FirstState::Pending {
        pending: Pending {
            version: 1,
            due_ms: NOW_MS + 60_000,
            kind: PendingKind::Held,
        },
        progress: Box::new(Progress {
            state: State::Held,
            duplicate_of: Some(DonationId([1; 16])),
            ..Progress::new()
        }),
        told: Some(Told {
            sequence: 1,
            occurred_at_ms: NOW_MS,
            status: State::Held,
            attempts: 0,
            what: What::NeedsConfirmation {
                duplicate_of: DonationId([1; 16]),
                expires_at_ms: NOW_MS + 60_000,
            },
        }),
    }
}

fn finish(state: State, reason: Option<Reason>) -> Finish {
    Finish {
        ending: Ending {
            state,
            reason,
            decline_code: None,
            intent_id: Some("pi_1".into()),
            charge_id: Some("ch_1".into()),
            created_s: Some(NOW_MS / 1000),
            attempts: 0,
        },
        at_ms: NOW_MS,
        sequence: 1,
    }
}

fn finish_write(n: u8, row: i64, seen_version: u32) -> FinishWrite {
    FinishWrite {
        donation: numbered(n),
        row: RowId(row),
        finish: finish(State::Succeeded, None),
        seen_version,
        surplus: None,
        sends: Default::default(),
        answered_by: Some(numbered(n).place.clone()),
    }
}

fn advance_write(n: u8, row: i64, seen_version: u32) -> AdvanceWrite {
    AdvanceWrite {
        id: DonationId([n; 16]),
        row: RowId(row),
        shard: Shard(0),
        epoch: 1,
        seen_version,
        pending: Pending {
            version: seen_version.saturating_add(1),
            due_ms: NOW_MS,
            kind: PendingKind::Unknown,
        },
        progress: Box::new(Progress::first_sent(NOW_MS)),
        sends: Default::default(),
        told: None,
        answered_by: None,
    }
}

fn campaign() -> Campaign {
    Campaign {
        campaign_id: CampaignId::parse("campaign_1").unwrap(),
        version: 3,
        status: Status::Open,
        currency: donation().request.amount.currency(),
        creator_account: "acct_1".into(),
        amount_minor_min: Some(100),
        amount_minor_max: None,
        title: "A well".into(),
    }
}

fn letter() -> KeptLetter {
    KeptLetter {
        place: donation().place,
        sha256: [7; 32],
        key: Some((*b"key").into()),
        value: Some((*b"value").into()),
        headers: vec![("name".into(), Some((*b"value").into()))],
    }
}

fn mark(next_offset: i64) -> MarkWrite {
    MarkWrite {
        shard: Shard(0),
        epoch: 1,
        next_offset,
        stream_ms: NOW_MS,
    }
}

/// Open, pending, held and answered, charged, failed, and charged after it was pending.
fn fill(store: &SqliteStore) {
    call(|done| store.claim(Shard(0), done)).unwrap();
    call(|done| store.put_campaign(CampaignChange::Described(campaign()), done)).unwrap();
    let failed = finish(State::Failed, Some(Reason::CardDeclined));
    let firsts = [
        FirstState::Charging,
        FirstState::Charging,
        held(),
        FirstState::Charging,
        FirstState::Finished(Box::new(failed)),
        held(),
    ];
    for (n, first) in (1..).zip(firsts) {
        call(|done| store.accept(accept(n, first), done)).unwrap();
    }
    call(|done| store.advance(advance_write(2, 2, 0), done)).unwrap();
    call(|done| store.finish(finish_write(4, 4, 0), done)).unwrap();
    call(|done| store.finish(finish_write(6, 6, 1), done)).unwrap();
    call(|done| store.mark(mark(7), done)).unwrap();
    call(|done| store.keep_letter(letter(), done)).unwrap();
    let sighting = Sighting {
        donation_id: DonationId([9; 16]),
        intent_id: "pi_9".into(),
        is_charged: true,
    };
    call(|done| store.put_sightings(vec![sighting], done)).unwrap();
}

/// Alters what the lines name, as far as there is such a thing.
fn alter(folder: &Path, input: &str) {
    let connection = Connection::open(database(folder)).unwrap();
    connection
        .execute_batch("PRAGMA synchronous = OFF; PRAGMA ignore_check_constraints = ON")
        .unwrap();
    for line in input.lines().take(8) {
        let mut words = line.splitn(3, ' ');
        let (Some(name), Some(row), Some(value)) = (words.next(), words.next(), words.next())
        else {
            continue;
        };
        let known = COLUMNS.iter().find(|known| **known == name);
        if let (Some((table, column)), Ok(row)) =
            (known.and_then(|it| it.split_once('.')), row.parse())
        {
            alter_one(&connection, table, column, row, value);
        }
    }
}

fn alter_one(connection: &Connection, table: &str, column: &str, row: u8, value: &str) {
    let first = COLUMNS
        .iter()
        .find_map(|name| name.strip_prefix(table)?.strip_prefix('.'));
    let first = first.unwrap_or(column);
    let key = format!(
        "\"{first}\" IS (SELECT \"{first}\" FROM \"{table}\" ORDER BY \"{first}\" LIMIT 1 OFFSET {row})"
    );
    let sql = format!("SELECT \"{column}\" FROM \"{table}\" WHERE {key}");
    let found: rusqlite::Result<Value> = connection.query_row(&sql, [], |row| row.get(0));
    let Some(value) = found.ok().and_then(|found| altered(found, value)) else {
        return;
    };
    let sql = format!("UPDATE \"{table}\" SET \"{column}\" = ?1 WHERE {key}");
    // A key that would be there twice is left as it is.
    let _ = connection.execute(&sql, [value]);
}

fn altered(found: Value, value: &str) -> Option<Value> {
    let (kind, text) = value.split_at_checked(1)?;
    Some(match kind {
        "n" => Value::Null,
        "i" => Value::Integer(text.parse().ok()?),
        "r" => Value::Real(text.parse().ok()?),
        "t" => Value::Text(text.to_owned()),
        "x" => {
            let pairs = text.as_bytes().chunks_exact(2);
            let bytes = pairs.map(|pair| u8::from_str_radix(str::from_utf8(pair).ok()?, 16).ok());
            Value::Blob(bytes.collect::<Option<_>>()?)
        }
        "^" => match found {
            Value::Blob(mut bytes) => {
                let at = text.parse::<usize>().ok()? % bytes.len().max(1);
                *bytes.get_mut(at)? ^= 0xff;
                Value::Blob(bytes)
            }
            _ => return None,
        },
        _ => return None,
    })
}

fn target(folder: &Path, input: &[u8]) -> Fate {
    lay_out(folder);
    alter(folder, &String::from_utf8_lossy(input));
    let before = STORE_PANICS.load(Ordering::SeqCst);
    let mut said = match SqliteStore::open(folder) {
        Ok(store) => asked(&store),
        Err(error) => return fate(&format!("not opened: {error}")),
    };
    assert_eq!(
        STORE_PANICS.load(Ordering::SeqCst),
        before,
        "a thread of the store panicked"
    );
    said.extend(booked(folder).err().map(|error| error.to_string()));
    said.dedup();
    match said.is_empty() {
        true => "read".into(),
        false => fate(&format!("refused {}", said.join("; "))),
    }
}

/// Calls whatever can be called; what was refused.
fn asked(store: &SqliteStore) -> Vec<String> {
    let mut said = Vec::new();
    let mut note =
        |refused: Option<StoreError>| said.extend(refused.map(|error| error.to_string()));
    for shard in [Shard(0), Shard(1)] {
        note(call(|done| store.claim(shard, done)).err());
        note(pages(|after, done| store.unfinished(shard, after, done)));
        note(pages(|after, done| {
            store.recent(shard, NOW_MS - 60_000, after, done)
        }));
        note(pages(|after, done| {
            store.recent(shard, i64::MIN, after, done)
        }));
    }
    for n in 1..=DONATIONS {
        match call(|done| store.load(DonationId([n; 16]), done)) {
            Ok(recorded) => check_recorded(n, recorded.as_deref()),
            Err(error) => note(Some(error)),
        }
        note(call(|done| store.accept(accept(n, FirstState::Charging), done)).err());
    }
    for n in [4, 5, 6] {
        note(call(|done| store.acknowledged(DonationId([n; 16]), done)).err());
    }
    note(call(|done| store.campaign(campaign().campaign_id, done)).err());
    note(
        call(|done| store.put_campaign(CampaignChange::Closed(campaign().campaign_id), done)).err(),
    );
    for n in [1, 2, 3] {
        note(call(|done| store.advance(advance_write(n, n.into(), 1), done)).err());
        note(call(|done| store.finish(finish_write(n, n.into(), 2), done)).err());
    }
    note(call(|done| store.accept(accept(9, held()), done)).err());
    note(call(|done| store.mark(mark(8), done)).err());
    note(call(|done| store.keep_letter(letter(), done)).err());
    note(
        store
            .marks()
            .err()
            .map(|error| StoreError::Impossible(error.to_string().into())),
    );
    note(
        store
            .hold_to_partitions(12)
            .err()
            .map(|error| StoreError::Impossible(error.to_string().into())),
    );
    said
}

/// What is there under an id is that donation's, and its outcomes can be written.
fn check_recorded(n: u8, recorded: Option<&Recorded>) {
    let Some(recorded) = recorded else { return };
    assert_eq!(recorded.donation.request.id, DonationId([n; 16]));
    let finished = recorded.finish.as_ref().map(Finish::told);
    for told in recorded.told.iter().chain(&finished) {
        let message =
            almoner_domain::outcome::encode(&recorded.donation, told, &recorded.donation.place);
        almoner_domain::outcome::decode(&message.value).unwrap();
    }
}

/// All pages: there is an end to them.
fn pages<T: Send + 'static>(
    mut page: impl FnMut(Cursor, Done<Result<(Vec<T>, Option<Cursor>), StoreError>>),
) -> Option<StoreError> {
    let mut after = Cursor::default();
    for _ in 0..PAGES_MAX {
        match call(|done| page(after, done)) {
            Ok((_, Some(next))) => after = next,
            Ok((_, None)) => return None,
            Err(error) => return Some(error),
        }
    }
    panic!("there is no end to the pages");
}

/// What the audit and the commands read.
fn booked(folder: &Path) -> Result<(), BooksError> {
    let books = Books::open(folder)?;
    let mut audit = Audit::new();
    let mut refused = Vec::new();
    refused.extend(
        books
            .each_donation(|recorded| audit.donation(&recorded))
            .err(),
    );
    refused.extend(
        books
            .by_user(&UserId::parse("user_1").unwrap(), None, 10)
            .err(),
    );
    refused.extend(books.by_campaign(&campaign().campaign_id, None, 10).err());
    refused.extend(books.campaign_days(None).err());
    refused.extend(books.each_letter(|_| ()).err());
    refused.extend(books.letters_at(&donation().place).err());
    match (books.totals(), books.day_differences()) {
        (Ok(totals), Ok(differences)) => {
            drop(audit.finish(&BookSums::still(totals, differences), NOW_MS))
        }
        (totals, differences) => refused.extend(totals.err().into_iter().chain(differences.err())),
    }
    refused.into_iter().next().map_or(Ok(()), Err)
}

/// One alteration, or some.
fn invent(mutator: &mut Mutator) -> Vec<u8> {
    let mut lines = String::new();
    for _ in 0..=mutator.below(3) {
        let column = COLUMNS[mutator.below(COLUMNS.len())];
        let row = mutator.below(DONATIONS.into());
        let value = match mutator.below(12) {
            0 => "n".into(),
            1 => "i-1".into(),
            2 => "i9223372036854775807".into(),
            3 => "i-9223372036854775808".into(),
            4 => format!("i{}", 1_u64 << mutator.below(63)),
            5 => format!("i{}", mutator.below(9)),
            6 => "r1e300".into(),
            7 => "t".into(),
            8 => "tcampaign_2".into(),
            9 => "x".into(),
            10 => "x09090909090909090909090909090909".into(),
            _ => format!("^{}", mutator.byte()),
        };
        lines.push_str(&format!("{column} {row} {value}\n"));
    }
    lines.into_bytes()
}

fn count_panics_of_the_store() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let usual = panic::take_hook();
        panic::set_hook(Box::new(move |what| {
            if std::thread::current()
                .name()
                .is_some_and(|name| name.starts_with("store-"))
            {
                STORE_PANICS.fetch_add(1, Ordering::SeqCst);
            }
            usual(what);
        }));
    });
}

pub fn damaged_rows() -> Target {
    count_panics_of_the_store();
    let folder = tempfile::tempdir().unwrap();
    let words: [&[u8]; 9] = [
        b" n\n",
        b" i-1\n",
        b" i9223372036854775807\n",
        b" i-9223372036854775808\n",
        b" i4294967296\n",
        b" r0.5\n",
        b" t\n",
        b" x\n",
        b" ^1\n",
    ];
    let seeds = COLUMNS.iter().flat_map(|column| {
        ["n", "i9223372036854775807"].map(|value| format!("{column} 0 {value}").into_bytes())
    });
    Target {
        seeds: seeds.collect(),
        words: COLUMNS
            .iter()
            .map(|name| name.as_bytes())
            .chain(words)
            .collect(),
        invent: Some(invent),
        inputs: 100,
        reaches: &["read", "not opened", "refused"],
        read: Box::new(move |input| target(folder.path(), input)),
    }
}

#[test]
fn a_sound_database_is_read_whole() {
    let folder = tempfile::tempdir().unwrap();
    count_panics_of_the_store();
    assert_eq!(target(folder.path(), b""), "read");
}
