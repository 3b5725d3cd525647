//! A gateway in memory: it keeps keys and intents as the real one does, and a plan says for each call what the caller
//! sees of it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use almoner_domain::answer::{Answer, Intent, IntentStatus};
use almoner_domain::donation::Call;
use almoner_domain::ids::DonationId;
use almoner_domain::request::DonationRequest;
use hashbrown::HashMap;

use crate::ports::{Clock, Done, Gateway, GatewayCall, Inexpressible};

/// What the caller sees of one call.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Plan {
    /// It is executed, and its answer arrives.
    Execute,
    /// It is executed, and its answer is lost.
    LoseAnswer,
    /// It never arrives, which the caller cannot tell from a lost answer.
    LoseRequest,
    /// It is not executed, and this is answered.
    Say(Answer),
    /// The card declines.
    Decline {
        /// The error's code.
        code: &'static str,
    },
    /// Nothing is executed or answered until the test lets go.
    Hang,
}

type Planner = Box<dyn FnMut(&GatewayCall) -> Plan + Send>;

/// A [`Gateway`] in memory.
pub struct MemoryGateway {
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
    planner: Mutex<Option<Planner>>,
}

#[derive(Default)]
struct State {
    answers: HashMap<String, Answer, foldhash::fast::FixedState>,
    intents: HashMap<DonationId, Vec<Intent>, foldhash::fast::FixedState>,
    /// Intents whose charge was given back.
    refunded: Vec<Box<str>>,
    hanging: Vec<(GatewayCall, Done<Answer>)>,
    calls: u64,
    charges: u64,
}

impl MemoryGateway {
    /// A gateway at which everything succeeds.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            clock,
            state: Mutex::default(),
            planner: Mutex::default(),
        }
    }

    /// A gateway of which `planner` says, call by call, what the caller sees.
    #[must_use]
    pub fn planned(
        clock: Arc<dyn Clock>,
        planner: impl FnMut(&GatewayCall) -> Plan + Send + 'static,
    ) -> Self {
        Self {
            planner: Mutex::new(Some(Box::new(planner))),
            ..Self::new(clock)
        }
    }

    /// How many calls arrived.
    #[must_use]
    pub fn calls(&self) -> u64 {
        lock(&self.state).calls
    }

    /// How many charges succeeded.
    #[must_use]
    pub fn charges(&self) -> u64 {
        lock(&self.state).charges
    }

    /// How many charges of one donation succeeded and stand: more than one breaks I2.
    #[must_use]
    pub fn charges_of(&self, id: DonationId) -> usize {
        let state = lock(&self.state);
        let intents = state.intents.get(&id).map_or(&[][..], Vec::as_slice);
        intents
            .iter()
            .filter(|intent| intent.status == IntentStatus::Succeeded)
            .filter(|intent| !state.refunded.contains(&intent.id))
            .count()
    }

    /// Charges a donation once more, unasked: what a 500 left open is rolled forward long after it should have been.
    pub fn charge_beside(&self, id: DonationId) {
        let created_s = self.clock.wall_ms().div_euclid(1000);
        let mut state = lock(&self.state);
        state.charges += 1;
        state.intents.entry(id).or_default().push(Intent {
            id: format!("pi_{id}_late").into(),
            status: IntentStatus::Succeeded,
            created_s,
            charge_id: Some(format!("ch_{id}_late").into()),
        });
    }

    /// Answers what hangs with this, and executes nothing.
    pub fn say(&self, answer: &Answer) {
        let hanging = std::mem::take(&mut lock(&self.state).hanging);
        for (_, done) in hanging {
            done.call(answer.clone());
        }
    }

    /// Executes and answers what hangs.
    pub fn let_go(&self) {
        let hanging = std::mem::take(&mut lock(&self.state).hanging);
        for (call, done) in hanging {
            let answer = self.execute(&call, None);
            done.call(answer);
        }
    }

    /// Whoever asks with a known key gets the first answer again.
    fn execute(&self, call: &GatewayCall, decline: Option<&str>) -> Answer {
        let id = call.donation.request.id;
        let created_s = self.clock.wall_ms().div_euclid(1000);
        let mut state = lock(&self.state);
        let key = call.call.key(id);
        if let Some(known) = key.as_ref().and_then(|key| state.answers.get(key)) {
            return known.clone();
        }
        let answer = state.answer(call, created_s, decline);
        if let Some(key) = key {
            state.answers.insert(key, answer.clone());
        }
        answer
    }
}

