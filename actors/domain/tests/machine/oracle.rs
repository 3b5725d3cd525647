//! The oracle: a small model of a gateway that keeps what Stripe promises and no more. Keys store their first answer
//! and die; an intent is charged at most once; what a 500 left open is settled later; the list is read-after-write.

use std::collections::BTreeMap;

use almoner_domain::answer::{Answer, Intent, IntentStatus, Refused};
use almoner_domain::donation::Call;

/// After so many declines an intent cancels itself.
const DECLINES_MAX: u8 = 7;

/// What the gateway does with a request that it executes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Decision {
    Charge,
    SoftDecline,
    HardDecline,
    /// 402 `authentication_required`.
    NeedsUser,
    /// 200 `requires_action`.
    RequiresAction,
    /// 200 `processing`, settled within the bound: charged or not.
    Processing {
        charged: bool,
        after_permille: u16,
    },
    /// 400 before execution: it is not stored.
    Refuse,
    /// A stored 500, nothing done.
    ErrorBefore,
    /// A stored 500, the intent made, but not charged.
    ErrorHalfway,
    /// A stored 500, all done.
    ErrorAfter,
    /// A stored 500, all done within the bound.
    ErrorRolledForward {
        after_permille: u16,
    },
}

/// One request as it went out.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Request {
    pub send: u16,
    pub call: Call,
    pub key: Option<String>,
    /// The pinned intent as of the send.
    pub intent: Option<Box<str>>,
    pub permitted_ms: i64,
}

impl Request {
    /// All that determines the request's bytes, but for the donation's own fields.
    pub fn bytes(&self) -> String {
        match &self.call {
            Call::Charge | Call::CreateIntent { .. } | Call::List => self.call.name().to_owned(),
            Call::Fetch | Call::Confirm { .. } | Call::Cancel { .. } => {
                format!("{} {:?}", self.call.name(), self.intent)
            }
            Call::Discard { intent, .. } => format!("cancel {intent}"),
            Call::Reverse { intent } => format!("refund {intent}"),
        }
    }
}

struct Stored {
    first_used_ms: i64,
    answer: Answer,
}

struct Account {
    intent: Intent,
    declines: u8,
    is_refunded: bool,
}

/// What is settled later: a processing payment, or a 500 that is rolled forward.
struct Roll {
    at_ms: i64,
    charged: bool,
    /// None: the charge's own intent, which nobody sees before.
    intent: Option<Box<str>>,
    created_s: i64,
}

pub struct Oracle {
    pub now_ms: i64,
    key_lifetime_ms: i64,
    /// Within this after its permission everything about a send is settled.
    bound_ms: i64,
    keys: BTreeMap<String, Stored>,
    accounts: Vec<Account>,
    rolls: Vec<Roll>,
    /// 402s that were made, replays not counted.
    pub declines: u32,
}

impl Oracle {
    pub fn new(now_ms: i64, key_lifetime_ms: i64, bound_ms: i64) -> Self {
        Self {
            now_ms,
            key_lifetime_ms,
            bound_ms,
            keys: BTreeMap::new(),
            accounts: Vec::new(),
            rolls: Vec::new(),
            declines: 0,
        }
    }

    /// The successful charges: an intent has at most one.
    pub fn charged(&self) -> Vec<&Intent> {
        let charged = |account: &&Account| account.intent.status == IntentStatus::Succeeded;
        let intents = self.accounts.iter().filter(charged);
        intents.map(|account| &account.intent).collect()
    }

    /// The successful charges that were not given back.
    pub fn unreversed(&self) -> Vec<&Intent> {
        let stands = |account: &&Account| {
            account.intent.status == IntentStatus::Succeeded && !account.is_refunded
        };
        let intents = self.accounts.iter().filter(stands);
        intents.map(|account| &account.intent).collect()
    }

