//! The whole way: embedded broker, HTTP to the simulator, SQLite with every fsync, outcomes read back.

use std::sync::atomic::{AtomicBool, AtomicU64};
use std::time::Duration;

use almoner::app::Runtimes;
use almoner::demo::{CLIENT_WAIT_MS, Follower, Publisher, Stage, StageOptions, Watching, judge};
use almoner::simulator::Profile;
use almoner_loadtest::{Answerer, LatencyMs, Scenario, Traffic, Watch};

use crate::pace;
use crate::stages::{Sample, Used};

/// What one run of the whole way measured.
pub struct Measured {
    /// Requests with their fate a second, from the first published to the last outcome read.
    pub per_s: f64,
    /// CPU of the whole process for each request, in microseconds: broker, simulator, publisher and reader included.
    pub cpu_us: f64,
    /// The same by stage, and the wakes: the main thread publishes for the people.
    pub stages: Used,
    /// From being published to the end.
    pub latency_ms: LatencyMs,
}

/// How much is asked of it.
#[derive(Clone, Copy)]
pub struct Load {
    /// How long the gateway takes for a call.
    pub gateway_latency_ms: u32,
    /// Requests a second, whatever becomes of those before; `None` as fast as the broker has room.
    pub offered_per_s: Option<f64>,
    /// See [`StageOptions::client_wait_ms`].
    pub client_wait_ms: u32,
}

impl Load {
    /// As fast as it goes, with a gateway that takes so long.
    pub fn full(gateway_latency_ms: u32) -> Self {
        Self {
            gateway_latency_ms,
            offered_per_s: None,
            client_wait_ms: CLIENT_WAIT_MS,
        }
    }
}

/// Lets `donations` people give.
pub fn run(runtimes: &Runtimes, donations: u64, load: Load) -> Measured {
    let Load {
        gateway_latency_ms,
        offered_per_s,
        client_wait_ms,
    } = load;
    let folder = tempfile::tempdir().expect("a temporary folder");
    let options = StageOptions {
        data: folder.path().to_owned(),
        faults: Profile::none(),
        seed: 1,
        gateway_latency_ms,
        http2: true,
        client_wait_ms,
        gateway_in_flight_max: if gateway_latency_ms == 0 { 256 } else { 2_048 },
    };
    let scenario = Scenario::bench(donations, 1);
    let watching = Watching::new(Watch::new(donations as usize));
    let stage = Stage::set(&options, &scenario, runtimes).expect("the stage");
    let publisher =
        Publisher::new(&stage.kafka, client_wait_ms, watching.clone()).expect("a publisher");
    let follower = Follower::start(
        &stage.kafka,
        client_wait_ms,
        watching.clone(),
        Answerer::new(&scenario),
        publisher.clone(),
    );
    let follower = follower.expect("a follower");
    while !stage.app.is_assigned() {
        std::thread::sleep(Duration::from_millis(10));
    }
    let traffic: Vec<_> = Traffic::new(&scenario).expect("traffic").collect();
    let began_us = watching.now_us();
    let cpu_before_us = crate::cpu::process_us();
    let before = Sample::take();
    let (published, stop) = (AtomicU64::new(0), AtomicBool::new(false));
    let traffic = pace::paced(traffic.into_iter(), offered_per_s);
    publisher
        .publish_all(&stage.kafka, traffic, &published, &stop)
        .expect("published");
    watching.lock().all_asked();
    while !watching.lock().is_resolved() {
        std::thread::sleep(Duration::from_millis(2));
    }
    let elapsed_s = (watching.now_us() - began_us) as f64 / 1e6;
    let cpu_us = (crate::cpu::process_us() - cpu_before_us) as f64;
    let requests = watching.lock().summary().sent.total() as f64;
    let stages = before.since(requests);
    drop(follower);
    let books = stage.app.store.books().expect("books");
    stage.app.stop();
    let watch = watching.lock();
    let verdict = judge(&watch, &stage.gateway.intents(), &books).expect("books");
    assert!(
        verdict.ok,
        "a fast answer that is wrong counts for nothing: {:?}",
        verdict.findings
    );
    let summary = watch.summary();
    Measured {
        per_s: requests / elapsed_s,
        cpu_us: cpu_us / requests,
        stages,
        latency_ms: summary.latency_ms,
    }
}
