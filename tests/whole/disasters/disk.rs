//! The disk is full, or does not sync: the store takes nothing until it is open again, and nothing is lost.

use std::path::Path;
use std::process::Command;

use crate::support::{Instance, get, wait_until};
use crate::trial::Trial;

/// Compiled to a library that is loaded before libc.
const FSYNC_C: &str = include_str!("fsync_fails.c");

/// What the store says.
pub const POISONED: &str = "the store is poisoned";
pub const OPEN_AGAIN: &str = "the store is open again";

/// The disk fails under load, more people give while it does, and it is well again.
fn check(trial: &mut Trial, mut instance: Instance, disk: &dyn Disk) {
    trial.crowd.give(60);
    trial.wait_told_some();
    disk.fails(&instance);
    trial.crowd.give(60);
    instance.process.wait_line(POISONED);
    let not_ready = || (get(instance.admin, "/readyz").0 == 503).then_some(());
    wait_until("/readyz to say no", || 0, not_ready);
    trial.crowd.give(10);
    disk.is_well(&instance);
    instance.process.wait_line(OPEN_AGAIN);
    trial.settle(instance);
}

pub trait Disk {
    fn fails(&self, instance: &Instance);
    fn is_well(&self, instance: &Instance);
}

/// Files must not grow, as on a full disk.
pub struct Full;

impl Disk for Full {
    fn fails(&self, instance: &Instance) {
        instance.process.limit_files("0:");
    }

    fn is_well(&self, instance: &Instance) {
        instance.process.limit_files("unlimited:");
    }
}

/// Syncs fail for as long as a file is there.
struct Unsynced<'f>(&'f Path);

impl Disk for Unsynced<'_> {
    fn fails(&self, _instance: &Instance) {
        std::fs::write(self.0, "").unwrap();
    }

    fn is_well(&self, _instance: &Instance) {
        std::fs::remove_file(self.0).unwrap();
    }
}

#[test]
fn the_disk_is_full_for_a_while() {
    let mut trial = Trial::new(&["--latency-ms", "100"]);
    let instance = trial.start_ignoring_file_limits(&[]);
    check(&mut trial, instance, &Full);
}

#[test]
fn the_disk_is_full_when_it_is_killed() {
    let mut trial = Trial::new(&["--latency-ms", "100"]);
    let mut instance = trial.start_ignoring_file_limits(&[]);
    trial.crowd.give(60);
    trial.wait_told_some();
    Full.fails(&instance);
    trial.crowd.give(60);
    instance.process.wait_line(POISONED);
    instance.kill();
    trial.assert_kept();
    trial.broker_notices_the_death();
    let instance = trial.start();
    trial.settle(instance);
}

#[test]
#[cfg(all(target_os = "linux", target_env = "gnu"))]
fn the_disk_does_not_sync_for_a_while() {
    let mut trial = Trial::new(&["--latency-ms", "100"]);
    let folder = tempfile::tempdir().unwrap();
    let (library, flag) = (folder.path().join("fsync.so"), folder.path().join("fails"));
    compile(folder.path(), &library);
    let env = [
        ("LD_PRELOAD", library.to_str().unwrap()),
        ("ALMONER_FSYNC_FAILS", flag.to_str().unwrap()),
    ];
    let instance = trial.start_with(&env);
    check(&mut trial, instance, &Unsynced(&flag));
}

/// The compiler is the one that SQLite and librdkafka were built with.
fn compile(folder: &Path, library: &Path) {
    let source = folder.join("fsync_fails.c");
    std::fs::write(&source, FSYNC_C).unwrap();
    let mut compiler = Command::new("cc");
    compiler
        .args(["-shared", "-fPIC", "-o"])
        .arg(library)
        .arg(source);
    assert!(compiler.status().unwrap().success());
}
