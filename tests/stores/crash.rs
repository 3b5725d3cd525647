//! A process that writes is killed at any moment: what it was answered is there, and the books balance. A store that
//! answers before its commit is caught by the same check.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Sender, channel};

use almoner::store::sqlite::Books;
use almoner_actors::ports::{Accepted, Advanced, Done, FinishWrite, Finished, Recorded, RowId};
use almoner_domain::donation::{PendingKind, State};
use almoner_domain::ids::DonationId;
use almoner_domain::outcome::Reason;

use crate::support::*;

/// How many rounds, if nobody says otherwise.
const ROUNDS: u64 = 20;

/// Donations that the child has in hand.
const IN_HAND: u64 = 300;

/// Donations of one round are numbered from a multiple of this.
const ROUND: u64 = 1_000_000;

/// What became of a donation by its number, as the child was told.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Fact {
    Accepted,
    Changed,
    Finished,
    Acknowledged,
}

impl Fact {
    fn letter(self) -> char {
        match self {
            Self::Accepted => 'a',
            Self::Changed => 'c',
            Self::Finished => 'f',
            Self::Acknowledged => 'k',
        }
    }

    fn of(letter: &str) -> Self {
        match letter {
            "a" => Self::Accepted,
            "c" => Self::Changed,
            "f" => Self::Finished,
            "k" => Self::Acknowledged,
            other => panic!("no fact: {other}"),
        }
    }
}

type Facts = BTreeMap<u64, Fact>;

#[test]
fn what_was_answered_survives_a_kill() {
    let rounds = std::env::var("ALMONER_CRASH_ROUNDS").map_or(ROUNDS, |it| it.parse().unwrap());
    let folder = tempfile::tempdir().unwrap();
    let mut facts = Facts::new();
    for round in 0..rounds {
        kill_in(folder.path(), round, "honest", &mut facts);
        if let Err(finding) = check(folder.path(), &facts) {
            panic!("round {round}, {} facts: {finding}", facts.len());
        }
    }
    assert!(facts.values().any(|fact| *fact == Fact::Acknowledged));
}

#[test]
fn a_store_that_answers_before_its_commit_is_caught() {
    let folder = tempfile::tempdir().unwrap();
    let mut facts = Facts::new();
    let caught = (0..50).any(|round| {
        kill_in(folder.path(), round, "hasty", &mut facts);
        check(folder.path(), &facts).is_err()
    });
    assert!(caught);
}

/// Runs the child, kills it after some thousand answers, and adds what it was answered.
fn kill_in(folder: &Path, round: u64, store: &str, facts: &mut Facts) {
    let mut child = spawn(folder, round, store);
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    // Another moment in each round; sometimes right after the first answers.
    let moment = round.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 51;
    let mut count = 0;
    for line in lines {
        let line = line.unwrap();
        let Some((letter, n)) = line.strip_prefix("ack ").and_then(|it| it.split_once(' ')) else {
            continue;
        };
        let Ok(n) = n.parse() else {
            continue; // torn by the kill
        };
        let fact = facts.entry(n).or_insert(Fact::Accepted);
        *fact = Fact::of(letter).max(*fact);
        count += 1;
        if count == moment + 1 {
            child.kill().unwrap();
        }
    }
    assert!(
        count > moment,
        "the child ended by itself: {:?}",
        child.wait()
    );
    child.wait().unwrap();
}

fn spawn(folder: &Path, round: u64, store: &str) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["crash::child", "--exact", "--nocapture", "--ignored"])
        .env("ALMONER_CRASH_DIR", folder)
        .env("ALMONER_CRASH_ROUND", round.to_string())
        .env("ALMONER_CRASH_STORE", store)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Whether all facts are recorded, the books balance, and recovery finds what is unfinished.