    /// Time passes, and what is due meanwhile is settled.
    pub fn advance(&mut self, to_ms: i64) {
        self.now_ms = self.now_ms.max(to_ms);
        let now_ms = self.now_ms;
        let (due, later) = std::mem::take(&mut self.rolls)
            .into_iter()
            .partition(|roll| roll.at_ms <= now_ms);
        self.rolls = later;
        for roll in due {
            self.settle(roll);
        }
    }

    /// All that is open is settled, as badly as the promises allow.
    pub fn settle_all(&mut self) {
        for roll in std::mem::take(&mut self.rolls) {
            self.settle(roll);
        }
    }

    fn settle(&mut self, roll: Roll) {
        let i = match roll.intent {
            Some(id) => self.find(&id).unwrap(),
            None => self.create(IntentStatus::RequiresPaymentMethod, roll.created_s),
        };
        let intent = &mut self.accounts[i].intent;
        match intent.status {
            IntentStatus::Succeeded | IntentStatus::Canceled => {}
            _ if roll.charged => succeed(intent),
            _ => intent.status = IntentStatus::RequiresPaymentMethod,
        }
    }

    /// Executes the request, or replays what its key has stored.
    pub fn execute(&mut self, request: &Request, decision: Decision) -> Answer {
        let Some(key) = &request.key else {
            return match &request.call {
                Call::List => {
                    let intents = self.accounts.iter().map(|account| account.intent.clone());
                    Answer::Listed(intents.collect())
                }
                _ => self.shown(self.find(request.intent.as_deref().unwrap()).unwrap()),
            };
        };
        let lifetime_ms = self.key_lifetime_ms;
        let now_ms = self.now_ms;
        self.keys
            .retain(|_, stored| now_ms < stored.first_used_ms + lifetime_ms);
        if let Some(stored) = self.keys.get(key) {
            return replayed(stored.answer.clone());
        }
        let answer = self.execute_anew(request, decision);
        if !matches!(answer, Answer::Refused(_)) {
            let stored = Stored {
                first_used_ms: now_ms,
                answer: answer.clone(),
            };
            self.keys.insert(key.clone(), stored);
        }
        answer
    }

    fn execute_anew(&mut self, request: &Request, decision: Decision) -> Answer {
        let created_s = self.now_ms / 1_000;
        let pinned = || request.intent.as_deref().unwrap();
        match &request.call {
            Call::Charge => match decision {
                Decision::Refuse => Answer::Refused(Refused::PaymentMethod),
                Decision::ErrorBefore => error(),
                Decision::ErrorRolledForward { after_permille } => {
                    self.roll(request, true, None, after_permille)
                }
                _ => {
                    let i = self.create(IntentStatus::RequiresPaymentMethod, created_s);
                    self.confirm(i, request, decision)
                }
            },
            Call::CreateIntent { .. } => match decision {
                Decision::Refuse => Answer::Refused(Refused::Amount),
                Decision::ErrorBefore => error(),
                _ => {
                    let i = self.create(IntentStatus::RequiresConfirmation, created_s);
                    match decision {
                        Decision::ErrorAfter | Decision::ErrorHalfway => error(),
                        _ => self.shown(i),
                    }
                }
            },
            Call::Confirm { .. } => {
                let i = self.find(pinned()).unwrap();
                match self.accounts[i].intent.status {
                    IntentStatus::Succeeded | IntentStatus::Canceled | IntentStatus::Processing => {
                        self.shown(i) // refused, and the error carries the intent
                    }
                    _ => self.confirm(i, request, decision),
                }
            }
            Call::Cancel { .. } => self.cancel(pinned(), decision),
            Call::Discard { intent, .. } => self.cancel(intent, decision),
            Call::Reverse { intent } => self.refund(intent, decision),
            Call::Fetch | Call::List => unreachable!("reads have no key"),
        }
    }

