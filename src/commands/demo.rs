//! `almoner demo`: everything in one process, with people who give, and a verdict on the money.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use almoner_actors::ports::Clock;
use almoner_domain::donation::State;
use almoner_loadtest::{Answerer, Fate, Planned, Scenario, Traffic, Watch};
use tokio::time::Instant;

use super::{CommandError, Problem, print};
use crate::app::Runtimes;
use crate::clock::SystemClock;
use crate::config::{Level, Log};
use crate::demo::{
    CLIENT_WAIT_MS, Follower, Now, Outcome, Progress, Publisher, Stage, StageError, StageOptions,
    Watching, judge, table,
};
use crate::logging;
use crate::simulator::Profile;

/// Runs everything in this one process and lets people give: a broker, a payment gateway that fails on purpose, the
/// store, and the runtime between them. It ends when every request has its fate, with a verdict on the money.
///
/// Nothing is to be installed, nothing leaves this machine, and no real money moves. Exit code 1 if the verdict is bad.
#[derive(clap::Args, Clone, Debug)]
#[command(after_help = "Example: almoner demo --donations 20000 --faults nasty")]
pub struct Args {
    /// How many people give; repeats, double clicks and answers come on top.
    #[arg(long, value_name = "N", default_value_t = 100_000)]
    donations: u64,
    /// Decides who gives what, and what goes wrong.
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// What goes wrong at the gateway: lost answers, 500s, bursts of 429, cut connections.
    #[arg(long, value_name = "none|mild|nasty", default_value = "mild")]
    faults: String,
    /// Keep the store and the gateway's journal in this folder. Run again with the same folder, it finishes what an
    /// earlier run left. Without it, a temporary folder is used and removed.
    #[arg(long, value_name = "FOLDER")]
    data: Option<PathBuf>,
    /// End with one JSON object instead of the tables.
    #[arg(long)]
    json: bool,
}

/// Calls to the gateway at once.
const GATEWAY_IN_FLIGHT_MAX: u32 = 128;
/// How long the broker may take to give out its partitions.
const ASSIGNED_WITHIN: Duration = Duration::from_secs(60);
/// How often it is looked how far things are.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Runs the demo.
///
/// # Errors
/// It could not be started, or the verdict is bad.
pub fn run(args: Args) -> Result<(), CommandError> {
    let temporary = args.data.is_none().then(temporary_folder).transpose()?;
    let folder = args
        .data
        .clone()
        .or_else(|| temporary.as_ref().map(|it| it.0.clone()))
        .unwrap_or_default();
    let (scenario, is_again) = scenario(&args, &folder)?;
    let profile =
        Profile::named(&args.faults).map_err(|error| could_not("read the faults", error))?;
    let log = Log {
        level: Level::Warn,
        ..Log::default()
    };
    logging::start(&log).map_err(|error| could_not("start its log", error))?;
    let runtimes = Runtimes::start().map_err(|error| could_not("start", error))?;
    let options = StageOptions {
        data: folder.clone(),
        faults: profile,
        seed: args.seed,
        gateway_latency_ms: 0,
        http2: false,
        gateway_in_flight_max: GATEWAY_IN_FLIGHT_MAX,
        client_wait_ms: CLIENT_WAIT_MS,
    };
    let watching = Watching::new(Watch::new(usize::try_from(scenario.donations).unwrap_or(0)));
    let earlier = is_again.then(|| adopt(&folder, &watching)).transpose()?;
    let stage = Stage::set(&options, &scenario, &runtimes).map_err(not_staged)?;
    let stop = Arc::new(AtomicBool::new(false));
    stop_on_signals(&runtimes, &stop);
    await_assignment(&stage, &stop)?;
    let began = watching.now_us();
    play(&stage, &scenario, &watching, earlier, &stop, args.json)?;
    let elapsed_s = (watching.now_us() - began) as f64 / 1e6;
    end(stage, &watching, elapsed_s, &stop, &args)
}

/// The group's first assignment takes the broker seconds, in which nothing could be read: it is nobody's latency.
fn await_assignment(stage: &Stage, stop: &AtomicBool) -> Result<(), CommandError> {
    let until = Instant::now() + ASSIGNED_WITHIN;
    while !stage.app.is_assigned() && !stop.load(Ordering::Relaxed) {
        if Instant::now() > until {
            return Err(could_not("begin", "the broker gives out no partitions"));
        }
        std::thread::sleep(LOOK_EVERY);
    }
    Ok(())
}