fn check(folder: &Path, facts: &Facts) -> Result<(), String> {
    // The books are read before the store is opened again: an audit must do without it.
    let mut recorded = HashMap::new();
    let books = Books::open(folder).unwrap();
    books
        .each_donation(|it| drop(recorded.insert(it.donation.request.id, it)))
        .unwrap();
    drop(books);
    let engine = sqlite_at(folder);
    for (n, fact) in facts {
        let Some(recorded) = recorded.get(&id(*n)) else {
            return Err(format!("{n} was accepted and is lost"));
        };
        let holds = match fact {
            Fact::Accepted => true,
            Fact::Changed => recorded.pending.is_some() || recorded.finish.is_some(),
            Fact::Finished => recorded.finish.is_some(),
            Fact::Acknowledged => recorded.finish.is_some() && recorded.pending.is_none(),
        };
        if !holds {
            return Err(format!("{n} was {fact:?} and is {recorded:?}"));
        }
    }
    check_sums(&engine, recorded.values())?;
    let is_open = |it: &&Recorded| it.finish.is_none() || it.pending.is_some();
    let unfinished = ids(recorded.values().filter(is_open));
    let found: BTreeSet<_> = engine.unfinished(0).iter().map(|it| it.id).collect();
    if found != unfinished {
        return Err(format!(
            "unfinished: {} of {} found",
            found.len(),
            unfinished.len()
        ));
    }
    let since_ms = facts
        .keys()
        .next_back()
        .map_or(0, |n| donation(n / ROUND * ROUND).recorded_at_ms);
    let window = recorded
        .values()
        .filter(|it| it.donation.recorded_at_ms >= since_ms && state(it).is_none_or(is_charged));
    let window = ids(window);
    let found = engine.recent(0, since_ms);
    let found: BTreeSet<_> = found.iter().map(|it| it.entry.id()).collect();
    if found != window {
        return Err(format!("window: {} of {} found", found.len(), window.len()));
    }
    Ok(())
}

/// A donation succeeded if and only if it is in its campaign's day.
fn check_sums<'a>(
    engine: &Engine,
    recorded: impl Iterator<Item = &'a Recorded>,
) -> Result<(), String> {
    let charged: i64 = recorded
        .filter(|it| state(it).is_some_and(is_charged))
        .map(|it| it.donation.request.amount.amount_minor().cast_signed())
        .sum();
    let sums: i64 = engine
        .campaign_days()
        .iter()
        .map(|it| it.amount_minor)
        .sum();
    if charged == sums {
        Ok(())
    } else {
        Err(format!("charged {charged}, in the campaigns' days {sums}"))
    }
}

fn state(recorded: &Recorded) -> Option<State> {
    recorded.finish.as_ref().map(|it| it.ending.state)
}

fn is_charged(state: State) -> bool {
    state == State::Succeeded
}

fn ids<'a>(recorded: impl Iterator<Item = &'a Recorded>) -> BTreeSet<DonationId> {
    recorded.map(|it| it.donation.request.id).collect()
}

/// The child's next step for a donation, from the completion of the one before.
enum Happened {
    Fact(Fact, u64),
    Accepted(u64, RowId),
    Changed(u64, RowId),
    Finished(u64, bool),
}

#[test]
#[ignore = "run by the tests above"]
fn child() {
    let Some(folder) = std::env::var_os("ALMONER_CRASH_DIR") else {
        return;
    };
    let read = |name| std::env::var(name).unwrap();
    let round: u64 = read("ALMONER_CRASH_ROUND").parse().unwrap();
    let is_hasty = read("ALMONER_CRASH_STORE") == "hasty";
    let engine = sqlite_at(folder.as_ref());
    let epoch = engine.claim(0).epoch;
    let (happened, events) = channel();
    let mut writer = Work {
        engine,
        epoch,
        is_hasty,
        happened,
    };
    let mut next = round * ROUND;
    for _ in 0..IN_HAND {
        next += 1;
        writer.accept(next);
    }
    for event in events {
        let is_over = match event {
            Happened::Fact(fact, n) => {
                // One write for each fact: what is in the pipe survives the kill.
                let line = format!("ack {} {n}\n", fact.letter());
                std::io::stdout().write_all(line.as_bytes()).unwrap();
                std::io::stdout().flush().unwrap();
                false
            }
            Happened::Accepted(n, row) => writer.go_on(n, row),
            Happened::Changed(n, row) => {
                writer.finish(n, row, true);
                false
            }
            Happened::Finished(n, true) => {
                writer.acknowledged(n);
                true
            }
            Happened::Finished(_, false) => true,
        };
        if is_over {
            next += 1;
            writer.accept(next);
        }
    }
}

