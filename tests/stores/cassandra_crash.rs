//! An instance or the server is killed while it works, and started again: what was acknowledged is there, and whole. With a commit log that is
//! written every ten seconds it is not, and the same check says so.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use almoner::store::scylla;
use almoner_actors::ports::{Accepted, Done, FinishWrite, Finished, RowId, Store};
use almoner_domain::donation::State;
use tempfile::TempDir;

use crate::cassandra::{Keyspace, engine_of, io, options, server};
use crate::support::*;

/// How often it is killed, if nobody says otherwise.
const ROUNDS: u64 = 3;

/// How often an instance is killed.
const PROCESS_ROUNDS: u64 = 8;

/// Donations in hand.
const IN_HAND: u64 = 48;

/// How long an answer may take before the test fails.
const WITHIN: Duration = Duration::from_secs(120);

/// Donations of one round are numbered from a multiple of this.
const ROUND: u64 = 1_000_000;

/// What became of a donation, as the store said.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Fact {
    Accepted,
    Finished,
}

type Facts = BTreeMap<u64, Fact>;

/// A server of the test's own.
struct Server {
    data: TempDir,
    setting: (&'static str, &'static str),
}

impl Server {
    fn new(sync: &'static str) -> Self {
        Self::with(("ALMONER_CASSANDRA_SYNC", sync))
    }

    /// One that its script is told this.
    fn with(setting: (&'static str, &'static str)) -> Self {
        let data = tempfile::tempdir().unwrap();
        Self { data, setting }
    }

