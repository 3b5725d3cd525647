//! `almoner backup`: a copy of the store while the service writes to it.

use std::collections::HashSet;
use std::ops::Range;
use std::path::Path;
use std::process::Output;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use almoner::store::sqlite::{Books, SqliteStore};
use almoner_domain::ids::DonationId;
use almoner_domain::request::encode;

use crate::support::{ANYWHERE, Surroundings, gateway, wait_for};
use crate::world::{donate, id};

const BEFORE: u32 = 50;

fn backup(surroundings: &Surroundings, to: &Path) -> Output {
    let to = to.to_str().unwrap();
    surroundings.command(&["backup", to]).output().unwrap()
}

/// Each of a user of its own.
fn publish(surroundings: &Surroundings, numbers: Range<u32>) {
    for n in numbers {
        let request = encode(&donate(n, None, "pm_card_visa"));
        surroundings.publish(&format!("user-{n}"), &[request]);
    }
}

/// The donations that a store knows as charged.
fn charged(store: &Path) -> HashSet<DonationId> {
    let mut charged = HashSet::new();
    let Ok(books) = Books::open(store) else {
        return charged;
    };
    let read = books.each_donation(|recorded| {
        if recorded.finish.is_some() {
            charged.insert(recorded.donation.request.id);
        }
    });
    read.unwrap();
    charged
}

/// Publishes on and on until the copy is made.
fn backup_under_load(surroundings: &Surroundings, to: &Path) -> Output {
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            let mut next = BEFORE;
            while !is_over.load(Ordering::Relaxed) {
                publish(surroundings, next..next + 1);
                next += 1;
            }
        });
        let copied = backup(surroundings, to);
        is_over.store(true, Ordering::Relaxed);
        copied
    })
}

#[test]
fn a_copy_made_under_load_has_all_that_was_there_and_is_a_store() {
    let (surroundings, gateway) = (Surroundings::new(), gateway(ANYWHERE));
    let _instance = surroundings.run(gateway.addr(), &[]);
    publish(&surroundings, 0..BEFORE);
    let store = surroundings.folder.path().join("store");
    let is_there = |charged: &HashSet<_>| (0..BEFORE).all(|n| charged.contains(&id(n)));
    wait_for("the first charges", || is_there(&charged(&store)));

    let copy = surroundings.folder.path().join("copies/today");
    let copied = backup_under_load(&surroundings, &copy);
    assert!(copied.status.success(), "{copied:?}");
    assert!(is_there(&charged(&copy)));
    let said = String::from_utf8(copied.stdout).unwrap();
    let count: u32 = said.split(' ').next().unwrap().parse().unwrap();
    assert!(count >= BEFORE, "{said}");
    let files: Vec<_> = std::fs::read_dir(&copy).unwrap().collect();
    assert_eq!(files.len(), 1, "{files:?}");
    drop(SqliteStore::open(&copy).unwrap());
}

#[test]
fn what_cannot_be_copied_says_why_and_leaves_nothing() {
    let surroundings = Surroundings::new();
    let folder = surroundings.folder.path();
    let refused = |to: &Path, expected: &str| {
        let output = backup(&surroundings, to);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains(expected), "{said}");
    };
    refused(&folder.join("none"), "is [store] path right?");
    assert_eq!(std::fs::read_dir(folder.join("none")).unwrap().count(), 0);

    drop(SqliteStore::open(&folder.join("store")).unwrap());
    std::fs::write(folder.join("file"), "").unwrap();
    refused(&folder.join("file/copy"), "cannot be written");
    refused(&folder.join("store"), "exists already: name another folder");

    let database = folder.join("store/almoner.sqlite");
    let mut bytes = std::fs::read(&database).unwrap();
    // The second page and what follows; the first has the schema.
    bytes[4096..].fill(0xa5);
    std::fs::write(&database, bytes).unwrap();
    refused(&folder.join("of_damaged"), "the store cannot be copied");
    let left = std::fs::read_dir(folder.join("of_damaged")).unwrap();
    assert_eq!(left.count(), 0);
}
