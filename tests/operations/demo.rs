//! A demo that is killed in the middle goes on with the same folder, and comes to an end.

use std::io::{BufRead, BufReader};
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;
use tokio::time::Instant;

use crate::support::{LOOK_EVERY, PATIENCE};

const DONATIONS: &str = "400";

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

/// Kills a demo as soon as it shows that some, but not all, have their fate.
fn kill_in_the_middle(folder: &TempDir) {
    let mut child = demo(folder).stderr(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let answered = |line: &str| line.split(" of ").next()?.parse::<u64>().ok();
    let some = lines
        .map_while(Result::ok)
        .find(|line| answered(line).is_some_and(|it| it > 0));
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(some.is_some(), "it ended before anybody had an answer");
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