/// What the child does with its donations.
struct Work {
    engine: Engine,
    epoch: u64,
    /// Answers are told when the call is made: the control.
    is_hasty: bool,
    happened: Sender<Happened>,
}

impl Work {
    fn say_early(&self, fact: Fact, n: u64) {
        if self.is_hasty {
            self.happened.send(Happened::Fact(fact, n)).unwrap();
        }
    }

    fn say(&self) -> impl Fn(Fact, u64, Option<Happened>) + Send + 'static {
        let (happened, is_hasty) = (self.happened.clone(), self.is_hasty);
        move |fact, n, next| {
            if !is_hasty {
                happened.send(Happened::Fact(fact, n)).ok();
            }
            if let Some(next) = next {
                happened.send(next).ok();
            }
        }
    }

    fn accept(&mut self, n: u64) {
        let mut write = match n % 10 {
            3 => held(&donation(n), START_MS),
            _ => charging(&donation(n)),
        };
        write.epoch = self.epoch;
        self.say_early(Fact::Accepted, n);
        let say = self.say();
        let done = Done::new(move |answer| {
            if let Ok(Accepted::New(row)) = answer {
                say(Fact::Accepted, n, Some(Happened::Accepted(n, row)));
            }
        });
        self.engine.store.accept(write, done);
    }

    /// A tenth stays open, two tenths become pending; whether the donation is left.
    fn go_on(&mut self, n: u64, row: RowId) -> bool {
        match n % 10 {
            2 => return true,
            3 | 4 => self.advance(n, row, u32::from(n % 10 == 3)),
            _ => self.finish(n, row, false),
        }
        false
    }

    fn advance(&mut self, n: u64, row: RowId, seen: u32) {
        let mut write = advance_write(&donation(n), row, seen, START_MS, PendingKind::Unknown);
        write.epoch = self.epoch;
        self.say_early(Fact::Changed, n);
        let say = self.say();
        let done = Done::new(move |answer| {
            if answer == Ok(Advanced::Done) {
                say(Fact::Changed, n, Some(Happened::Changed(n, row)));
            }
        });
        self.engine.store.advance(write, done);
    }

    fn finish(&mut self, n: u64, row: RowId, pending: bool) {
        let finish = match n % 10 {
            5 => failed(Reason::CardDeclined),
            _ => charged((START_MS + n as i64) / 1000),
        };
        let write = FinishWrite {
            seen_version: match (pending, n % 10) {
                (false, _) => 0,
                (true, 3) => 2,
                (true, _) => 1,
            },
            ..finish_write(&donation(n), row, finish)
        };
        self.say_early(Fact::Finished, n);
        let say = self.say();
        let done = Done::new(move |answer| {
            if answer == Ok(Finished::Done) {
                say(Fact::Finished, n, Some(Happened::Finished(n, pending)));
            }
        });
        self.engine.store.finish(write, done);
    }

    fn acknowledged(&mut self, n: u64) {
        self.say_early(Fact::Acknowledged, n);
        let say = self.say();
        let done = Done::new(move |answer| {
            if answer == Ok(()) {
                say(Fact::Acknowledged, n, None);
            }
        });
        self.engine.store.acknowledged(id(n), done);
    }
}
