//! The gateway as an oracle: it keeps what `docs/CHARGES.md` says of the real one and no more. Keys store their first
//! answer and die; an intent is charged at most once; what a 500 left open is settled later; the list is
//! read-after-write.

mod decision;

use std::collections::BTreeMap;

use almoner_domain::answer::{Answer, Intent, IntentStatus, Refused};
use almoner_domain::donation::Call;
use almoner_domain::ids::DonationId;

pub use decision::Decision;

/// After so many declines an intent cancels itself: most after seven, some sooner.
fn declines_max(id: DonationId) -> u8 {
    match id.0[15] % 16 {
        1 => 1,
        2 => 3,
        _ => 7,
    }
}

/// What turns up as processing is paid after so long.
const PROCESSING_MS: i64 = 30_000;

/// One request as it arrives: all that determines its bytes is in `body`.
#[derive(Clone, Debug)]
pub struct Request {
    /// Whose it is.
    pub id: DonationId,
    /// What is asked for.
    pub call: Call,
    /// The pinned intent, for the calls that name one.
    pub intent: Option<Box<str>>,
    /// For a list: the range of `created`, seconds since 1970.
    pub listed_s: (i64, i64),
    /// The idempotency key.
    pub key: Option<String>,
    /// The body.
    pub body: String,
}

struct Stored {
    first_used_ms: i64,
    /// Until then another send of the key is told that it runs.
    runs_until_ms: i64,
    body: String,
    answer: Answer,
}

/// One intent and what became of it.
pub struct Account {
    /// As it is shown.
    pub intent: Intent,
    declines: u8,
    /// Its charge was given back.
    pub is_refunded: bool,
    /// It was charged later than the gateway promises to settle what it left open.
    pub is_overdue: bool,
}

/// What is settled later: a processing payment, or a 500 that is rolled forward.
struct Roll {
    at_ms: i64,
    id: DonationId,
    /// How the intent stands then.
    as_: IntentStatus,
    /// None: the charge's own intent, which nobody sees before.
    intent: Option<Box<str>>,
    created_s: i64,
    /// It is settled later than the gateway promises.
    is_overdue: bool,
}

/// The gateway's own books.
pub struct Bank {
    now_ms: i64,
    key_lifetime_ms: i64,
    settles_within_ms: i64,
    keys: BTreeMap<String, Stored>,
    accounts: BTreeMap<DonationId, Vec<Account>>,
    rolls: Vec<Roll>,
}

impl Bank {
    /// A gateway whose keys live so long, and which promises to settle within this time what it left open.
    #[must_use]
    pub fn new(key_lifetime_ms: i64, settles_within_ms: i64) -> Self {
        Self {
            now_ms: 0,
            key_lifetime_ms,
            settles_within_ms,
            keys: BTreeMap::new(),
            accounts: BTreeMap::new(),
            rolls: Vec::new(),
        }
    }

    /// The intents of a donation.
    #[must_use]
    pub fn accounts(&self, id: DonationId) -> &[Account] {
        self.accounts.get(&id).map_or(&[], Vec::as_slice)
    }

    /// The charges of a donation that succeeded, given back or not.
    pub fn charged(&self, id: DonationId) -> impl Iterator<Item = &Account> {
        self.accounts(id)
            .iter()
            .filter(|it| it.intent.status == IntentStatus::Succeeded)
    }

    /// The charges of a donation that stand.
    pub fn standing(&self, id: DonationId) -> impl Iterator<Item = &Account> {
        self.charged(id).filter(|it| !it.is_refunded)
    }

    /// Every donation of which the gateway knows.
    pub fn donations(&self) -> impl Iterator<Item = DonationId> {
        self.accounts.keys().copied()
    }

    /// Whether a charge of the donation came later than the gateway promises.
    #[must_use]
    pub fn is_overdue(&self, id: DonationId) -> bool {
        self.accounts(id).iter().any(|it| it.is_overdue)
    }

