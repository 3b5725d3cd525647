//! How soon after a `kill -9` the next card is charged.

use std::collections::BTreeMap;
use std::time::Duration;

use almoner::clock::SystemClock;
use almoner::demo::PARTITIONS;
use almoner_actors::ports::Clock;
use serde::Serialize;
use serde_json::Value;
use tokio::time::Instant;

use crate::harness::wait_until;
use crate::memory::metric;
use crate::scene::{LOOK_EVERY, Scene, answered};
use crate::threads;

/// Requests that wait unread at the kill.
pub const BACKLOG: u64 = 20_000;
/// Nothing happens any more if nothing has for so long.
const STILL_FOR: Duration = Duration::from_secs(1);
/// The steps of a start, by what the log says when they are done.
const PHASES: [(&str, &str); 7] = [
    ("store_open", "the store is open"),
    ("topics_checked", "the topics are checked"),
    (
        "campaigns_read",
        "the campaigns are read, and the group is joined",
    ),
    ("group_joined", "the assignment changes"),
    ("claimed", "shard claimed"),
    ("windows_filled", "windows filled"),
    ("taken_over", "shard taken over"),
];

/// What was measured.
#[derive(Serialize)]
pub struct Recovery {
    /// In flight at the kill: accepted and not finished, or about to be accepted.
    in_flight: u64,
    /// Requests that were published and not answered then.
    unanswered: u64,
    first_charge_ms: f64,
    group_ms: f64,
    ours_ms: f64,
    /// What the instance had used of the cores by then: of `ours_ms` on a machine that others use, the part that stays.
    cpu_ms: f64,
    /// When each step was done: for the first shard, and for the last.
    phases_ms: BTreeMap<&'static str, (f64, f64)>,
}

/// Kills the instance at the worst moment and starts it again.
pub fn measure(scene: &mut Scene) -> Recovery {
    scene.gateway.process().freeze();
    scene.people.publish(&scene.kafka, BACKLOG, None);
    let in_flight = || {
        metric(
            scene.instance.as_ref().expect("an instance"),
            "almoner_flights{",
        )
    };
    let in_flight = when_still(in_flight);
    let mut instance = scene.instance.take().expect("an instance");
    instance.process.kill();
    drop(instance);
    // What was on the wire is charged now, before anybody is there to hear it.
    scene.gateway.process().thaw();
    let journal_bytes = when_still(|| scene.gateway.journal_bytes());
    scene.change_group();
    let sent = scene.people.watching.lock().summary().sent.total();
    let unanswered = sent - answered(&scene.people.watching);

    let (began, began_ms) = (Instant::now(), SystemClock.wall_ms());
    // It says that it runs before it has joined its group, and so before it can charge.
    scene.start(&[("RUST_LOG", "info,almoner=debug,almoner_actors=debug")]);
    while scene.gateway.journal_bytes() <= journal_bytes {
        std::thread::sleep(Duration::from_millis(1));
    }
    let first_charge_ms = began.elapsed().as_secs_f64() * 1e3;
    let cpu_ms = cpu_ms(scene.instance().process.pid());
    let phases_ms = phases(scene, began_ms);
    let group_ms = phases_ms["group_joined"].0 - phases_ms["campaigns_read"].0;
    Recovery {
        in_flight,
        unanswered,
        first_charge_ms,
        group_ms,
        ours_ms: first_charge_ms - group_ms,
        cpu_ms,
        phases_ms,
    }
}

/// When each step was done, in milliseconds from the start, once every shard is taken over.
fn phases(scene: &mut Scene, began_ms: i64) -> BTreeMap<&'static str, (f64, f64)> {
    let process = &mut scene.instance().process;
    let taken_over = |said: &str| said.matches(PHASES[6].1).count() == usize::from(PARTITIONS);
    let is_ready = || taken_over(&process.said()).then_some(());
    wait_until("every shard", || process.said_lines(), is_ready);
    let said = process.said();
    let lines: Vec<Value> = (said.lines())
        .filter_map(|line| serde_json::from_str(line).ok())
        .collect();
    let phase = |(name, message): (&'static str, &str)| {
        let times = lines.iter().filter(|line| line["message"] == message);
        let times: Vec<f64> = times
            .map(|line| since(began_ms, line["timestamp"].as_str().expect("a time")))
            .collect();
        let first = times.iter().copied().reduce(f64::min).expect(message);
        let last = times.iter().copied().reduce(f64::max).expect(message);
        (name, (first, last))
    };
    PHASES.into_iter().map(phase).collect()
}

fn since(began_ms: i64, timestamp: &str) -> f64 {
    let at: jiff::Timestamp = timestamp.parse().expect("a time");
    (at.as_millisecond() - began_ms) as f64
}

/// The CPU time of a process's threads that have not ended.
fn cpu_ms(pid: u32) -> f64 {
    threads::of(&pid.to_string())
        .map(|thread| thread.ns as f64 / 1e6)
        .sum()
}

/// A number that grows, once it does not any more.
fn when_still(look: impl Fn() -> u64) -> u64 {
    let (mut last, mut since) = (look(), Instant::now());
    while since.elapsed() < STILL_FOR {
        std::thread::sleep(LOOK_EVERY);
        let now = look();
        if now != last {
            (last, since) = (now, Instant::now());
        }
    }
    last
}
