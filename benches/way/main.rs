//! How fast: the runtime alone (actors and domain; source, gateway, store and broker in memory), and the whole way
//! (embedded broker, HTTP simulator, SQLite with every fsync), in one run on one machine. Ends with one line of JSON.
//!
//! `cargo bench --bench way`, `cargo bench --bench way -- DONATIONS`; with `-- alone`, `-- whole` or `-- latency` one part, to
//! profile.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod cpu;
mod memory;
#[path = "../support/pace.rs"]
mod pace;
mod runtime;
mod stages;
#[path = "../support/threads.rs"]
mod threads;
mod whole;

use almoner::app::Runtimes;
use almoner::config::{Config, UnknownCampaigns};
use almoner_loadtest::{Scenario, Traffic};

use crate::stages::Stages;
use crate::whole::Load;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Donations of each part, unless said otherwise.
const DONATIONS: u64 = 300_000;
/// Each part is run so often, and its median counts.
const ROUNDS: usize = 3;
/// What a call to the gateway takes where it takes something.
const GATEWAY_MS: u32 = 20;
/// How long Kafka clients wait where latency is measured: a broker that ends the wait of a fetch when something comes
/// would need no such short one.
const PROMPT_MS: u32 = 1;

fn main() {
    // `cargo bench` passes `--bench`.
    let donations = std::env::args()
        .skip(1)
        .find_map(|arg| arg.parse().ok())
        .unwrap_or(DONATIONS);
    let runtimes = Runtimes::start().expect("runtimes");
    let is_only = |part: &str| std::env::args().any(|arg| arg == part);
    if is_only("whole") {
        let measured = whole::run(&runtimes, donations, Load::full(0));
        return println!(
            "the whole way: {:.0}/s, {:.1} µs of CPU each, {:?}, wakes {:?}",
            measured.per_s,
            measured.cpu_us,
            rounded(&measured.stages.us, 10.0),
            rounded(&measured.stages.wakes, 100.0)
        );
    }
    if is_only("latency") {
        let full = whole::run(&runtimes, donations, Load::full(GATEWAY_MS));
        return println!("{}", added_ms(&runtimes, donations, full.per_s / 2.0));
    }
    let records: Vec<(Vec<u8>, Vec<u8>)> = Traffic::new(&Scenario::bench(donations, 1))
        .expect("traffic")
        .map(|planned| (planned.key.into_bytes(), planned.value))
        .collect();
    if is_only("alone") {
        let measured = runtime::run(&runtimes, &records, &unlimited());
        return println!(
            "the runtime alone: {:.0}/s, {:.1} µs of CPU each, {:?}, wakes {:?}",
            measured.per_s,
            measured.cpu_us,
            rounded(&measured.stages.us, 10.0),
            rounded(&measured.stages.wakes, 100.0)
        );
    }
    let bytes_per_active_user = memory::bytes_per_active_user(&runtimes);
    eprintln!("a user with its actor and window: {bytes_per_active_user:.0} bytes");

    let alone = median(
        || runtime::run(&runtimes, &records, &unlimited()),
        |it| it.per_s,
    );
    eprintln!(
        "the runtime alone: {:.0}/s, {:.1} µs of CPU each",
        alone.per_s, alone.cpu_us
    );
    let at_0_ms = median(
        || whole::run(&runtimes, donations, Load::full(0)),
        |it| it.per_s,
    );
    eprintln!(
        "the whole way: {:.0}/s, {:.1} µs of CPU each",
        at_0_ms.per_s, at_0_ms.cpu_us
    );
    let at_20_ms = median(
        || whole::run(&runtimes, donations, Load::full(GATEWAY_MS)),
        |it| it.per_s,
    );
    eprintln!(
        "the whole way at 20 ms: {:.0}/s, {:.1} µs of CPU each",
        at_20_ms.per_s, at_20_ms.cpu_us
    );
    let added_ms = added_ms(&runtimes, donations, at_20_ms.per_s / 2.0);
    eprintln!("added at half of that: {added_ms}");

    let result = serde_json::json!({
        "runtime_per_s": alone.per_s.round(),
        "whole_way_per_s": at_0_ms.per_s.round(),
        "whole_way_20ms_per_s": at_20_ms.per_s.round(),
        "cpu_us_per_donation": round(at_0_ms.cpu_us),
        "stages_us": {
            "alone": rounded(&alone.stages.us, 10.0),
            "whole_way": rounded(&at_0_ms.stages.us, 10.0),
        },
        "stages_wakes": {
            "alone": rounded(&alone.stages.wakes, 100.0),
            "whole_way": rounded(&at_0_ms.stages.wakes, 100.0),
        },
        "bytes_per_active_user": bytes_per_active_user.round(),
        "latency_ms_20ms": at_20_ms.latency_ms,
        "added_ms": added_ms,
    });
    println!("{result}");
}

/// What donations take beside the gateway's time, in milliseconds, with `offered_per_s` in an open loop (a quarter of the
/// donations, the median of the rounds): from the moment at which a front end hands its request to its Kafka client until
/// another has read the donation's end, less the [`GATEWAY_MS`] of one call. So all that waits in clients and broker is in
/// it (linger, fetches, acknowledgements), and both of the store's commits, and whatever the simulator takes beyond its
/// time, as the rounding of its timer.
fn added_ms(runtimes: &Runtimes, donations: u64, offered_per_s: f64) -> serde_json::Value {
    let load = Load {
        gateway_latency_ms: GATEWAY_MS,
        offered_per_s: Some(offered_per_s),
        client_wait_ms: PROMPT_MS,
    };
    let at_half = median(
        || whole::run(runtimes, donations / 4, load),
        |it| it.latency_ms.p99,
    );
    let added = |ms: f64| round(ms - f64::from(GATEWAY_MS));
    serde_json::json!({
        "offered_per_s": offered_per_s.round(),
        "p50": added(at_half.latency_ms.p50),
        "p99": added(at_half.latency_ms.p99),
    })
}

/// No limit but the machine's, and every campaign takes donations.
fn unlimited() -> Config {
    let mut config = Config::default();
    config.donations.unknown_campaigns = UnknownCampaigns::Accept;
    config.gateway.requests_per_second_max = 0;
    config.gateway.endpoint_requests_per_second_max = 0;
    config
}

fn median<T>(mut run: impl FnMut() -> T, by: impl Fn(&T) -> f64) -> T {
    let mut runs: Vec<T> = (0..ROUNDS).map(|_| run()).collect();
    runs.sort_by(|a, b| by(a).total_cmp(&by(b)));
    runs.swap_remove(ROUNDS / 2)
}

/// To so many parts of one.
fn rounded(stages: &Stages, parts: f64) -> Stages {
    let rounded = |number: &f64| (number * parts).round() / parts;
    (stages
        .iter()
        .map(|(stage, number)| (*stage, rounded(number))))
    .collect()
}

fn round(us: f64) -> f64 {
    (us * 10.0).round() / 10.0
}
