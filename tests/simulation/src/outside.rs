//! What is outside of every process and outlives them all: time, store, gateway and broker, and the judge who watches.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use almoner_actors::memory::TokioClock;
use almoner_actors::ports::{Clock, Done, GatewayCall};
use almoner_actors::world::Settings;
use almoner_domain::answer::{Answer, IntentStatus};
use almoner_domain::campaign::CampaignChange;
use almoner_domain::ids::DonationId;

use crate::bank::{Bank, Decision, Request};
use crate::broker::Broker;
use crate::chance::{Chance, hash};
use crate::coverage::row;
use crate::defect::Defect;
use crate::diary::{Diary, lock};
use crate::faults::Faults;
use crate::figures;
use crate::judge::{Judge, Standing};
use crate::script::Script;
use crate::store::Disk;

/// A request may be executed so late.
const LATEST_MS: i64 = 8 * 60_000;

/// The world around the processes.
pub struct Outside {
    /// True time.
    pub clock: Arc<dyn Clock>,
    /// The figures of every process.
    pub settings: Settings,
    /// The store.
    pub disk: Arc<Disk>,
    /// What the campaigns' topic says of each.
    pub campaigns: Mutex<BTreeMap<String, CampaignChange>>,
    /// The gateway's books.
    pub bank: Mutex<Bank>,
    /// The requests topic.
    pub broker: Broker,
    /// What goes wrong.
    pub faults: Faults,
    /// Who watches.
    pub judge: Judge,
    /// What happened.
    pub diary: Diary,
    /// What is wrong on purpose, if anything is.
    pub defect: Option<&'static Defect>,
    /// The gateway cannot be reached.
    pub is_gateway_down: AtomicBool,
    /// The broker acknowledges nothing.
    pub is_broker_down: AtomicBool,
    /// Which answers came to which calls, and how often.
    pub answers: Mutex<BTreeMap<(&'static str, &'static str), u64>>,
    /// What a send left open is settled within this time, whatever the gateway promises.
    settles_within_ms: i64,
    is_gateway_late: bool,
    /// How many of a thousand calls at the gateway go another way.
    gateway_faults_permille: u64,
    /// Requests on the wire whose callers wait.
    pub on_the_wire: AtomicUsize,
    /// The intents of which a living process has heard that they were charged.
    shown: Mutex<BTreeSet<Box<str>>>,
    /// How many sends each key had.
    sends: Mutex<BTreeMap<String, u32>>,
}

/// What becomes of one request on its way.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Way {
    /// It arrives, and so does its answer.
    Through,
    /// It never arrives; its caller hears nothing, at once or after its patience.
    RequestLost { is_reset: bool },
    /// It is executed; its caller hears nothing.
    AnswerLost { is_reset: bool },
    /// It is executed long after its caller gave up.
    Late { after_ms: u64 },
    /// The gateway turns it away, and says so.
    TurnedAway(u64),
}

impl Outside {
    /// The world of this script. Call it inside a runtime.
    #[must_use]
    pub fn new(
        script: &Script,
        settings: Settings,
        defect: Option<&'static Defect>,
        is_read: bool,
    ) -> Arc<Self> {
        let diary = Diary::new(is_read);
        let true_rules = figures::settings(&script.weather).rules; // the gateway's figures are its own
        let settles_within_ms = true_rules.reconcile_bound_ms - LATEST_MS;
        Arc::new(Self {
            clock: Arc::new(TokioClock::starting_at(script.weather.start_ms)),
            settings,
            disk: Arc::default(),
            campaigns: Mutex::default(),
            bank: Mutex::new(Bank::new(true_rules.key_lifetime_ms, settles_within_ms)),
            broker: Broker::new(script.weather.partitions),
            faults: Faults::new(script),
            judge: Judge::new(diary.clone()),
            diary,
            defect,
            is_gateway_down: AtomicBool::new(false),
            is_broker_down: AtomicBool::new(false),
            answers: Mutex::default(),
            settles_within_ms: match script.weather.is_gateway_late {
                true => 3 * settles_within_ms,
                false => settles_within_ms,
            },
            is_gateway_late: script.weather.is_gateway_late,
            gateway_faults_permille: script.weather.gateway_faults_permille,
            on_the_wire: AtomicUsize::new(0),
            shown: Mutex::default(),
            sends: Mutex::default(),
        })
    }