    /// What the list shows from `since_s` on, the newest first.
    #[must_use]
    pub fn list(&self, since_s: Option<i64>) -> Vec<(DonationId, &Account)> {
        let all = self.accounts.iter();
        let all = all.flat_map(|(id, accounts)| accounts.iter().map(|it| (*id, it)));
        let is_in_range =
            |it: &Account| since_s.is_none_or(|since_s| it.intent.created_s >= since_s);
        let mut listed: Vec<_> = all.filter(|(_, it)| is_in_range(it)).collect();
        listed.sort_by_key(|(_, it)| -it.intent.created_s); // stable
        listed
    }

    /// Some give with what can be charged but once: after that the gateway knows the payment method no more.
    fn is_used_up(&self, id: DonationId, intent: Option<&str>) -> bool {
        let others = |it: &&Account| Some(&*it.intent.id) != intent;
        id.0[15].is_multiple_of(4) && self.charged(id).any(|it| others(&it))
    }

    /// Time passes, and what is due meanwhile is settled.
    pub fn pass_to(&mut self, now_ms: i64) {
        self.now_ms = self.now_ms.max(now_ms);
        let due = |roll: &Roll| roll.at_ms <= now_ms;
        let all = std::mem::take(&mut self.rolls);
        let (mut due, later): (Vec<_>, Vec<_>) = all.into_iter().partition(due);
        self.rolls = later;
        due.sort_by_key(|roll| roll.at_ms);
        due.into_iter().for_each(|roll| self.settle(roll));
    }

    /// Executes the request, or replays what its key has stored.
    pub fn execute(&mut self, request: &Request, decision: Decision, runs_ms: i64) -> Answer {
        let Some(key) = &request.key else {
            return self.read(request);
        };
        let (now_ms, lifetime_ms) = (self.now_ms, self.key_lifetime_ms);
        let stored = self
            .keys
            .get(key)
            .filter(|stored| now_ms < stored.first_used_ms + lifetime_ms);
        if let Some(stored) = stored {
            if stored.body != request.body {
                return Answer::KeyMismatch;
            }
            if now_ms < stored.runs_until_ms {
                return Answer::KeyInUse;
            }
            return replayed(stored.answer.clone());
        }
        let answer = self.execute_anew(request, decision);
        if !matches!(answer, Answer::Refused(_) | Answer::OurDefect { .. }) {
            let stored = Stored {
                first_used_ms: now_ms,
                runs_until_ms: now_ms + runs_ms,
                body: request.body.clone(),
                answer: answer.clone(),
            };
            self.keys.insert(key.clone(), stored);
        }
        answer
    }

    fn read(&self, request: &Request) -> Answer {
        let accounts = self.accounts(request.id);
        if request.call == Call::List {
            let (from, to) = request.listed_s;
            let listed = accounts
                .iter()
                .filter(|it| (from..=to).contains(&it.intent.created_s));
            return Answer::Listed(listed.map(|it| it.intent.clone()).collect());
        }
        let asked = accounts
            .iter()
            .find(|it| Some(&it.intent.id) == request.intent.as_ref());
        asked.map_or_else(missing, |it| Answer::Intent(it.intent.clone()))
    }

