//! The histories as tests: always the same ones, and fresh ones, whose seeds are printed. `ALMONER_HISTORIES` is how many,
//! `ALMONER_SEED` the first one's seed; `ALMONER_FRESH_SEED` decides on the fresh ones.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::io::Write;
use std::ops::Range;
use std::process::Command;
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use almoner_simulation::controls::CONTROLS;
use almoner_simulation::coverage::gaps;
use almoner_simulation::diary::trace_hash;
use almoner_simulation::history::{Told, run};
use almoner_simulation::many::live;
use almoner_simulation::script::generate;
use almoner_simulation::shrink::{after, shrink};

/// Without optimization a history takes many times as long.
const HISTORIES: u64 = if cfg!(debug_assertions) { 60 } else { 2_000 };
const FRESH: u64 = HISTORIES / 10;
const CONTROL_HISTORIES: u64 = 2_000;

fn number(variable: &str, default: u64) -> u64 {
    std::env::var(variable).map_or(default, |text| text.parse().unwrap())
}

fn threads() -> usize {
    thread::available_parallelism().map_or(1, Into::into)
}

/// All histories of these seeds hold; one that does not is told, as short as it was shrunk.
#[track_caller]
fn check(seeds: Range<u64>) {
    let sum = live(seeds, None, threads(), |_| {});
    let Some((seed, findings)) = sum.broken.first_key_value() else {
        let mistaken: Vec<_> = gaps(&sum)
            .into_iter()
            .filter(|it| it.excuse.is_some())
            .collect();
        assert!(
            mistaken.is_empty(),
            "reached, and said to be impossible: {mistaken:?}"
        );
        return;
    };
    let shrunk = shrink(
        &generate(*seed),
        findings[0].invariant,
        None,
        &after(Duration::from_secs(60)),
    );
    panic!(
        "seed {seed}: {findings:#?}\n\nshrunk:\n{}\n{:#?}",
        shrunk.told.diary.join("\n"),
        shrunk.script.sites_only
    );
}

#[test]
fn whatever_happens_every_request_has_its_fate_and_the_money_is_right() {
    let first = number("ALMONER_SEED", 0);
    check(first..first + number("ALMONER_HISTORIES", HISTORIES));
}

#[test]
fn so_it_is_in_histories_that_nobody_has_seen_before() {
    #[expect(clippy::disallowed_methods, reason = "each run has seeds of its own")]
    let now = SystemTime::now();
    let now_s = now.duration_since(UNIX_EPOCH).unwrap().as_secs();
    let first = number("ALMONER_FRESH_SEED", now_s) * 1_000;
    // To the handle itself: what a test prints is kept back while it passes.
    writeln!(std::io::stderr(), "fresh seeds: {first}..{}", first + FRESH).unwrap();
    check(first..first + FRESH);
}

/// A seed is one history: in this thread, in another one, and in another process.
#[test]
fn a_seed_is_one_history() {
    for seed in [2, 7, 14] {
        let tell = move || run(&generate(seed), None, true).diary;
        let (here, there) = (tell(), thread::spawn(tell).join().unwrap());
        assert!(here.len() > 500, "{}", here.len());
        assert_eq!(here, there);
        let mut command = Command::new(env!("CARGO_BIN_EXE_almoner-simulation"));
        let output = command
            .args(["--trace", "--seed", &seed.to_string()])
            .output()
            .unwrap();
        let told = String::from_utf8(output.stdout).unwrap();
        assert!(
            told.contains(&format!("trace {:016x}", trace_hash(&here))),
            "{told}"
        );
    }
}

/// The judge is not blind, for any of the defects.
#[test]
#[cfg_attr(debug_assertions, ignore = "takes minutes without optimization")]
fn each_defect_is_found() {
    for control in CONTROLS {
        let name = control.defect.name;
        let caught = control.try_on(0..CONTROL_HISTORIES, threads());
        let caught = caught.unwrap_or_else(|| panic!("{name} is not found"));
        println!("{:>5}  {name} ({})", caught.histories, caught.invariant);
    }
}

/// What is left of a broken history is short, and still broken.
#[test]
fn a_broken_history_shrinks_to_what_matters() {
    let control = CONTROLS
        .iter()
        .find(|it| it.defect.name.contains("body rebuilt"))
        .unwrap();
    let invariant = control.breaks[0];
    let shrunk = shrink(
        &generate(0),
        invariant,
        Some(control.defect),
        &after(Duration::from_secs(120)),
    );
    let breaks = |told: &Told| told.findings.iter().any(|it| it.invariant == invariant);
    assert!(breaks(&shrunk.told));
    assert!(
        shrunk.script.events.len() <= 2,
        "{:#?}",
        shrunk.script.events
    );
    assert!(shrunk.told.diary.iter().any(|line| line.contains("FOUND")));
}
