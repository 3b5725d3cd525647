//! SIGSTOP for longer than the session: the partitions are taken from an instance that does not know it, and somebody
//! starts another one meanwhile.

use std::time::Duration;

use crate::support::Process;
use crate::trial::Trial;

/// The group has given the frozen member up by then.
const BEYOND_THE_SESSION: Duration = Duration::from_secs(8);

#[test]
fn it_freezes_beyond_its_session_and_goes_on() {
    let mut trial = Trial::new(&["--latency-ms", "100"]);
    let instance = trial.start();
    for _ in 0..2 {
        trial.crowd.give(60);
        trial.wait_told_some();
        instance.process.freeze();
        trial.crowd.give(20);
        std::thread::sleep(BEYOND_THE_SESSION);
        instance.process.thaw();
    }
    trial.settle(instance);
}

#[test]
fn another_one_with_a_folder_of_its_own_takes_the_partitions_of_a_frozen_one_and_charges_nothing() {
    let mut trial = Trial::new(&["--latency-ms", "100"]);
    let instance = trial.start();
    trial.crowd.give(40);
    trial.wait_settled();
    trial.crowd.give(60);
    trial.wait_told_some();
    instance.process.freeze();
    trial.crowd.give(20);

    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("store").display().to_string();
    let mut second = trial.spawn_with(&[("ALMONER__STORE__PATH", &store)]);
    // What the frozen one had sent may still be carried out, and nothing else.
    let (code, said) = ended(&mut second);
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("start with --after-restore"), "{said}");
    assert!(!said.contains("shard taken over"), "{said}");

    instance.process.thaw();
    trial.settle(instance);
}

fn ended(process: &mut Process) -> (Option<i32>, String) {
    (process.wait_exit().code(), process.said())
}
