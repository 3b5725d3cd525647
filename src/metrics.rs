//! The metrics recorder: what is counted anywhere in the process is rendered for Prometheus.

mod process;
mod table;

use std::sync::Arc;
use std::time::Duration;

use almoner_actors::telemetry::Metric;
use metrics::gauge;
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};
use tokio::runtime::Handle;
use tokio::task::AbortHandle;
use tokio::time::{MissedTickBehavior, interval};

pub use table::{page, table};

/// Of every histogram `*_seconds`: 100 µs to 60 s.
const SECONDS: [f64; 18] = [
    0.0001, 0.000_25, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5,
    5.0, 10.0, 30.0, 60.0,
];

/// Of every other histogram: sizes of batches and the like.
const POWERS_OF_TWO: [f64; 17] = [
    1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1024.0, 2048.0, 4096.0, 8192.0,
    16384.0, 32768.0, 65536.0,
];

/// The recorder keeps every value of a histogram until this is done.
const UPKEEP_EVERY: Duration = Duration::from_secs(5);

/// The process's recorder. Cloning it shares it; its upkeep ends with the last clone.
#[derive(Clone)]
pub struct Metrics {
    recorder: PrometheusHandle,
    _upkeep: Arc<Upkeep>,
}

struct Upkeep(AbortHandle);

/// Why there are no metrics.
#[derive(Debug, thiserror::Error)]
#[error("the metrics recorder cannot be installed; a process installs it once")]
pub struct MetricsError(#[from] BuildError);

impl Metrics {
    /// Installs the recorder for the whole process and keeps it up on the runtime. Handles that were taken before
    /// count nothing, so this comes first.
    ///
    /// # Errors
    /// The process has a recorder.
    pub fn install(runtime: &Handle) -> Result<Self, MetricsError> {
        let recorder = PrometheusBuilder::new()
            .set_buckets(&POWERS_OF_TWO)?
            .set_buckets_for_metric(Matcher::Suffix("_seconds".into()), &SECONDS)?
            .install_recorder()?;
        table::described().for_each(Metric::describe);
        gauge!(table::BUILD_INFO, "version" => env!("CARGO_PKG_VERSION")).set(1.0);
        let upkeep = runtime.spawn(keep_up(recorder.clone()));
        Ok(Self {
            recorder,
            _upkeep: Arc::new(Upkeep(upkeep.abort_handle())),
        })
    }

    /// All metrics in Prometheus' text format, with those of the process as the system knows them.
    #[must_use]
    pub fn render(&self) -> String {
        let mut text = self.recorder.render();
        process::render(&mut text);
        text
    }
}

impl Drop for Upkeep {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn keep_up(recorder: PrometheusHandle) {
    let mut ticks = interval(UPKEEP_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        recorder.run_upkeep();
    }
}
