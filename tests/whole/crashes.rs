//! `kill -9` at random moments, again and again, under load: whatever was in flight, every promise is kept.

use std::time::Duration;

use crate::support::{Process, wait_until};
use crate::trial::Trial;

/// How many rounds, both stories together, unless `ALMONER_CRASH_ROUNDS` says otherwise.
const ROUNDS: u64 = 20;
/// A world takes so many rounds: its embedded broker keeps its logs in memory, and not all of them.
const WORLD_ROUNDS_MAX: u64 = 25;
/// Requests of a round.
const REQUESTS: (u64, u64) = (60, 160);
/// So long a charge is made and not answered: time enough to be killed in.
const LATENCY_MS: &str = "100";
/// A charge makes more of the journal than this.
const CHARGE_BYTES_MIN: u64 = 300;
/// Between the last progress that is waited for and the kill.
const PAUSE_MS_MAX: u64 = 20;
/// Within this an instance has opened its store, joined its group, and charges.
const START_MS_MAX: u64 = 4_000;

/// When an instance is killed.
#[derive(Clone, Copy, Debug)]
enum Moment {
    /// So many milliseconds after its start, however far it came.
    Started(u64),
    /// After so many more outcomes.
    Told(u64),
    /// After the gateway's journal has grown by so many bytes.
    Charged(u64),
    /// The same, and it was just told to stop.
    Draining(u64),
}

#[test]
fn killed_at_any_moment_it_keeps_every_promise() {
    rounds(&["--latency-ms", LATENCY_MS]);
}

#[test]
fn killed_at_any_moment_with_a_gateway_that_fails_it_keeps_every_promise() {
    rounds(&["--latency-ms", LATENCY_MS, "--faults", "mild"]);
}

fn rounds(gateway_args: &[&str]) {
    let said = std::env::var("ALMONER_CRASH_ROUNDS");
    let rounds = said.map_or(ROUNDS, |rounds| rounds.parse().unwrap()) / 2;
    let mut left = rounds.max(1);
    while left > 0 {
        let here = left.min(WORLD_ROUNDS_MAX);
        world_of_rounds(gateway_args, here);
        left -= here;
    }
}

fn world_of_rounds(gateway_args: &[&str], rounds: u64) {
    let mut trial = Trial::new(gateway_args);
    let mut hits = 0;
    for round in 0..rounds {
        let moment = round_of(&mut trial);
        let unheard = trial.assert_kept();
        eprintln!(
            "round {round}: killed at {moment:?}, with {unheard} charges that it had not booked"
        );
        hits += u64::from(unheard > 0);
        trial.broker_notices_the_death();
    }
    let instance = trial.start();
    trial.settle(instance);
    assert!(
        hits * 4 >= rounds,
        "only {hits} of {rounds} kills came between a charge and its booking"
    );
}

/// People give, before an instance starts and while it does; it is killed.
fn round_of(trial: &mut Trial) -> Moment {
    let count = REQUESTS.0 + trial.crowd.below(REQUESTS.1 - REQUESTS.0);
    let before = trial.crowd.below(count);
    trial.crowd.give(before as usize);
    let mut instance = trial.spawn();
    trial.crowd.give((count - before) as usize);
    let moment = moment(trial);
    wait(trial, &mut instance, moment);
    if let Moment::Draining(_) = moment {
        instance.terminate();
    }
    let pause_ms = trial.crowd.below(PAUSE_MS_MAX);
    std::thread::sleep(Duration::from_millis(pause_ms));
    instance.kill();
    moment
}

fn moment(trial: &mut Trial) -> Moment {
    let open = trial.crowd.unanswered(&trial.follower.seen());
    match trial.crowd.below(8) {
        0 => Moment::Started(trial.crowd.below(START_MS_MAX)),
        1..3 => Moment::Told(trial.crowd.below(open)),
        3 => Moment::Draining(trial.crowd.below(open / 2) * CHARGE_BYTES_MIN),
        _ => Moment::Charged(trial.crowd.below(open / 2) * CHARGE_BYTES_MIN),
    }
}

fn wait(trial: &Trial, instance: &mut Process, moment: Moment) {
    let told = || trial.follower.count();
    let charged = || trial.world.gateway.journal_bytes();
    let (told_before, charged_before) = (told(), charged());
    let progress = || told() + charged();
    let come = || match moment {
        Moment::Started(ms) => {
            std::thread::sleep(Duration::from_millis(ms));
            true
        }
        Moment::Told(more) => told() >= told_before + more,
        Moment::Charged(bytes) | Moment::Draining(bytes) => charged() >= charged_before + bytes,
    };
    // Most of what is open may have been charged before: then no more is to come than the answers.
    let is_idle = || trial.crowd.unanswered(&trial.follower.seen()) == 0;
    wait_until(&format!("{moment:?}"), progress, || {
        assert!(instance.is_running(), "it ended by itself");
        (come() || is_idle()).then_some(())
    });
}
