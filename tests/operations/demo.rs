//! A demo that is killed in the middle goes on with the same folder, and comes to an end.

use std::process::{Command, Output, Stdio};

use almoner::store::sqlite::Books;
use serde_json::Value;
use tempfile::TempDir;
use tokio::time::Instant;

use crate::support::{LOOK_EVERY, PATIENCE, wait_for};

const DONATIONS: &str = "3000";

fn demo(folder: &TempDir) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_almoner"));
    command
        .args([
            "demo",
            "--donations",
            DONATIONS,
            "--faults",
            "mild",
            "--data",
        ])
        .arg(folder.path());
    command
}

/// Kills a demo as soon as its store has the first charge.
fn kill_in_the_middle(folder: &TempDir) {
    let quiet = demo(folder).stderr(Stdio::null()).spawn();
    let mut child = quiet.unwrap();
    let store = folder.path().join("store");
    wait_for("the first charge", || {
        let totals = Books::open(&store).and_then(|books| books.totals());
        totals.is_ok_and(|it| !it.movements.is_empty())
    });
    let ended = child.try_wait().unwrap();
    assert_eq!(ended, None, "it ended before it was killed");
    child.kill().unwrap();
    child.wait().unwrap();
}

/// What the process wrote once it ended. One that does not end is killed, and then has no exit code.
fn within_patience(command: &mut Command) -> Output {
    let piped = command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = piped.spawn().unwrap();
    let until = Instant::now() + PATIENCE;
    // It writes less than a pipe holds.
    while child.try_wait().unwrap().is_none() && Instant::now() < until {
        std::thread::sleep(LOOK_EVERY);
    }
    // One that has ended by itself is as good.
    let _ = child.kill();
    child.wait_with_output().unwrap()
}

#[test]
fn a_killed_demo_goes_on_and_ends_with_the_right_verdict() {
    let folder = tempfile::tempdir().unwrap();
    kill_in_the_middle(&folder);
    let output = within_patience(demo(&folder).arg("--json"));
    let (out, err) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    assert!(output.status.success(), "{out}{err}");
    assert!(err.contains("Its broker lived in its memory"), "{err}");
    let outcome: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(outcome["verdict"]["ok"], true, "{out}");
    assert!(outcome["fates"]["succeeded"].as_u64().unwrap() > 0, "{out}");
}
