//! The metrics that every Prometheus client has of its process, from `/proc`. What cannot be read is left out, as
//! on systems without it.

use std::fmt::Write;
use std::fs;

use almoner_actors::telemetry::Metric;
use rustix::time::{ClockId, clock_gettime};

/// Clock ticks a second in `/proc`: the kernel's `USER_HZ`, 100 on every architecture that it runs on here.
const TICKS_PER_SECOND: f64 = 100.0;

/// Every metric of the process, in the order of its values below.
pub(super) const METRICS: &[Metric; 7] = &[
    Metric::counter(
        "process_cpu_seconds_total",
        &[],
        "CPU time of user and system in seconds",
    ),
    Metric::gauge(
        "process_resident_memory_bytes",
        &[],
        "Resident memory in bytes",
    ),
    Metric::gauge(
        "process_virtual_memory_bytes",
        &[],
        "Virtual memory in bytes",
    ),
    Metric::gauge("process_threads", &[], "Threads"),
    Metric::gauge("process_open_fds", &[], "Open file descriptors"),
    Metric::gauge(
        "process_max_fds",
        &[],
        "The most file descriptors that may be open",
    ),
    Metric::gauge(
        "process_start_time_seconds",
        &[],
        "When the process started, in seconds since 1970",
    ),
];

/// Appends the metrics to an exposition.
pub(super) fn render(to: &mut String) {
    let of_self = |file: &str| fs::read_to_string(format!("/proc/self/{file}"));
    let status = of_self("status").unwrap_or_default();
    let limits = of_self("limits").unwrap_or_default();
    let stat = of_self("stat").unwrap_or_default();
    let system = fs::read_to_string("/proc/stat").unwrap_or_default();
    let values = [
        Some(cpu_seconds()),
        kilobytes(&status, "VmRSS:"),
        kilobytes(&status, "VmSize:"),
        number_after(&status, "Threads:"),
        open_fds(),
        number_after(&limits, "Max open files"),
        start_time(&stat, &system),
    ];
    for (metric, value) in METRICS.iter().zip(values) {
        if let Some(value) = value {
            write_row(to, metric, value);
        }
    }
}

fn write_row(to: &mut String, metric: &Metric, value: f64) {
    let Metric { name, meaning, .. } = metric;
    let kind = metric.kind.as_str();
    // A string takes everything.
    let _ = write!(
        to,
        "# HELP {name} {meaning}\n# TYPE {name} {kind}\n{name} {value}\n\n"
    );
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a process's CPU seconds stay far below 2^53"
)]
fn cpu_seconds() -> f64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

#[expect(
    clippy::cast_precision_loss,
    reason = "file descriptors are far below 2^53"
)]
fn open_fds() -> Option<f64> {
    // Reading the folder opens one more.
    let listed = fs::read_dir("/proc/self/fd").ok()?.count();
    Some(listed.saturating_sub(1) as f64)
}

fn kilobytes(status: &str, name: &str) -> Option<f64> {
    Some(number_after(status, name)? * 1024.0)
}

/// The first number behind the name that begins a line; "unlimited" is none.
fn number_after(text: &str, name: &str) -> Option<f64> {
    let rest = text.lines().find_map(|line| line.strip_prefix(name))?;
    let number: u64 = rest.split_whitespace().next()?.parse().ok()?;
    #[expect(
        clippy::cast_precision_loss,
        reason = "a metric is a float; a rounded count of bytes is good enough"
    )]
    Some(number as f64)
}

/// The boot's time and the process's age at its start.
fn start_time(stat: &str, system: &str) -> Option<f64> {
    // The second field is the program's name in brackets, with anything in it; the start is the twenty-second.
    let (_, fields) = stat.rsplit_once(')')?;
    let ticks: f64 = fields.split_whitespace().nth(19)?.parse().ok()?;
    Some(number_after(system, "btime")? + ticks / TICKS_PER_SECOND)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_start_is_read_behind_any_name() {
        let stat = "7 (a) b (c) S 1 7 7 0 -1 4194560 1 0 0 0 1 2 0 0 20 0 9 0 12345 1 1 1";
        let system = "cpu 1 2\nbtime 1700000000\nprocesses 1\n";
        assert_eq!(start_time(stat, system), Some(1_700_000_123.45));
        assert_eq!(start_time("", system), None);
    }

    #[test]
    fn numbers_are_read_by_the_name_of_their_line() {
        let status = "Name:\tx\nVmRSS:\t    2048 kB\n";
        assert_eq!(kilobytes(status, "VmRSS:"), Some(2_097_152.0));
        assert_eq!(kilobytes(status, "VmSize:"), None);
        let limits = "Max open files            1024                 4096                 files\n";
        assert_eq!(number_after(limits, "Max open files"), Some(1024.0));
        assert_eq!(
            number_after("Max open files unlimited", "Max open files"),
            None
        );
    }

    #[test]
    fn what_cannot_be_read_is_left_out() {
        let mut text = String::new();
        render(&mut text);
        let value = |name: &str| number_after(&text, &format!("{name} "));
        if fs::exists("/proc/self/status").unwrap() {
            assert!(
                value("process_open_fds").is_some_and(|fds| fds >= 3.0),
                "{text}"
            );
            assert!(
                value("process_resident_memory_bytes").is_some_and(|bytes| bytes > 1e6),
                "{text}"
            );
        } else {
            assert_eq!(value("process_open_fds"), None, "{text}");
        }
    }
}
