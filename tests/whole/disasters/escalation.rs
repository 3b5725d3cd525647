//! What supervision cannot mend: step by step up to the end of the process, exit code 70; and the start after it, once the
//! cause is gone.

use std::fs;
use std::path::{Path, PathBuf};

use rusqlite::Connection;

use super::disk::{Disk, Full, OPEN_AGAIN, POISONED};
use crate::support::{Instance, get, wait_until};
use crate::trial::Trial;

/// A drain without a store has nothing to wait for.
const DRAIN: [(&str, &str); 1] = [("ALMONER__SHUTDOWN__DRAIN_TIMEOUT_MS", "1000")];

fn database(store: &Path) -> PathBuf {
    store.join("almoner.sqlite")
}

fn aside(store: &Path) -> PathBuf {
    store.join("almoner.sqlite.aside")
}

/// Under load the disk is full: the store poisons itself, and the process lives.
fn with_a_full_disk(trial: &mut Trial) -> Instance {
    let mut instance = trial.start_ignoring_file_limits(&DRAIN);
    trial.crowd.give(60);
    trial.wait_told_some();
    Full.fails(&instance);
    trial.crowd.give(40);
    instance.process.wait_line(POISONED);
    let not_ready = || (get(instance.admin, "/readyz").0 == 503).then_some(());
    wait_until("/readyz to say no", || 0, not_ready);
    assert!(instance.process.is_running());
    instance
}

/// It ends, and says at last why and what to do.
fn assert_escalates(instance: &mut Instance, why: &str) {
    let status = instance.process.wait_exit();
    let said = instance.process.said();
    assert_eq!(status.code(), Some(70), "{said}");
    let last: Vec<_> = said.lines().rev().take(2).collect();
    assert!(last[1].starts_with("error: "), "{said}");
    assert!(last[1].contains(why), "{said}");
    assert!(last[0].starts_with("hint: "), "{said}");
    assert!(last[0].contains("a start goes on from there"), "{said}");
}

/// On the full disk somebody makes room, or the disk makes worse of it: no store comes back from that by itself.
fn check_lost(ruin: impl Fn(&Path), why: &str, mend: impl Fn(&Path)) {
    let mut trial = Trial::new(&["--latency-ms", "100"]);
    let mut instance = with_a_full_disk(&mut trial);
    let store = trial.world.store();
    ruin(&store);
    assert_escalates(&mut instance, why);
    mend(&store);
    trial.assert_kept();
    let instance = trial.start();
    trial.crowd.give(40);
    trial.settle(instance);
}

#[test]
fn a_database_that_was_taken_away_ends_the_process_and_put_back_it_goes_on() {
    check_lost(
        take_away,
        "not in its place any more: put it back",
        put_back,
    );
}

#[test]
fn a_database_that_was_replaced_ends_the_process_and_put_back_it_goes_on() {
    check_lost(
        replace,
        "another database was put in this one's place",
        put_back,
    );
}

#[test]
fn a_database_that_was_overwritten_ends_the_process_and_mended_it_goes_on() {
    check_lost(
        overwrite,
        "the store is lost: the database cannot be used",
        write_back,
    );
}

fn take_away(store: &Path) {
    fs::rename(database(store), aside(store)).unwrap();
}

fn replace(store: &Path) {
    take_away(store);
    fs::write(database(store), garbage(100_000)).unwrap();
}

fn put_back(store: &Path) {
    fs::rename(aside(store), database(store)).unwrap();
}

/// Database and write-ahead log, where they are.
fn overwrite(store: &Path) {
    for file in files(store) {
        let length = fs::copy(&file, copy_of(&file)).unwrap();
        fs::write(&file, garbage(length as usize)).unwrap();
    }
}

fn write_back(store: &Path) {
    for file in files(store) {
        fs::write(&file, fs::read(copy_of(&file)).unwrap()).unwrap();
    }
}

fn files(store: &Path) -> [PathBuf; 2] {
    [database(store), store.join("almoner.sqlite-wal")]
}

fn copy_of(file: &Path) -> PathBuf {
    PathBuf::from(format!("{}.copy", file.display()))
}

fn garbage(length: usize) -> Vec<u8> {
    (0..length).map(|n| (n * 131 % 251) as u8).collect()
}

/// Somebody's hand in the database, while the disk is full: the store has given the shards to another owner, the broker
/// has not, and nobody would drive them.
#[test]
fn shards_that_only_the_store_gave_away_end_the_process_and_the_next_one_claims_them() {
    let mut trial = Trial::new(&["--latency-ms", "100"]);
    let mut instance = with_a_full_disk(&mut trial);
    let connection = Connection::open(database(&trial.world.store())).unwrap();
    let raised = connection.execute("UPDATE shard SET epoch = epoch + 1", []);
    assert!(raised.unwrap() > 0);
    drop(connection);
    Full.is_well(&instance);
    instance.process.wait_line(OPEN_AGAIN);
    trial.crowd.give(40);
    assert_escalates(
        &mut instance,
        "another owner, but the broker has not: a restart claims it again",
    );
    trial.assert_kept();
    let instance = trial.start();
    trial.settle(instance);
}
