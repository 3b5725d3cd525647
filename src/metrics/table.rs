//! Every metric that a process shows, in one table: `/metrics` describes them by it, and so does `docs/metrics.md`.

use std::fmt::Write as _;

use almoner_actors::telemetry::{self, Metric};

use super::process;
use crate::store::{scylla, sqlite};
use crate::{gateway, kafka};

/// What runs.
pub(super) const BUILD_INFO: &str = "almoner_build_info";

const BUILD: &[Metric] = &[Metric::gauge(
    BUILD_INFO,
    &["version"],
    "1; the labels say what runs",
)];

/// Each part's title and its metrics.
const PARTS: [(&str, &[Metric]); 7] = [
    ("Donations and actors", telemetry::METRICS),
    ("Gateway", gateway::telemetry::METRICS),
    ("Store in SQLite", sqlite::telemetry::METRICS),
    ("Store in ScyllaDB", scylla::telemetry::METRICS),
    ("Kafka", kafka::telemetry::METRICS),
    ("Build", BUILD),
    ("Process", process::METRICS),
];

/// Every metric.
pub fn table() -> impl Iterator<Item = &'static Metric> {
    PARTS.into_iter().flat_map(|(_, metrics)| metrics)
}

/// Those that the recorder holds; the process's are read when they are asked for.
pub(super) fn described() -> impl Iterator<Item = &'static Metric> {
    table().filter(|metric| !process::METRICS.contains(metric))
}

/// `docs/metrics.md`.
#[must_use]
pub fn page() -> String {
    let mut page = INTRODUCTION.to_owned();
    for (title, metrics) in PARTS {
        let head = "| metric | kind | labels | meaning |\n|---|---|---|---|";
        // Writing to a String does not fail.
        let _ = writeln!(page, "\n## {title}\n\n{head}");
        for metric in metrics {
            let labels: Vec<_> = metric.labels.iter().map(|it| format!("`{it}`")).collect();
            let _ = writeln!(
                page,
                "| `{}` | {} | {} | {} |",
                metric.name,
                metric.kind.as_str(),
                labels.join(", "),
                metric.meaning
            );
        }
    }
    page
}

const INTRODUCTION: &str = "\
# Metrics

<!-- Made by `cargo run -- config docs --write` from the tables in the code (src/metrics/table.rs); change those. -->

`http://127.0.0.1:9464/metrics` (`[admin] listen`) shows these to Prometheus. A name ends in its unit: seconds, bytes, or what is
counted. A histogram has `_bucket`, `_sum` and `_count`. What has labels appears when it first happens. Ids are never labels.
";

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn a_name_stands_there_once_and_says_its_unit_and_kind() {
        let mut names = BTreeSet::new();
        for metric in table() {
            let name = metric.name;
            assert!(names.insert(name), "{name} stands there twice");
            let is_counter = metric.kind == telemetry::Kind::Counter;
            assert_eq!(name.ends_with("_total"), is_counter, "{name}");
        }
    }
}
