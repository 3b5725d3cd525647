//! The speed that stays: memory over millions of donations, and how soon after a `kill -9` the next card is charged.
//! Ends with one line of JSON.
//!
//! `cargo bench --bench endurance -- [DONATIONS]`; 3 million by default, which takes some minutes and some GB below
//! `TMPDIR`. Instance and simulator are processes of their own; broker and people are in this one. Then memory is the
//! instance's alone.
//!
//! - **Memory.** People give in an open loop of [`OFFERED_PER_S`], as many users as donations (Zipf-distributed). A user's
//!   window of doubles lasts [`WINDOW_S`] here, so that users come and go many times; the default would keep a minute's.
//!   `resident_mib` is what the instance holds after a sixth, a third, two thirds and all of the donations, `resident_ratio`
//!   the last of them to the first.
//! - **Recovery.** The gateway freezes, and the instance is killed with as much in flight as it takes on, and a backlog that
//!   it has not read. With the default window of doubles, the longest that has to be read again, it is started anew on its
//!   folder: `first_charge_ms` is the time from there to the first charge that the gateway notes. `group_ms` of that is the
//!   broker's: librdkafka's mock cluster lets a group's first member wait for others for 3 s, as Kafka's
//!   `group.initial.rebalance.delay.ms` does. With a real broker (`ALMONER_KAFKA=$(tests/services/kafka.sh start)`) the instance
//!   has an `instance_id`, and need not wait. `ours_ms` is the rest. `phases_ms` says when each step was done.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod harness;
mod memory;
#[path = "../support/pace.rs"]
mod pace;
#[path = "../../tests/support/real_kafka.rs"]
#[allow(dead_code, reason = "the tests need more of it")]
mod real_kafka;
mod recovery;
mod scene;
#[path = "../support/threads.rs"]
#[allow(dead_code, reason = "others need more of it")]
mod threads;

use crate::scene::Scene;

/// Donations, unless said otherwise.
const DONATIONS: u64 = 3_000_000;
/// Donations a second that are asked for.
const OFFERED_PER_S: f64 = 10_000.0;
/// The window of doubles while memory is measured, in seconds.
const WINDOW_S: u32 = 10;

fn main() {
    // `cargo bench` passes `--bench`.
    let asked = std::env::args().skip(1).find_map(|arg| arg.parse().ok());
    let donations = asked.unwrap_or(DONATIONS);
    let mut scene = Scene::set(donations);
    let memory = memory::measure(&mut scene, donations);
    let recovery = recovery::measure(&mut scene);
    scene.assert_money_is_right();
    let result = serde_json::json!({
        "donations": donations,
        "memory": memory,
        "recovery": recovery,
    });
    println!("{result}");
}