    /// The request of a call as it goes out. It is as the adapter would make it, unless that is what is wrong.
    pub fn request(&self, call: &GatewayCall) -> Request {
        let donation = &call.donation;
        let id = donation.request.id;
        let about = match &call.call {
            almoner_domain::donation::Call::Charge
            | almoner_domain::donation::Call::CreateIntent { .. } => {
                format!("{:?} v{}", donation.request, donation.body_version)
            }
            other => format!("{other:?} of {:?}", call.intent),
        };
        let mut request = Request {
            id,
            call: call.call.clone(),
            intent: call.intent.clone(),
            listed_s: call.listed_s,
            key: call.call.key(id),
            body: format!("{} {about}", call.call.name()),
        };
        if let (Some(defect), Some(key)) = (self.defect, request.key.clone()) {
            let mut sends = lock(&self.sends);
            let nth = sends.entry(key).or_default();
            (defect.wire)(&mut request, *nth);
            *nth += 1;
        }
        request
    }

    /// Where what has this key belongs.
    pub fn partition_of(&self, key: &[u8]) -> u32 {
        let settings = &self.settings;
        settings.partitioner.partition(key, settings.partitions)
    }

    /// Whether the broker takes nothing for this partition now.
    pub fn is_unreachable(&self, partition: u32) -> bool {
        self.is_broker_down.load(Ordering::Relaxed) || self.broker.is_leaderless(partition)
    }

    /// Whether what is on the wire of a donation charges nothing any more: it is finished, or was heard to be charged.
    pub fn is_over(&self, id: DonationId) -> bool {
        let recorded = self.disk.rows.recorded(id);
        recorded.is_some_and(|it| it.finish.is_some()) || {
            let bank = lock(&self.bank);
            bank.charged(id).any(|it| self.was_shown(&it.intent.id))
        }
    }

    /// The charges of a donation that stand at the gateway now.
    pub fn standing(&self, id: DonationId) -> Standing {
        let mut bank = lock(&self.bank);
        bank.pass_to(self.clock.wall_ms());
        Standing {
            all: bank.standing(id).count(),
            in_time: bank.standing(id).filter(|it| !it.is_overdue).count(),
        }
    }

    /// Sends a request over the network, and calls `done` as a client would.
    pub fn transmit(self: &Arc<Self>, request: Request, done: Done<Answer>) {
        let what = hash(request.key.as_deref().unwrap_or(&request.body).as_bytes());
        let mut dice = self.faults.dice("latency", what);
        let (there_ms, runs_ms, back_ms) =
            (1 + dice.below(40), 1 + dice.below(300), 1 + dice.below(40));
        let way = self.way(what, &mut dice);
        let patience_ms = self.settings.gateway_timeout_ms.unsigned_abs();
        let outside = Arc::clone(self);
        self.on_the_wire.fetch_add(1, Ordering::Relaxed);
        let on_the_wire = Arc::clone(self);
        let done = Done::new(move |answer| {
            on_the_wire.on_the_wire.fetch_sub(1, Ordering::Relaxed);
            done.call(answer);
        });
        actix::spawn(async move {
            sleep(there_ms).await;
            match way {
                Way::Through => {
                    let answer = outside.execute(&request, what, runs_ms);
                    sleep(runs_ms + back_ms).await;
                    done.call(answer);
                }
                Way::TurnedAway(which) => done.call(turned_away(which)),
                Way::RequestLost { is_reset } => {
                    sleep(if is_reset { back_ms } else { patience_ms }).await;
                    done.call(Answer::Lost("the request was lost".into()));
                }
                Way::AnswerLost { is_reset } => {
                    outside.execute(&request, what, runs_ms);
                    sleep(if is_reset {
                        runs_ms + back_ms
                    } else {
                        patience_ms
                    })
                    .await;
                    done.call(Answer::Lost("the answer was lost".into()));
                }
                Way::Late { after_ms } => {
                    sleep(patience_ms).await;
                    done.call(Answer::Lost("no answer came".into()));
                    sleep(after_ms).await;
                    outside.execute(&request, what, runs_ms);
                }
            }
        });
    }

