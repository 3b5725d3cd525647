//! SIGSTOP for longer than the session: the partitions are taken from an instance that does not know it, and somebody
//! starts another one meanwhile.

use std::time::Duration;

use jiff::Timestamp;

use crate::promises::Did;
use crate::support::{Instance, Process, wait_until};
use crate::trial::Trial;

/// The group has given the frozen member up by then.
const BEYOND_THE_SESSION: Duration = Duration::from_secs(8);

#[test]
fn it_freezes_beyond_its_session_and_sends_nothing_until_the_shards_are_its_own_again() {
    let mut trial = Trial::new(&["--latency-ms", "100"]);
    let instance = trial.start();
    let mut disowned = Vec::new();
    for _ in 0..2 {
        trial.crowd.give(90);
        trial.wait_told_some();
        instance.process.freeze();
        trial.crowd.give(20);
        std::thread::sleep(BEYOND_THE_SESSION);
        let thawed_ms = Timestamp::now().as_millisecond();
        instance.process.thaw();
        disowned.push(thawed_ms..taken_over_ms(&instance, thawed_ms));
    }
    trial.settle(instance);
    let facts = trial.facts();
    for disowned in disowned {
        let answers_a_send = |did: &&Did| did.key.is_some() && disowned.contains(&did.at_ms);
        let sent: Vec<_> = facts.journal.iter().filter(answers_a_send).collect();
        assert!(sent.is_empty(), "I12: sent in {disowned:?}: {sent:#?}");
    }
}

/// When it took the first shard over, after this moment. Wall clock, milliseconds since 1970.
fn taken_over_ms(instance: &Instance, after_ms: i64) -> i64 {
    let taken_over = |line: &str| {
        let line: serde_json::Value = serde_json::from_str(line).ok()?;
        let is_takeover = line["message"] == "shard taken over";
        let at: Timestamp = line["timestamp"].as_str()?.parse().ok()?;
        (is_takeover && at.as_millisecond() > after_ms).then(|| at.as_millisecond())
    };
    wait_until(
        "its shards to be its own again",
        || instance.process.said_lines(),
        || instance.process.said().lines().find_map(taken_over),
    )
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
