//! Long histories by chance: traffic, a faltering gateway, store and broker, crashes, deaths and handovers, all from one
//! seed. Then the faults stop, and in the end every request has its fate and the money is right.

mod judge;
mod traffic;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use almoner_actors::memory::Plan;
use almoner_actors::ports::{Admission, Done, Intake, Recorded, Store, StoreError};
use almoner_actors::world::Settings;
use almoner_domain::ids::DonationId;
use tokio::time::Instant;

use self::traffic::{Chance, Logged, Users, gateway_plan, port_fault};
use crate::faults::Faults;
use crate::support::{Durable, Instance, settings, story};

const HISTORIES: u64 = 100;
const RECORDS: usize = 200;
const STEP: Duration = Duration::from_millis(100);

/// How long after the faults it may take: longer than the quarantine of an actor that crashed for good.
const CALM_MAX_MS: i64 = 4 * 3_600_000;
/// The same where it is known that it never ends well.
const CONTROL_CALM_MAX_MS: i64 = 5 * 60_000;

/// One history on its way.
struct History {
    chance: Chance,
    durable: Durable,
    log: Vec<Logged>,
    users: Users,
    diary: Diary,
    findings: Arc<Mutex<Vec<String>>>,
    committed: judge::Committed,
    is_calm: Arc<Mutex<bool>>,
}

/// What happened, line by line, for a person to read.
#[derive(Clone)]
struct Diary {
    began: Instant,
    /// None where nobody is going to read it.
    lines: Option<Arc<Mutex<Vec<String>>>>,
}

impl Diary {
    fn new(is_read: bool) -> Self {
        Self {
            began: Instant::now(),
            lines: is_read.then(Arc::default),
        }
    }

    fn note(&self, line: impl FnOnce() -> String) {
        if let Some(lines) = &self.lines {
            let at_s = self.began.elapsed().as_secs_f64();
            lock(lines).push(format!("{at_s:>10.3}  {}", line()));
        }
    }
}

/// What became of a history.
struct Outcome {
    findings: Vec<String>,
    diary: Vec<String>,
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap()
}

fn short_holds() -> Settings {
    let mut settings = settings();
    settings.rules.confirm_within_ms = 60_000;
    settings.queue_patience_ms = 8_000;
    settings.gateway_timeout_ms = 6_000;
    settings.send_deadline_ms = 5_000;
    settings.drain_timeout_ms = 5_000;
    settings.in_flight_max = 40;
    settings
}

impl History {
    fn new(seed: u64, is_written_down: bool) -> Self {
        let mut chance = Chance(seed);
        let is_calm = Arc::new(Mutex::new(false));
        let calm = Arc::clone(&is_calm);
        let mut dice = chance.fork();
        let diary = Diary::new(is_written_down);
        let heard = diary.clone();
        let durable = Durable::new(move |call| {
            let plan = match *lock(&calm) {
                true => Plan::Execute,
                false => gateway_plan(&mut dice, &call.call),
            };
            let id = call.donation.request.id;
            heard.note(|| format!("{id} {:?} at the gateway: {plan:?}", call.call));
            plan
        });
        Self {
            chance,
            durable,
            log: Vec::new(),
            users: Users::default(),
            diary,
            findings: Arc::default(),
            committed: judge::Committed::default(),
            is_calm,
        }
    }

    /// Ports falter; in one history of four, actors crash too.
    fn falter(&mut self) {
        let mut dice = self.chance.fork();
        let crashes_permille = u64::from(self.chance.below(4) == 0) * 4;
        let store = Arc::clone(&self.durable.store);
        let findings = Arc::clone(&self.findings);
        let diary = self.diary.clone();
        self.durable.faults.plan(move |touch| {
            if let ("gateway", Some(id)) = (touch.port, touch.id)
                && !is_recorded(&*store, id)
            {
                lock(&findings).push(format!("{id} was sent before it was accepted"));
            }
            let fault = port_fault(&mut dice, touch, crashes_permille);
            let id = touch.id.map_or_else(String::new, |id| id.to_string());
            diary.note(|| format!("{id} {}: {fault:?}", touch.port));
            fault
        });
    }