    fn execute_anew(&mut self, request: &Request, decision: Decision) -> Answer {
        let id = request.id;
        match &request.call {
            Call::Charge => match decision {
                _ if self.is_used_up(id, None) => Answer::Refused(Refused::PaymentMethod),
                Decision::Refuse(why) => Answer::Refused(why),
                Decision::ErrorBefore => error(),
                Decision::ErrorRolledForward { as_, after_ms } => {
                    self.roll(id, as_, None, after_ms)
                }
                _ => {
                    let i =
                        self.create(id, IntentStatus::RequiresPaymentMethod, self.now_ms / 1_000);
                    self.confirm(id, i, decision)
                }
            },
            Call::CreateIntent { .. } => match decision {
                Decision::Refuse(why) => Answer::Refused(why),
                Decision::ErrorBefore => error(),
                _ => {
                    let i =
                        self.create(id, IntentStatus::RequiresConfirmation, self.now_ms / 1_000);
                    match decision {
                        Decision::ErrorAfter | Decision::ErrorHalfway => error(),
                        _ => self.shown(id, i),
                    }
                }
            },
            Call::Confirm { .. } => self.on_intent(id, request.intent.as_deref(), |bank, i| {
                match bank.accounts(id)[i].intent.status {
                    IntentStatus::Succeeded | IntentStatus::Canceled | IntentStatus::Processing => {
                        bank.shown(id, i) // refused, and the error carries the intent
                    }
                    _ if bank.is_used_up(id, request.intent.as_deref()) => {
                        Answer::Refused(Refused::PaymentMethod)
                    }
                    _ => {
                        let answer = bank.confirm(id, i, decision);
                        bank.settle_overdue(id);
                        answer
                    }
                }
            }),
            Call::Cancel { .. } => self.on_intent(id, request.intent.as_deref(), |bank, i| {
                bank.cancel(id, i, decision)
            }),
            Call::Discard { intent, .. } => {
                self.on_intent(id, Some(intent), |bank, i| bank.cancel(id, i, decision))
            }
            Call::Reverse { intent } => {
                self.on_intent(id, Some(intent), |bank, i| bank.refund(id, i, decision))
            }
            Call::Fetch | Call::List => self.read(request),
        }
    }

    fn on_intent(
        &mut self,
        id: DonationId,
        intent: Option<&str>,
        act: impl FnOnce(&mut Self, usize) -> Answer,
    ) -> Answer {
        let found = self
            .accounts(id)
            .iter()
            .position(|it| Some(&*it.intent.id) == intent);
        found.map_or_else(missing, |i| act(self, i))
    }

    fn account(&mut self, id: DonationId, i: usize) -> &mut Account {
        &mut self.accounts.entry(id).or_default()[i]
    }

    fn confirm(&mut self, id: DonationId, i: usize, decision: Decision) -> Answer {
        let account = self.account(id, i);
        let name = account.intent.id.clone();
        match decision {
            Decision::Charge | Decision::PaidBefore => succeed(&mut account.intent),
            Decision::NotMoved(status) => account.intent.status = status,
            Decision::SoftDecline(code) => return self.decline(id, i, code),
            Decision::HardDecline => return self.decline(id, i, "card_declined"),
            Decision::NeedsUser => return self.decline(id, i, "authentication_required"),
            Decision::RequiresAction => account.intent.status = IntentStatus::RequiresAction,
            Decision::Processing {
                is_charged,
                after_ms,
            } => {
                account.intent.status = IntentStatus::Processing;
                self.roll(id, paid(is_charged), Some(name), after_ms);
            }
            Decision::Refuse(_) => return Answer::Refused(Refused::PaymentMethod),
            Decision::ErrorBefore | Decision::ErrorHalfway => return error(),
            Decision::ErrorAfter => {
                succeed(&mut account.intent);
                return error();
            }
            Decision::ErrorRolledForward { as_, after_ms } => {
                return self.roll(id, as_, Some(name), after_ms);
            }
        }
        self.shown(id, i)
    }

    fn cancel(&mut self, id: DonationId, i: usize, decision: Decision) -> Answer {
        let intent = &mut self.account(id, i).intent;
        match (decision, intent.status) {
            (Decision::ErrorBefore | Decision::ErrorHalfway, _) => return error(),
            (_, IntentStatus::Succeeded | IntentStatus::Processing | IntentStatus::Canceled) => {}
            (Decision::NotMoved(_) | Decision::Refuse(_), _) => {} // refused, and the error carries the intent
            (Decision::PaidBefore, IntentStatus::RequiresAction) => succeed(intent),
            (Decision::Processing { .. }, IntentStatus::RequiresAction) => {
                let name = intent.id.clone();
                intent.status = IntentStatus::Processing;
                if let Decision::Processing {
                    is_charged,
                    after_ms,
                } = decision
                {
                    self.roll(id, paid(is_charged), Some(name), after_ms);
                }
            }
            _ => intent.status = IntentStatus::Canceled,
        }
        match decision {
            Decision::ErrorAfter => error(),
            _ => self.shown(id, i),
        }
    }

