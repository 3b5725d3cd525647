//! `/metrics`: complete, described, and as Prometheus wants it.

use std::io::{ErrorKind, Write};
use std::process::{Command, Stdio};
use std::sync::Arc;

use almoner::clock::SystemClock;
use almoner::http::{Health, serve_admin};
use almoner::metrics::Metrics;
use almoner_actors::telemetry::{Kind, METRICS};
use tokio::runtime::Handle;

use crate::{ANYWHERE, LIMITS, get, metrics};

/// The exposition after every metric of the actors was touched.
async fn exposition() -> String {
    let metrics = metrics();
    for metric in METRICS {
        match metric.kind {
            Kind::Counter => metrics::counter!(metric.name).increment(1),
            Kind::Gauge => metrics::gauge!(metric.name).set(1.0),
            Kind::Histogram => metrics::histogram!(metric.name).record(0.003),
        }
    }
    metrics::histogram!("almoner_test_batch_operations").record(3.0);
    metrics::describe_histogram!("almoner_test_batch_operations", "Operations of a batch");
    let server = serve_admin(
        &Handle::current(),
        ANYWHERE,
        LIMITS,
        Arc::new(Health::new()),
        metrics,
        Arc::new(SystemClock),
    )
    .unwrap();
    let answer = get(server.address(), "/metrics").await;
    let kind = "text/plain; version=0.0.4; charset=utf-8";
    assert_eq!(
        (answer.status, answer.header("content-type")),
        (200, Some(kind))
    );
    answer.body
}

#[tokio::test]
async fn every_metric_has_its_help_and_type() {
    let text = exposition().await;
    let check = |name: &str, kind: &str, meaning: &str| {
        for line in [
            format!("# HELP {name} {meaning}"),
            format!("# TYPE {name} {kind}"),
        ] {
            let times = text.lines().filter(|it| **it == line).count();
            assert_eq!(times, 1, "{line} in:\n{text}");
        }
    };
    for metric in METRICS {
        check(metric.name, metric.kind.as_str(), metric.meaning);
    }
    check("almoner_build_info", "gauge", "1; the labels say what runs");
    check(
        "process_resident_memory_bytes",
        "gauge",
        "Resident memory in bytes",
    );
    check(
        "process_cpu_seconds_total",
        "counter",
        "CPU time of user and system in seconds",
    );
    let build = format!(
        "almoner_build_info{{version=\"{}\"}} 1",
        env!("CARGO_PKG_VERSION")
    );
    assert!(text.lines().any(|line| line == build), "{text}");
}

#[tokio::test]
async fn histograms_have_buckets_in_their_unit() {
    let text = exposition().await;
    assert!(!text.contains("quantile="), "a summary in:\n{text}");
    let buckets = |name: &str| -> Vec<String> {
        let start = format!("{name}_bucket{{le=\"");
        let of_name = text.lines().filter_map(|line| line.strip_prefix(&start));
        of_name
            .map(|rest| rest.split('"').next().unwrap().to_owned())
            .collect()
    };
    let ends = |buckets: &[String]| {
        let last_but_infinity = buckets.len() - 2;
        (buckets[0].clone(), buckets[last_but_infinity].clone())
    };
    let expected = |first: &str, last: &str| (first.to_owned(), last.to_owned());
    let seconds = buckets("almoner_stage_duration_seconds");
    assert_eq!(ends(&seconds), expected("0.0001", "60"));
    let operations = buckets("almoner_test_batch_operations");
    assert_eq!(ends(&operations), expected("1", "65536"));
}

#[tokio::test]
async fn promtool_finds_nothing_wrong() {
    let text = exposition().await;
    let spawned = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let mut promtool = match spawned {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            return eprintln!("left out: promtool is not installed (apt-get install prometheus)");
        }
        spawned => spawned.unwrap(),
    };
    promtool
        .stdin
        .take()
        .unwrap()
        .write_all(text.as_bytes())
        .unwrap();
    let found = promtool.wait_with_output().unwrap();
    assert!(found.status.success(), "{found:?} in:\n{text}");
}

#[tokio::test]
async fn a_second_recorder_is_refused() {
    let _first = metrics();
    let refused = Metrics::install(&Handle::current()).err().unwrap();
    let said = "the metrics recorder cannot be installed; a process installs it once";
    assert_eq!(refused.to_string(), said);
}