    fn start(&self) -> Instance {
        let log = self.durable.log(self.log.len() as i64);
        self.diary
            .note(|| format!("an instance begins with {log:?}"));
        Instance::start_with(&self.durable, short_holds(), log)
    }

    /// One more record in the log.
    fn write(&mut self) {
        let request = self.users.ask(&mut self.chance);
        let offset = self.log.len();
        self.diary.note(|| match &request {
            Some(it) => format!("{} offset {offset}: {it:?}", it.id()),
            None => format!("offset {offset}: nothing that can be read"),
        });
        let at_ms = self.durable.clock.wall_ms();
        self.log.push(Logged::new(at_ms, request.as_ref()));
    }

    /// The instance reads what it takes.
    fn feed(&self, instance: &mut Instance) {
        while instance.intake.has_credit()
            && let Some(record) = self.log.get(instance.next_offset as usize)
        {
            let offset = instance.next_offset;
            if instance.offer(offset, record.at_ms, &record.key, &record.value)
                == Admission::NoCredit
            {
                break;
            }
            instance.next_offset += 1;
        }
        instance.intake.flush();
        if instance.next_offset == self.log.len() as i64 {
            instance.at_end();
        }
    }

    /// Traffic and faults.
    async fn storm(&mut self) -> Instance {
        self.falter();
        let mut instance = self.start();
        while self.log.len() < RECORDS {
            for _ in 0..self.chance.below(4) {
                self.write();
            }
            self.feed(&mut instance);
            tokio::time::sleep(STEP).await;
            if self.chance.permille(30) {
                self.durable.gateway.let_go();
            }
            self.trouble_store();
            let is_escalated = instance.alarms.try_recv().is_ok();
            if is_escalated || self.chance.permille(20) {
                instance = self.change_owner(instance, is_escalated).await;
            }
        }
        instance
    }

    fn trouble_store(&mut self) {
        if self.chance.permille(10) {
            self.diary.note(|| "the store is poisoned".into());
            self.durable.store.poison(Some("planned"));
        } else if self.chance.permille(200) {
            self.durable.store.poison(None);
        }
    }

    /// The process dies, the shard is lost, or it is handed over as planned.
    async fn change_owner(&mut self, instance: Instance, is_escalated: bool) -> Instance {
        self.judge_committed();
        match self.chance.below(if is_escalated { 2 } else { 3 }) {
            0 => {
                self.diary.note(|| "the process dies".into());
                drop(instance.die());
            }
            1 => {
                self.diary.note(|| "the shard is lost".into());
                drop(instance.lose());
            }
            _ => {
                self.diary.note(|| "the shard is handed over".into());
                drop(instance.hand_over().await);
            }
        }
        self.judge_committed();
        self.start()
    }

    /// The faults stop, and all comes to its end.
    async fn calm(&mut self, mut instance: Instance, max_ms: i64) {
        self.diary.note(|| "the faults stop".into());
        self.durable.faults.stop();
        self.durable.store.poison(None);
        *lock(&self.is_calm) = true;
        let began_ms = self.durable.clock.boot_ms();
        let mut step = Duration::from_secs(1);
        while !self.is_through(&instance) && self.durable.clock.boot_ms() - began_ms < max_ms {
            self.durable.gateway.let_go();
            self.feed(&mut instance);
            tokio::time::sleep(step).await;
            step = (step * 5 / 4).min(Duration::from_secs(30));
            if instance.alarms.try_recv().is_ok() {
                self.diary.note(|| "the process ends with an alarm".into());
                instance.die();
                instance = self.start();
            }
        }
        self.judge_committed();
        self.judge(&instance);
    }

    fn is_through(&self, instance: &Instance) -> bool {
        let is_open = |it: &Recorded| it.finish.is_none() || it.pending.is_some();
        self.durable.committed() == Some(self.log.len() as i64)
            && instance.world.credits.in_flight() == 0
            && !self.durable.store.all().iter().any(is_open)
    }

    fn judge_committed(&mut self) {
        let found = self.committed.judge(&self.durable);
        lock(&self.findings).extend(found);
    }