/// Lets people give, until every request has its fate or somebody stops it. Where there was an earlier run, those ask again
/// who heard no end of it, and nobody else gives.
fn play(
    stage: &Stage,
    scenario: &Scenario,
    watching: &Watching,
    earlier: Option<Vec<Planned>>,
    stop: &Arc<AtomicBool>,
    is_quiet: bool,
) -> Result<(), CommandError> {
    let publisher = Publisher::new(&stage.kafka, CLIENT_WAIT_MS, watching.clone())
        .map_err(|it| could_not("publish", it))?;
    let answerer = Answerer::new(scenario);
    let _follower = Follower::start(
        &stage.kafka,
        CLIENT_WAIT_MS,
        watching.clone(),
        answerer,
        publisher.clone(),
    )
    .map_err(|it| could_not("read the outcomes", it))?;
    let published = AtomicU64::new(0);
    let traffic = Traffic::new(scenario).map_err(|error| could_not("plan the traffic", error))?;
    let requests = earlier
        .as_ref()
        .map_or(scenario.donations, |it| it.len() as u64);
    let mut progress = Progress::new(requests, is_quiet);
    let kafka = &stage.kafka;
    std::thread::scope(|scope| {
        let publishing = scope.spawn(|| {
            let result = match earlier {
                Some(again) => publisher.publish_all(kafka, again.into_iter(), &published, stop),
                None => publisher.publish_all(kafka, traffic, &published, stop),
            };
            watching.lock().all_asked();
            result
        });
        loop {
            let now = look(stage, watching);
            progress.show(now);
            let is_over = publishing.is_finished() && watching.lock().is_resolved();
            if is_over || stop.load(Ordering::Relaxed) {
                break;
            }
            std::thread::sleep(LOOK_EVERY);
        }
        progress.end();
        publishing
            .join()
            .unwrap_or_else(|_| Err("the publisher crashed".to_owned()))
    })
    .map_err(|error| could_not("publish", error))
}

fn look(stage: &Stage, watching: &Watching) -> Now {
    let summary = watching.lock().summary();
    Now {
        requests: summary.sent.total(),
        answered: summary.requests_answered,
        in_flight: stage.app.world.credits.in_flight(),
        outstanding: summary.outstanding.donations,
        faults: stage
            .gateway
            .stats()
            .faults
            .iter()
            .map(|(_, count)| count)
            .sum(),
    }
}

/// Takes the stage down and judges.
fn end(
    stage: Stage,
    watching: &Watching,
    elapsed_s: f64,
    stop: &AtomicBool,
    args: &Args,
) -> Result<(), CommandError> {
    let Stage { app, gateway, .. } = stage;
    let books = app
        .store
        .books()
        .map_err(|error| could_not("read the books", error))?;
    app.stop();
    if stop.load(Ordering::Relaxed) {
        let hint = match &args.data {
            Some(folder) => format!(
                "run it again with --data {} to finish what was begun",
                folder.display()
            ),
            None => "with --data FOLDER a later run can finish what was begun".to_owned(),
        };
        return Err(CommandError::CouldNotRun(
            Problem::new("stopped before every request had its fate").hint(hint),
        ));
    }
    let (summary, verdict) = {
        let watch = watching.lock();
        let verdict = judge(&watch, &gateway.intents(), &books)
            .map_err(|it| could_not("read the books", it))?;
        (watch.summary(), verdict)
    };
    let requests = summary.sent.total();
    let outcome = Outcome {
        requests,
        fates: summary.fates.clone(),
        elapsed_s,
        rate_per_s: summary.requests_answered as f64 / elapsed_s.max(0.001),
        latency_ms: summary.latency_ms,
        verdict,
    };
    if args.json {
        let json = serde_json::to_string(&outcome)
            .map_err(|error| could_not("write the result", error))?;
        print(&format!("{json}\n"))?;
    } else {
        let faults = gateway.stats().faults;
        print(&format!(
            "{}\n{}\n",
            table(&summary, &faults, &outcome),
            sentence(&outcome)
        ))?;
    }
    if outcome.verdict.ok {
        return Ok(());
    }
    let findings = outcome.verdict.findings.join("\n  ");
    Err(CommandError::Verdict(Problem::new(format!(
        "the money is not right:\n  {findings}"
    ))))
}

