//! The command: so many histories, or one again; `--controls` shows that defects are found.

mod progress;

use std::num::NonZero;
use std::ops::Range;
use std::process::ExitCode;
use std::time::Duration;

use almoner_simulation::controls::CONTROLS;
use almoner_simulation::coverage::{Gap, gaps};
use almoner_simulation::diary::trace_hash;
use almoner_simulation::history::run;
use almoner_simulation::many::{Sum, live};
use almoner_simulation::script::generate;
use almoner_simulation::shrink::{after, shrink};
use clap::Parser;

use crate::progress::Progress;

/// The system's allocator costs the actors more than half as much again.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// In so many histories all is reached that can be.
const COVERING: u64 = 10_000;

/// Lives histories of crashes, lost answers and repeated messages from seeds, and holds each to the invariants.
#[derive(Parser)]
struct Arguments {
    /// How many histories.
    #[arg(long, default_value_t = 1_000)]
    histories: u64,
    /// The first one's seed.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Shows the whole diary of the one history of this seed.
    #[arg(long)]
    trace: bool,
    /// Shows that each of the defects that are built in on purpose is found.
    #[arg(long)]
    controls: bool,
    /// How long a broken history may be shrunk, in seconds.
    #[arg(long, default_value_t = 60)]
    shrink_s: u64,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if arguments.trace {
        return trace(arguments.seed);
    }
    let seeds = arguments.seed..arguments.seed + arguments.histories;
    let threads = std::thread::available_parallelism().map_or(1, NonZero::get);
    if arguments.controls {
        return controls(seeds, threads);
    }
    let progress = Progress::new();
    let sum = live(seeds, None, threads, |sum| progress.show(sum));
    progress.end(&sum);
    report(&sum);
    let is_covered = show_gaps(&sum);
    match sum.broken.first_key_value() {
        None if is_covered || sum.histories < COVERING => ExitCode::SUCCESS,
        None => ExitCode::FAILURE,
        Some((seed, findings)) => {
            explain(*seed, findings[0].invariant, arguments.shrink_s);
            ExitCode::FAILURE
        }
    }
}

/// One history with its diary.
fn trace(seed: u64) -> ExitCode {
    let told = run(&generate(seed), None, true);
    for line in &told.diary {
        println!("{line}");
    }
    println!(
        "trace {:016x}, {} lines",
        trace_hash(&told.diary),
        told.diary.len()
    );
    for finding in &told.findings {
        println!("{}: {}", finding.invariant, finding.what);
    }
    if told.findings.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// Each control with what it took.
fn controls(seeds: Range<u64>, threads: usize) -> ExitCode {
    let mut is_each_caught = true;
    for control in CONTROLS {
        let caught = control.try_on(seeds.clone(), threads);
        is_each_caught &= caught.is_some();
        match caught {
            Some(it) => println!(
                "{:>5}  {} ({})",
                it.histories, control.defect.name, it.invariant
            ),
            None => println!("    -  {} is not found", control.defect.name),
        }
    }
    if is_each_caught {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn report(sum: &Sum) {
    println!(
        "{} histories, {} records, {} hours of virtual time, {} faults, {} broken",
        sum.histories,
        sum.records,
        sum.virtual_ms / 3_600_000,
        sum.faults(),
        sum.broken.len()
    );
    println!("injected:");
    for (name, n) in &sum.injected {
        println!("{n:>10}  {name}");
    }
    println!("calls, and what was answered:");
    for ((call, class), n) in &sum.answers {
        println!("{n:>10}  {call} → {class}");
    }
    println!("states, and what happened in them:");
    for ((state, event), n) in &sum.steps {
        println!("{n:>10}  {state}: {event}");
    }
    println!("calls of ports, and how they failed:");
    for ((port, failure), n) in &sum.points {
        println!("{n:>10}  {port}: {failure}");
    }
    for (seed, findings) in &sum.broken {
        for finding in findings.iter().take(5) {
            println!("seed {seed}: {}: {}", finding.invariant, finding.what);
        }
    }
}

/// What was not reached, and should have been; says whether there is nothing of that.
fn show_gaps(sum: &Sum) -> bool {
    let gaps = gaps(sum);
    println!("never reached, and not excused; or reached, and said to be impossible:");
    for gap in &gaps {
        let Gap {
            where_,
            what,
            excuse,
        } = gap;
        let excuse = excuse.map_or(String::new(), |it| format!(" (impossible: {it})"));
        println!("            {where_}: {what}{excuse}");
    }
    gaps.is_empty()
}

/// The fewest events that still break it, and how it went then.
fn explain(seed: u64, invariant: &'static str, shrink_s: u64) {
    let shrunk = shrink(
        &generate(seed),
        invariant,
        None,
        &after(Duration::from_secs(shrink_s)),
    );
    println!(
        "\nseed {seed} breaks \"{invariant}\"; shrunk in {} tries to {} events:",
        shrunk.tries,
        shrunk.script.events.len()
    );
    for event in &shrunk.script.events {
        println!("{:>12.3}  {}", event.at_ms as f64 / 1_000.0, event.what);
    }
    println!(
        "the faults of ports that are left: {:?}",
        shrunk.script.sites_only
    );
    println!("and it went so:");
    let last = shrunk
        .told
        .diary
        .iter()
        .rposition(|line| line.contains("FOUND"));
    let told = last.map_or(shrunk.told.diary.len(), |last| last + 1);
    for line in &shrunk.told.diary[..told] {
        println!("{line}");
    }
    for finding in &shrunk.told.findings {
        println!("{}: {}", finding.invariant, finding.what);
    }
}