    fn confirm(&mut self, i: usize, request: &Request, decision: Decision) -> Answer {
        let intent = &mut self.accounts[i].intent;
        let id = intent.id.clone();
        match decision {
            Decision::Charge => succeed(intent),
            Decision::SoftDecline => return self.decline(i, "processing_error"),
            Decision::HardDecline => return self.decline(i, "card_declined"),
            Decision::NeedsUser => return self.decline(i, "authentication_required"),
            Decision::RequiresAction => intent.status = IntentStatus::RequiresAction,
            Decision::Processing {
                charged,
                after_permille,
            } => {
                intent.status = IntentStatus::Processing;
                self.roll(request, charged, Some(id), after_permille);
            }
            Decision::Refuse => return Answer::Refused(Refused::PaymentMethod),
            Decision::ErrorBefore | Decision::ErrorHalfway => return error(),
            Decision::ErrorAfter => {
                succeed(intent);
                return error();
            }
            Decision::ErrorRolledForward { after_permille } => {
                return self.roll(request, true, Some(id), after_permille);
            }
        }
        self.shown(i)
    }

    fn cancel(&mut self, id: &str, decision: Decision) -> Answer {
        let i = self.find(id).unwrap();
        let intent = &mut self.accounts[i].intent;
        match (decision, intent.status) {
            (Decision::ErrorBefore | Decision::ErrorHalfway, _) => return error(),
            (_, IntentStatus::Succeeded | IntentStatus::Processing | IntentStatus::Canceled) => {}
            (_, _) => intent.status = IntentStatus::Canceled,
        }
        match decision {
            Decision::ErrorAfter => error(),
            _ => self.shown(i),
        }
    }

    fn refund(&mut self, id: &str, decision: Decision) -> Answer {
        let i = self.find(id).unwrap();
        let account = &mut self.accounts[i];
        assert_eq!(account.intent.status, IntentStatus::Succeeded);
        match decision {
            Decision::ErrorBefore | Decision::ErrorHalfway => return error(),
            Decision::Refuse => {
                return Answer::OurDefect {
                    status: 400,
                    what: "balance_insufficient".into(),
                };
            }
            _ => account.is_refunded = true,
        }
        match decision {
            Decision::ErrorAfter => error(),
            _ => Answer::Refunded,
        }
    }

    fn decline(&mut self, i: usize, code: &str) -> Answer {
        self.declines += 1;
        let account = &mut self.accounts[i];
        account.declines += 1;
        account.intent.status = if account.declines < DECLINES_MAX {
            IntentStatus::RequiresPaymentMethod
        } else {
            IntentStatus::Canceled
        };
        Answer::Declined {
            code: code.into(),
            decline_code: None,
            intent: Some(account.intent.clone()),
        }
    }

    fn roll(
        &mut self,
        request: &Request,
        charged: bool,
        intent: Option<Box<str>>,
        after_permille: u16,
    ) -> Answer {
        let last_ms = request.permitted_ms + self.bound_ms - 1;
        let left_ms = (last_ms - self.now_ms).max(0);
        self.rolls.push(Roll {
            at_ms: self.now_ms + left_ms * i64::from(after_permille) / 1_000,
            charged,
            intent,
            created_s: self.now_ms / 1_000,
        });
        error()
    }

    fn create(&mut self, status: IntentStatus, created_s: i64) -> usize {
        let id = format!("pi_{}", self.accounts.len() + 1).into();
        let intent = Intent {
            id,
            status,
            created_s,
            charge_id: None,
        };
        self.accounts.push(Account {
            intent,
            declines: 0,
            is_refunded: false,
        });
        self.accounts.len() - 1
    }

    fn find(&self, id: &str) -> Option<usize> {
        self.accounts
            .iter()
            .position(|account| &*account.intent.id == id)
    }

    fn shown(&self, i: usize) -> Answer {
        Answer::Intent(self.accounts[i].intent.clone())
    }
}

fn succeed(intent: &mut Intent) {
    intent.status = IntentStatus::Succeeded;
    intent.charge_id = Some(intent.id.replace("pi_", "ch_").into());
}

fn error() -> Answer {
    Answer::ServerError {
        status: 500,
        replayed: false,
    }
}

fn replayed(answer: Answer) -> Answer {
    match answer {
        Answer::ServerError { status, .. } => Answer::ServerError {
            status,
            replayed: true,
        },
        other => other,
    }
}