fn sentence(outcome: &Outcome) -> String {
    let Outcome {
        requests,
        elapsed_s,
        rate_per_s,
        latency_ms,
        verdict,
        ..
    } = outcome;
    let judged = if verdict.ok {
        "Every request has its fate. Gateway = ledger = outcomes, to the cent; no card was charged twice."
    } else {
        "The books differ: see below."
    };
    // What an earlier run was asked for has no latency here.
    let took = match latency_ms.max > 0.0 {
        true => format!(
            "; half of the donations took {:.0} ms, 99 of 100 took {:.0} ms",
            latency_ms.p50, latency_ms.p99
        ),
        false => String::new(),
    };
    format!("{requests} requests in {elapsed_s:.1} s ({rate_per_s:.0}/s){took}.\n{judged}")
}

/// The scenario of this run: an earlier one's, if the folder has one.
fn scenario(args: &Args, folder: &Path) -> Result<(Scenario, bool), CommandError> {
    let kept = folder.join("demo.json");
    match fs::read(&kept) {
        Ok(bytes) => {
            let scenario: Scenario = serde_json::from_slice(&bytes)
                .map_err(|error| could_not("read the earlier run's scenario", error))?;
            Ok((scenario, true))
        }
        Err(_) => {
            let scenario = Scenario {
                start_ms: SystemClock.wall_ms(),
                ..Scenario::demo(args.donations, args.seed)
            };
            let json = serde_json::to_vec_pretty(&scenario)
                .map_err(|error| could_not("keep the scenario", error))?;
            fs::create_dir_all(folder)
                .and_then(|()| fs::write(&kept, json))
                .map_err(|error| could_not(&format!("write to {}", folder.display()), error))?;
            Ok((scenario, false))
        }
    }
}

/// Takes over what an earlier run's store knows. Returns what people ask again: what they heard no end of.
fn adopt(folder: &Path, watching: &Watching) -> Result<Vec<Planned>, CommandError> {
    let books = crate::store::sqlite::Books::open(&folder.join("store"))
        .map_err(|error| could_not("read the earlier run's store", error))?;
    let (mut finished, mut again) = (0_u64, Vec::new());
    let mut watch = watching.lock();
    let each = |recorded: almoner_actors::ports::Recorded| {
        let fate = recorded
            .finish
            .as_ref()
            .map(|finish| match finish.ending.state {
                State::Succeeded => Fate::Succeeded,
                State::Cancelled => Fate::Cancelled,
                _ => Fate::Failed,
            });
        let request = &recorded.donation.request;
        watch.adopt(request, fate);
        match fate {
            Some(_) => finished += 1,
            None => again.push(Planned::repeat(request)),
        }
    };
    books
        .each_donation(each)
        .map_err(|error| could_not("read the earlier run's store", error))?;
    eprintln!(
        "An earlier run left this folder. Its broker lived in its memory, so what it had published and the runtime had \
         not yet accepted is gone: a real broker keeps that, and a front end that got no outcome asks again. Nothing \
         that was accepted is lost: the store knows {finished} finished donations and {} unfinished ones, \
         which are finished now: their people ask again, under the same ids. Nobody new gives.",
        again.len()
    );
    Ok(again)
}

fn stop_on_signals(runtimes: &Runtimes, stop: &Arc<AtomicBool>) {
    let stop = Arc::clone(stop);
    runtimes.io.spawn(async move {
        super::signalled().await;
        stop.store(true, Ordering::Relaxed);
        super::signalled().await;
        std::process::exit(130);
    });
}

/// A folder that goes with the process.
struct Temporary(PathBuf);

impl Drop for Temporary {
    fn drop(&mut self) {
        // What cannot be removed stays in the system's folder for temporary files, where it is removed some day.
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn temporary_folder() -> Result<Temporary, CommandError> {
    let name = format!(
        "almoner-demo-{}-{}",
        std::process::id(),
        SystemClock.wall_ms()
    );
    let folder = std::env::temp_dir().join(name);
    fs::create_dir_all(&folder).map_err(|error| could_not("make a temporary folder", error))?;
    Ok(Temporary(folder))
}

fn could_not(
    what: &str,
    error: impl Into<Box<dyn std::error::Error + Send + Sync>>,
) -> CommandError {
    CommandError::CouldNotRun(Problem::new(format!("the demo could not {what}")).because(error))
}

fn not_staged(error: StageError) -> CommandError {
    could_not("be staged", error)
}