impl State {
    fn answer(&mut self, call: &GatewayCall, created_s: i64, decline: Option<&str>) -> Answer {
        let id = call.donation.request.id;
        match &call.call {
            Call::Charge | Call::CreateIntent { .. } => {
                let number = self.intents.get(&id).map_or(0, Vec::len);
                let mut intent = Intent {
                    id: format!("pi_{id}_{number}").into(),
                    status: IntentStatus::RequiresConfirmation,
                    created_s,
                    charge_id: None,
                };
                let answer = match call.call {
                    Call::Charge => self.confirm(&mut intent, decline),
                    _ => Answer::Intent(intent.clone()),
                };
                self.intents.entry(id).or_default().push(intent);
                answer
            }
            Call::List => Answer::Listed(self.intents.get(&id).cloned().unwrap_or_default()),
            Call::Fetch | Call::Confirm { .. } | Call::Cancel { .. } => {
                self.on_intent(call, call.intent.as_deref(), decline)
            }
            Call::Discard { intent, .. } => self.on_intent(call, Some(intent), decline),
            Call::Reverse { intent } => {
                self.refunded.push(intent.clone());
                Answer::Refunded
            }
        }
    }

    fn on_intent(
        &mut self,
        call: &GatewayCall,
        intent_id: Option<&str>,
        decline: Option<&str>,
    ) -> Answer {
        let id = call.donation.request.id;
        let mut intents = self.intents.remove(&id).unwrap_or_default();
        let answer = match intents
            .iter_mut()
            .find(|intent| Some(&*intent.id) == intent_id)
        {
            None => Answer::OurDefect {
                status: 404,
                what: "resource_missing".into(),
            },
            Some(intent) => {
                let ended = matches!(
                    intent.status,
                    IntentStatus::Succeeded | IntentStatus::Canceled
                );
                match call.call {
                    Call::Confirm { .. } if !ended => self.confirm(intent, decline),
                    Call::Cancel { .. } | Call::Discard { .. } if !ended => {
                        intent.status = IntentStatus::Canceled;
                        Answer::Intent(intent.clone())
                    }
                    _ => Answer::Intent(intent.clone()),
                }
            }
        };
        self.intents.insert(id, intents);
        answer
    }

    fn confirm(&mut self, intent: &mut Intent, decline: Option<&str>) -> Answer {
        if let Some(code) = decline {
            intent.status = IntentStatus::RequiresPaymentMethod;
            return Answer::Declined {
                code: code.into(),
                decline_code: None,
                intent: Some(intent.clone()),
            };
        }
        intent.status = IntentStatus::Succeeded;
        intent.charge_id = Some(intent.id.replacen("pi_", "ch_", 1).into());
        self.charges += 1;
        Answer::Intent(intent.clone())
    }
}

impl Gateway for MemoryGateway {
    fn freeze(&self, _: &DonationRequest) -> Result<u16, Inexpressible> {
        Ok(1)
    }

    fn call(&self, call: GatewayCall, done: Done<Answer>) {
        let plan = lock(&self.planner)
            .as_mut()
            .map_or(Plan::Execute, |planner| planner(&call));
        lock(&self.state).calls += 1;
        match plan {
            Plan::Execute => done.call(self.execute(&call, None)),
            Plan::Decline { code } => done.call(self.execute(&call, Some(code))),
            Plan::LoseAnswer => {
                self.execute(&call, None);
                done.call(Answer::Lost("the answer was lost".into()));
            }
            Plan::LoseRequest => done.call(Answer::Lost("the request was lost".into())),
            Plan::Say(answer) => done.call(answer),
            Plan::Hang => lock(&self.state).hanging.push((call, done)),
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
