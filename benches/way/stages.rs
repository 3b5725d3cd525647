//! Where the CPU time of a run went, and how often threads were woken for it: by the process's threads, whose names say
//! what they do.

use std::collections::{BTreeMap, HashMap};

use crate::threads::{self, Thread};

/// What every thread has used so far.
pub struct Sample {
    threads: HashMap<u32, Thread>,
    process_us: u64,
}

/// A number by stage.
pub type Stages = BTreeMap<&'static str, f64>;

/// What the stages used for a request.
pub struct Used {
    /// Microseconds of CPU. Threads that ended meanwhile, and the kernel's work that no thread of ours was charged for,
    /// are in `rest`.
    pub us: Stages,
    /// How often a thread was put on a core: it was woken, or goes on after another.
    pub wakes: Stages,
}

impl Sample {
    /// As of now.
    pub fn take() -> Self {
        Self {
            threads: threads::of("self")
                .map(|thread| (thread.id, thread))
                .collect(),
            process_us: crate::cpu::process_us(),
        }
    }

    /// What each stage used since then, for each of `count` requests.
    pub fn since(&self, count: f64) -> Used {
        let now = Self::take();
        let (mut us, mut wakes) = (Stages::new(), Stages::new());
        for (id, thread) in &now.threads {
            let (ns, woken) = self.threads.get(id).map_or((0, 0), |it| (it.ns, it.wakes));
            let stage = stage(&thread.name, *id);
            let used_us = thread.ns.saturating_sub(ns) as f64 / 1_000.0;
            *us.entry(stage).or_default() += used_us / count;
            *wakes.entry(stage).or_default() += thread.wakes.saturating_sub(woken) as f64 / count;
        }
        let whole_us = (now.process_us - self.process_us) as f64 / count;
        let known_us: f64 = us.values().sum();
        *us.entry("rest").or_default() += (whole_us - known_us).max(0.0);
        us.retain(|_, us| *us >= 0.05);
        wakes.retain(|_, wakes| *wakes >= 0.005);
        Used { us, wakes }
    }
}

/// The stage that a thread works for.
fn stage(name: &str, id: u32) -> &'static str {
    match name {
        // Alone it decodes and checks what it offers; on the whole way it publishes for the people.
        _ if id == std::process::id() => "main_thread",
        _ if name.starts_with("actix-rt") => "actors",
        _ if name.starts_with("store") => "store",
        "gateway" => "gateway_client",
        "simulator" => "simulator",
        "kafka-consumer" => "consumer_and_intake",
        "follower" => "follower",
        "embedded-broker" | "rdk:mock" => "mock_broker",
        _ if name.starts_with("kafka") || name.starts_with("rdk:") || name.contains("poll") => {
            "kafka_clients"
        }
        _ => "rest",
    }
}
