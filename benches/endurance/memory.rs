//! What the instance holds while millions of donations pass through it.

use serde::Serialize;

use crate::harness::{Instance, get, wait_until};
use crate::scene::{Scene, answered};

/// Samples that are shown, of which those of a sixth, a third, two thirds and all are kept.
const SAMPLES: u64 = 30;
const KEPT: [u64; 4] = [5, 10, 20, 30];

/// What was measured.
#[derive(Serialize)]
pub struct Memory {
    /// After so many donations.
    resident_mib: Vec<(u64, f64)>,
    /// The most that it ever held.
    resident_mib_peak: f64,
    /// The last to the first.
    resident_ratio: f64,
    /// Users whose windows were in memory then.
    users_active: Vec<u64>,
    /// Users that were let go, and came again in part.
    users_passivated: u64,
    /// Actors of campaigns at the end.
    campaigns_active: u64,
    window_s: u32,
}

/// Lets people give, and looks how much memory the instance holds meanwhile.
pub fn measure(scene: &mut Scene, donations: u64) -> Memory {
    let watching = scene.people.watching.clone();
    let instance = scene.instance.as_ref().expect("an instance");
    let (people, kafka) = (&mut scene.people, &scene.kafka);
    let samples = std::thread::scope(|scope| {
        scope.spawn(move || people.publish(kafka, donations, Some(crate::OFFERED_PER_S)));
        // The last ones are still on their way when the next part begins.
        let of = |n: u64| donations * n / SAMPLES;
        let at = |n: u64| {
            if n == SAMPLES {
                of(n) * 99 / 100
            } else {
                of(n)
            }
        };
        let samples = (1..=SAMPLES).map(|n| {
            let progress = || answered(&watching);
            let reached = || (progress() >= at(n)).then_some(());
            wait_until("donations", progress, reached);
            Sample::take(instance, of(n))
        });
        samples.collect::<Vec<_>>()
    });
    let kept: Vec<&Sample> = KEPT.iter().map(|n| &samples[*n as usize - 1]).collect();
    Memory {
        resident_mib: kept
            .iter()
            .map(|it| (it.donations, it.resident_mib))
            .collect(),
        resident_mib_peak: status_mib(instance, "VmHWM:"),
        resident_ratio: kept[KEPT.len() - 1].resident_mib / kept[0].resident_mib,
        users_active: kept.iter().map(|it| it.users_active).collect(),
        campaigns_active: campaigns_active(instance),
        users_passivated: metric(instance, "almoner_actors_passivated_total{kind=\"user\"}"),
        window_s: crate::WINDOW_S,
    }
}

/// What it held at one moment.
struct Sample {
    donations: u64,
    resident_mib: f64,
    users_active: u64,
}

impl Sample {
    fn take(instance: &Instance, donations: u64) -> Self {
        let sample = Self {
            donations,
            resident_mib: status_mib(instance, "VmRSS:"),
            users_active: metric(instance, "almoner_users_active{"),
        };
        eprintln!(
            "{donations} donations: {:.1} MiB ({:.1} of them anonymous), {} users, {} campaigns' actors",
            sample.resident_mib,
            status_mib(instance, "RssAnon:"),
            sample.users_active,
            campaigns_active(instance)
        );
        sample
    }
}

fn campaigns_active(instance: &Instance) -> u64 {
    let of = |what: &str| {
        metric(
            instance,
            &format!("almoner_actors_{what}_total{{kind=\"campaign\"}}"),
        )
    };
    of("started").saturating_sub(of("passivated"))
}

/// A line of the process's status, in MiB.
fn status_mib(instance: &Instance, name: &str) -> f64 {
    let path = format!("/proc/{}/status", instance.process.pid());
    let status = std::fs::read_to_string(path).expect("its status");
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    let kib = line.and_then(|line| line.trim().strip_suffix(" kB"));
    kib.expect(name).parse::<f64>().expect(name) / 1024.0
}

/// The sum of the metrics that begin so.
pub fn metric(instance: &Instance, begin: &str) -> u64 {
    let (_, body) = get(instance.admin, "/metrics");
    let lines = body.lines().filter(|line| line.starts_with(begin));
    let values = lines.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok());
    values.sum::<f64>() as u64
}