    fn way(&self, what: u64, latency: &mut Chance) -> Way {
        if self.is_gateway_down.load(Ordering::Relaxed) {
            return match latency.below(4) {
                0 => Way::RequestLost { is_reset: true },
                1 => Way::TurnedAway(5), // a stateless 500 in front of the gateway
                _ => Way::TurnedAway(0),
            };
        }
        let Some(mut dice) =
            self.faults
                .happens("transport", what, self.gateway_faults_permille / 2)
        else {
            return Way::Through;
        };
        let (way, name) = match dice.below(100) {
            0..=29 => (
                Way::AnswerLost {
                    is_reset: dice.permille(500),
                },
                "gateway's answer lost",
            ),
            30..=54 => (
                Way::RequestLost {
                    is_reset: dice.permille(500),
                },
                "request to the gateway lost",
            ),
            55..=74 => {
                let longest_ms = [2_000, 60_000, 5 * 60_000][dice.below(3) as usize];
                (
                    Way::Late {
                        after_ms: dice.below(longest_ms),
                    },
                    "executed after its caller gave up",
                )
            }
            _ => (
                Way::TurnedAway(dice.below(13)),
                "turned away by the gateway",
            ),
        };
        self.faults.count(name);
        way
    }

    fn execute(&self, request: &Request, what: u64, runs_ms: u64) -> Answer {
        let decision = match self
            .faults
            .happens("decision", what, self.gateway_faults_permille)
        {
            Some(mut dice) => {
                Decision::trouble(&mut dice, self.settles_within_ms, self.is_gateway_late)
            }
            None => Decision::Charge,
        };
        let answer = {
            let mut bank = lock(&self.bank);
            bank.pass_to(self.clock.wall_ms());
            let runs_ms = i64::try_from(runs_ms).unwrap_or(0);
            bank.execute(request, decision, runs_ms)
        };
        self.diary.note(|| {
            format!(
                "{} gateway: {} → {answer:?}",
                request.id,
                request.call.name()
            )
        });
        answer
    }

    /// A living process hears an answer.
    pub fn hear(&self, call: &'static str, answer: &Answer) {
        let row = row(answer);
        *lock(&self.answers).entry((call, row)).or_default() += 1;
        let listed = match answer {
            Answer::Listed(intents) => intents.as_slice(),
            _ => &[],
        };
        let shown = listed.iter().chain(answer.intent());
        let charged = shown.filter(|it| it.status == IntentStatus::Succeeded);
        lock(&self.shown).extend(charged.map(|it| it.id.clone()));
    }

    /// Whether a living process has heard that this intent was charged.
    pub fn was_shown(&self, intent: &str) -> bool {
        lock(&self.shown).contains(intent)
    }
}

fn turned_away(which: u64) -> Answer {
    match which {
        0..=2 => Answer::NotSent("planned".into()),
        3 => Answer::RateLimited {
            retry_after_ms: Some(1_500),
        },
        4 => Answer::RateLimited {
            retry_after_ms: None,
        },
        5..=7 => Answer::ServerError {
            status: 503,
            replayed: false,
        },
        8 => Answer::BadApiKey,
        9 => Answer::Forbidden,
        10 => Answer::OurDefect {
            status: 400,
            what: "planned".into(),
        },
        11 => Answer::KeyMismatch, // the key lives elsewhere
        _ => Answer::KeyInUse,
    }
}

/// Virtual time passes.
pub async fn sleep(ms: u64) {
    tokio::time::sleep(Duration::from_millis(ms)).await;
}