    fn judge(&self, instance: &Instance) {
        let (committed, end) = (self.durable.committed(), self.log.len() as i64);
        let mut found = Vec::new();
        if committed != Some(end) {
            found.push(format!("{committed:?} is committed of {end}"));
        }
        let in_flight = instance.world.credits.in_flight();
        if in_flight != 0 {
            found.push(format!("{in_flight} credits are gone"));
        }
        found.extend(judge::events(&self.durable));
        found.extend(judge::money(&self.durable));
        found.extend(judge::doubles(&self.durable));
        lock(&self.findings).extend(found);
    }

    fn outcome(self) -> Outcome {
        let lines = self.diary.lines.unwrap_or_default();
        Outcome {
            findings: std::mem::take(&mut *lock(&self.findings)),
            diary: std::mem::take(&mut *lock(&lines)),
        }
    }
}

fn is_recorded(store: &impl Store, id: DonationId) -> bool {
    let found = Arc::new(Mutex::new(true)); // what a poisoned store does not say is no finding
    let heard = Arc::clone(&found);
    let note = move |answer: Result<Option<Box<Recorded>>, StoreError>| {
        *lock(&heard) = answer.map_or(true, |recorded| recorded.is_some());
    };
    store.load(id, Done::new(note));
    *lock(&found)
}

/// The history of this seed, from its first record to its end.
fn live(seed: u64, is_written_down: bool) -> Outcome {
    run(seed, is_written_down, CALM_MAX_MS, |_| {})
}

/// The same, with one lie of a port.
fn live_with_lie(seed: u64, port: &'static str) -> Outcome {
    run(seed, false, CONTROL_CALM_MAX_MS, |faults| {
        faults.lie_once(port, 20)
    })
}

fn run(seed: u64, is_written_down: bool, max_ms: i64, control: impl FnOnce(&Faults)) -> Outcome {
    let mut outcome = None;
    story(async || {
        let mut history = History::new(seed, is_written_down);
        control(&history.durable.faults);
        let instance = history.storm().await;
        history.calm(instance, max_ms).await;
        outcome = Some(history.outcome());
    });
    outcome.unwrap()
}

/// Says which history it was if it ends in a panic.
struct Seed(u64);

impl Drop for Seed {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the history of seed {} panicked", self.0);
        }
    }
}

/// The history again, with its diary: what concerns the donations that the findings name, and what concerns all.
fn told(seed: u64) -> String {
    let Outcome { findings, diary } = live(seed, true);
    let findings = findings.join("\n");
    let concerns = |line: &&String| {
        let id = line.split_whitespace().nth(1).unwrap_or_default();
        id.len() != 36 || findings.contains(id)
    };
    let diary: Vec<&str> = diary.iter().filter(concerns).map(String::as_str).collect();
    format!("seed {seed}:\n{findings}\n\n{}", diary.join("\n"))
}

fn number(variable: &str, default: u64) -> u64 {
    std::env::var(variable).map_or(default, |text| text.parse().unwrap())
}

/// `ALMONER_HISTORIES` is how many; `ALMONER_SEED` is the first one's seed.
#[test]
fn whatever_happens_every_request_has_its_fate_and_the_money_is_right() {
    let first = number("ALMONER_SEED", 0);
    for seed in first..first + number("ALMONER_HISTORIES", HISTORIES) {
        let _named = Seed(seed);
        let found = live(seed, false).findings;
        assert!(found.is_empty(), "{}", told(seed));
    }
}

#[test]
fn a_seed_is_one_history() {
    let [first, second] = [(); 2].map(|()| live(7, true).diary);
    assert!(first.len() > RECORDS);
    assert_eq!(first, second);
}

/// The judge is not blind: an outcome that is acknowledged and not kept, a commit that says one too many, a store that
/// says that it accepted or finished what it did not keep.
#[test]
fn a_port_that_lies_is_found_out() {
    for port in ["publish", "commit", "accept", "finish"] {
        let lives = (0..6).map(|seed| live_with_lie(seed, port));
        let caught = lives.filter(|it| !it.findings.is_empty()).count();
        assert!(caught >= 2, "a lie of {port} was found {caught} times of 6");
    }
}