    fn run(&self, action: &str) -> String {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/services/cassandra.sh");
        let data: PathBuf = self.data.path().join("server");
        let mut command = Command::new(script);
        command.arg(action).env("ALMONER_CASSANDRA_DATA", data);
        command.env(self.setting.0, self.setting.1);
        let output = command.output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{action}: {said}");
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    fn start(&self) -> SocketAddr {
        self.run("start").parse().unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.run("forget");
    }
}

#[test]
fn what_the_server_acknowledged_survives_its_kill() {
    if server().is_none() {
        return;
    }
    let rounds = std::env::var("ALMONER_CRASH_ROUNDS").map_or(ROUNDS, |it| it.parse().unwrap());
    let server = Server::new("batch");
    let keyspace = Keyspace::migrated(server.start());
    let mut facts = Facts::new();
    for round in 0..rounds {
        kill_in(&server, &keyspace, round, &mut facts);
        server.start();
        if let Err(finding) = check(&keyspace, &facts) {
            panic!("round {round}, {} facts: {finding}", facts.len());
        }
    }
    assert!(facts.values().any(|fact| *fact == Fact::Finished));
}

#[test]
fn a_server_that_acknowledges_before_it_writes_is_caught() {
    if server().is_none() {
        return;
    }
    let server = Server::new("periodic");
    let keyspace = Keyspace::migrated(server.start());
    let mut facts = Facts::new();
    let caught = (0..5).any(|round| {
        kill_in(&server, &keyspace, round, &mut facts);
        server.start();
        check(&keyspace, &facts).is_err()
    });
    assert!(caught);
}

#[test]
fn credentials_are_asked_for_and_refused_in_one_line() {
    if server().is_none() {
        return;
    }
    let server = Server::with(("ALMONER_CASSANDRA_AUTH", "1"));
    let address = server.start();
    let check = |credentials: Option<(&str, &str)>, expected: &str| {
        let mut options = options(address, "almoner");
        options.credentials = credentials.map(|(user, password)| (user.into(), password.into()));
        let migrated = scylla::migrate(&options, &io());
        let said = migrated.map_or_else(|error| error.to_string(), |from| format!("from {from}"));
        assert!(said.contains(expected), "{said}");
        assert!(!said.contains('\n') && !said.contains("hush"), "{said}");
    };
    check(
        None,
        "it asks for some, and none are given; check [store.scylla] username",
    );
    check(
        Some(("cassandra", "hush")),
        "the cluster refuses the credentials: ",
    );
    check(Some(("cassandra", "cassandra")), "from 0");
}

/// Works until some hundred answers are there, kills the server, and adds what was answered.
fn kill_in(server: &Server, keyspace: &Keyspace, round: u64, facts: &mut Facts) {
    let (sender, answers) = channel();
    // Another moment in each round.
    let wanted = 200 + (round.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 54);
    work(keyspace, round, &sender, &answers, |count, n, fact| {
        note(facts, n, fact);
        count < wanted
    });
    server.run("kill");
    drop(sender);
    // What was acknowledged before the kill may come after it; the rest is answered by its end.
    while let Ok(Answer(n, _, fact)) = answers.recv_timeout(WITHIN) {
        if let Some(fact) = fact {
            note(facts, n, fact);
        }
    }
}

/// Has many donations in hand, each accepted and most of them finished, and tells `go_on` each fact with its number, until
/// that says no.
fn work(
    keyspace: &Keyspace,
    round: u64,
    sender: &Sender<Answer>,
    answers: &Receiver<Answer>,
    mut go_on: impl FnMut(u64, u64, Fact) -> bool,
) {
    let store = Arc::new(keyspace.open());
    let engine = engine_of(Arc::clone(&store), None);
    let epoch = engine.claim(0).epoch;
    let mut next = round * ROUND;
    for _ in 0..IN_HAND {
        next += 1;
        accept(&*store, next, epoch, sender);
    }
    for count in 1.. {
        let answer = answers.recv_timeout(WITHIN).expect("it goes on");
        let Answer(n, row, Some(fact)) = answer else {
            panic!("not answered before the kill: {answer:?}");
        };
        if !go_on(count, n, fact) {
            return;
        }
        match row {
            Some(row) if fact == Fact::Accepted && n % 10 != 2 => finish(&*store, n, row, sender),
            _ => {
                next += 1;
                accept(&*store, next, epoch, sender);
            }
        }
    }
}

#[test]
fn what_a_killed_instance_was_answered_is_there_and_whole() {
    let Some(server) = server() else { return };
    let keyspace = Keyspace::migrated(server);
    let mut facts = Facts::new();
    for round in 0..PROCESS_ROUNDS {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args([
                "cassandra_crash::child",
                "--exact",
                "--nocapture",
                "--ignored",
            ])
            .env("ALMONER_CRASH_KEYSPACE", &keyspace.name)
            .env("ALMONER_CRASH_ROUND", round.to_string())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let moment = 100 + (round.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56);
        let mut count = 0;
        for line in BufReader::new(child.stdout.take().unwrap()).lines() {
            let line = line.unwrap();
            let said = line.strip_prefix("ack ").and_then(|it| it.split_once(' '));
            let Some((letter, Ok(n))) = said.map(|(letter, n)| (letter, n.parse())) else {
                continue; // of the test runner, or torn by the kill
            };
            let fact = match letter {
                "f" => Fact::Finished,
                _ => Fact::Accepted,
            };
            note(&mut facts, n, fact);
            count += 1;
            if count == moment {
                child.kill().unwrap();
            }
        }
        child.wait().unwrap();
        assert!(count >= moment, "the child ended by itself");
        if let Err(finding) = check(&keyspace, &facts) {
            panic!("round {round}, {} facts: {finding}", facts.len());
        }
    }
}

#[test]
#[ignore = "run by the test above"]
fn child() {
    let (Some(server), Ok(name)) = (server(), std::env::var("ALMONER_CRASH_KEYSPACE")) else {
        return;
    };
    let round = std::env::var("ALMONER_CRASH_ROUND")
        .unwrap()
        .parse()
        .unwrap();
    // The keyspace is the parent's to drop.
    let keyspace = std::mem::ManuallyDrop::new(Keyspace { server, name });
    let (sender, answers) = channel();
    work(&keyspace, round, &sender, &answers, |_, n, fact| {
        let letter = if fact == Fact::Finished { "f" } else { "a" };
        // One write for each fact: what is in the pipe survives the kill.
        let line = format!("ack {letter} {n}\n");
        std::io::stdout().write_all(line.as_bytes()).unwrap();
        std::io::stdout().flush().unwrap();
        true
    });
}

fn note(facts: &mut Facts, n: u64, fact: Fact) {
    let known = facts.entry(n).or_insert(fact);
    *known = fact.max(*known);
}

/// An answer: the donation, its row, and what it became, if it was told.
#[derive(Debug)]
struct Answer(u64, Option<RowId>, Option<Fact>);
fn accept(store: &dyn Store, n: u64, epoch: u64, answers: &Sender<Answer>) {
    let mut write = match n % 10 {
        3 => held(&donation(n), START_MS),
        _ => charging(&donation(n)),
    };
    write.epoch = epoch;
    let answers = answers.clone();
    let done = Done::new(move |answer| {
        let answer = match answer {
            Ok(Accepted::New(row)) => Answer(n, Some(row), Some(Fact::Accepted)),
            _ => Answer(n, None, None),
        };
        answers.send(answer).ok();
    });
    store.accept(write, done);
}

fn finish(store: &dyn Store, n: u64, row: RowId, answers: &Sender<Answer>) {
    let write = FinishWrite {
        seen_version: u32::from(n % 10 == 3),
        ..finish_write(&donation(n), row, charged((START_MS + n as i64) / 1000))
    };
    let answers = answers.clone();
    let done = Done::new(move |answer| {
        let fact = (answer == Ok(Finished::Done)).then_some(Fact::Finished);
        answers.send(Answer(n, Some(row), fact)).ok();
    });
    store.finish(write, done);
}

/// Whether all facts are recorded, the sums are those of the donations, and the lists have what is open.
fn check(keyspace: &Keyspace, facts: &Facts) -> Result<(), String> {
    let store = Arc::new(keyspace.open());
    let engine = engine_of(Arc::clone(&store), None);
    let mut recorded = BTreeMap::new();
    store
        .each_donation(|it| drop(recorded.insert(it.donation.request.id, it)))
        .map_err(|error| error.to_string())?;
    for (n, fact) in facts {
        match recorded.get(&id(*n)) {
            None => return Err(format!("{n} was accepted and is lost")),
            Some(it) if *fact == Fact::Finished && it.finish.is_none() => {
                return Err(format!("{n} was finished and is {it:?}"));
            }
            Some(_) => {}
        }
    }
    let state = |it: &almoner_actors::ports::Recorded| it.finish.as_ref().map(|it| it.ending.state);
    let charged = recorded
        .values()
        .filter(|it| state(it) == Some(State::Succeeded));
    let charged = charged.count() as u64;
    let in_days: u64 = engine.campaign_days().iter().map(|it| it.count).sum();
    if charged != in_days {
        return Err(format!(
            "{charged} are charged, {in_days} in the campaigns' days"
        ));
    }
    let open = recorded
        .values()
        .filter(|it| it.finish.is_none() || it.pending.is_some());
    let (open, found) = (open.count(), engine.unfinished(0).len());
    if open != found {
        return Err(format!("{open} are unfinished, {found} are found"));
    }
    let (all, found) = (recorded.len(), engine.recent(0, i64::MIN).len());
    if all != found {
        return Err(format!("{all} are in the window, {found} are found"));
    }
    Ok(())
}
