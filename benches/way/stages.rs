//! Where the CPU time of a run went: by the process's threads, whose names say what they do.

use std::collections::{BTreeMap, HashMap};

use crate::threads;

/// The CPU time of every thread so far.
pub struct Sample {
    /// Name and nanoseconds by thread.
    threads: HashMap<u32, (String, u64)>,
    process_us: u64,
}

/// Microseconds of CPU by stage.
pub type Stages = BTreeMap<&'static str, f64>;

impl Sample {
    /// As of now.
    pub fn take() -> Self {
        Self {
            threads: threads::all()
                .map(|(id, name, ns)| (id, (name, ns)))
                .collect(),
            process_us: crate::cpu::process_us(),
        }
    }

    /// What each stage used since then, for each of `count` requests. Threads that ended meanwhile, and the kernel's
    /// work that no thread of ours was charged for, are in `rest`.
    pub fn since(&self, count: f64) -> Stages {
        let now = Self::take();
        let mut stages = Stages::new();
        for (id, (name, ns)) in &now.threads {
            let before_ns = self.threads.get(id).map_or(0, |(_, ns)| *ns);
            let used_us = ns.saturating_sub(before_ns) as f64 / 1_000.0;
            *stages.entry(stage(name, *id)).or_default() += used_us / count;
        }
        let whole_us = (now.process_us - self.process_us) as f64 / count;
        let known_us: f64 = stages.values().sum();
        *stages.entry("rest").or_default() += (whole_us - known_us).max(0.0);
        stages.retain(|_, us| *us >= 0.05);
        stages
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