    fn refund(&mut self, id: DonationId, i: usize, decision: Decision) -> Answer {
        match decision {
            Decision::ErrorBefore | Decision::ErrorHalfway => return error(),
            Decision::Refuse(_) => return defect("balance_insufficient"),
            _ => self.account(id, i).is_refunded = true,
        }
        match decision {
            Decision::ErrorAfter => error(),
            _ => Answer::Refunded,
        }
    }

    fn decline(&mut self, id: DonationId, i: usize, code: &str) -> Answer {
        let account = self.account(id, i);
        account.declines += 1;
        account.intent.status = match account.declines {
            declines if declines < declines_max(id) => IntentStatus::RequiresPaymentMethod,
            _ => IntentStatus::Canceled,
        };
        let intent = Some(account.intent.clone());
        Answer::Declined {
            code: code.into(),
            decline_code: None,
            intent,
        }
    }

    fn roll(
        &mut self,
        id: DonationId,
        as_: IntentStatus,
        intent: Option<Box<str>>,
        after_ms: i64,
    ) -> Answer {
        let (at_ms, created_s) = (self.now_ms + after_ms, self.now_ms / 1_000);
        let is_overdue = after_ms > self.settles_within_ms;
        self.rolls.push(Roll {
            is_overdue,
            at_ms,
            id,
            as_,
            intent,
            created_s,
        });
        error()
    }

    /// What it should have settled long ago it settles at the worst moment: right after the second generation was confirmed.
    fn settle_overdue(&mut self, id: DonationId) {
        let is_due = |roll: &Roll| roll.is_overdue && roll.id == id && roll.intent.is_none();
        let all = std::mem::take(&mut self.rolls);
        let (due, later): (Vec<_>, Vec<_>) = all.into_iter().partition(is_due);
        self.rolls = later;
        due.into_iter().for_each(|roll| self.settle(roll));
    }

    fn settle(&mut self, roll: Roll) {
        let i = match &roll.intent {
            Some(name) => self
                .accounts(roll.id)
                .iter()
                .position(|it| it.intent.id == *name),
            None => Some(self.create(roll.id, IntentStatus::RequiresPaymentMethod, roll.created_s)),
        };
        let Some(i) = i else { return };
        let intent = &mut self.account(roll.id, i).intent;
        match intent.status {
            IntentStatus::Succeeded | IntentStatus::Canceled => {}
            _ if roll.as_ == IntentStatus::Succeeded => {
                succeed(intent);
                self.account(roll.id, i).is_overdue = roll.is_overdue;
            }
            _ => intent.status = roll.as_,
        }
        if roll.as_ == IntentStatus::Processing {
            let name = self.accounts(roll.id)[i].intent.id.clone();
            let (at_ms, as_) = (roll.at_ms + PROCESSING_MS, IntentStatus::Succeeded);
            let intent = Some(name);
            self.rolls.push(Roll {
                at_ms,
                as_,
                intent,
                ..roll
            });
        }
    }

    fn create(&mut self, id: DonationId, status: IntentStatus, created_s: i64) -> usize {
        let accounts = self.accounts.entry(id).or_default();
        let name = format!("pi_{id}_{}", accounts.len() + 1).into();
        let intent = Intent {
            id: name,
            status,
            created_s,
            charge_id: None,
        };
        accounts.push(Account {
            intent,
            declines: 0,
            is_refunded: false,
            is_overdue: false,
        });
        accounts.len() - 1
    }

    fn shown(&self, id: DonationId, i: usize) -> Answer {
        Answer::Intent(self.accounts(id)[i].intent.clone())
    }
}

fn paid(is_charged: bool) -> IntentStatus {
    match is_charged {
        true => IntentStatus::Succeeded,
        false => IntentStatus::RequiresPaymentMethod,
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

fn defect(what: &str) -> Answer {
    Answer::OurDefect {
        status: 400,
        what: what.into(),
    }
}

fn missing() -> Answer {
    Answer::OurDefect {
        status: 404,
        what: "resource_missing".into(),
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
