//! The world of one donation: the oracle, a network that loses, delays and repeats, and owners that die.

use std::collections::BTreeMap;

use almoner_domain::answer::Answer;
use almoner_domain::donation::{
    Call, Donation, Ending, Event, PendingKind, Progress, Rules, State,
};

use crate::history::{History, Op, Refusal, Story, Violation};
use crate::machines::Machine;
use crate::oracle::{Decision, Oracle, Request};
use crate::{SECOND_MS, T0_MS, donation};

pub enum Phase {
    Waiting { due_ms: i64 },
    OnWire(Request),
    Done,
}

/// After faults have stopped, a donation ends within so many events: a list every five minutes for two days, or for six
/// where the gateway settles late.
const CALM_STEPS_MAX: usize = 1_500;
const CALM_STEPS_LATE_MAX: usize = 3 * CALM_STEPS_MAX;

pub struct World<'a, M> {
    pub machine: &'a M,
    pub rules: Rules,
    pub donation: Donation,
    pub oracle: Oracle,
    pub progress: Progress,
    pub phase: Phase,
    /// How it ended; a surplus may be worked off yet.
    pub ending: Option<Ending>,
    settles_in_ms: i64,
    /// Sends that may be executed yet.
    pub on_way: Vec<Request>,
    /// Answers that may be delivered yet, or again.
    mail: Vec<(u16, Answer)>,
    /// What each key was sent with.
    pub bytes: BTreeMap<String, String>,
    pub calls: Vec<Call>,
}

/// Runs one history through the machine and checks every promise.
pub fn run<M: Machine>(machine: &M, history: &History) -> Result<Story, Violation> {
    let mut world = World {
        machine,
        rules: history.rules,
        donation: donation(),
        oracle: Oracle::new(T0_MS, history.rules.key_lifetime_ms, history.settles_in_ms),
        progress: Progress::new(),
        phase: Phase::Waiting { due_ms: T0_MS },
        ending: None,
        settles_in_ms: history.settles_in_ms,
        on_way: Vec::new(),
        mail: Vec::new(),
        bytes: BTreeMap::new(),
        calls: Vec::new(),
    };
    world.event(Event::Judged(history.verdict))?;
    for op in &history.ops {
        world.apply(op)?;
    }
    world.calm(&history.calm)
}

impl<M: Machine> World<'_, M> {
    fn apply(&mut self, op: &Op) -> Result<(), Violation> {
        if matches!(self.phase, Phase::Done) {
            return Ok(());
        }
        match *op {
            Op::Answer(decision) => self.answer(decision),
            Op::LoseAnswer(decision) => self.lose(Some(decision)),
            Op::LoseRequest => self.lose(None),
            Op::NotExecuted(refusal) => self.refuse(refusal),
            Op::ExecuteLate(which, decision) => self.execute_late(which, decision),
            Op::DeliverLate(which) => self.deliver_late(which),
            Op::TakeOver { executed, left } => self.take_over(executed, left),
            Op::SetAside(kind, for_ms) => self.set_aside(kind, for_ms),
            Op::User { confirms } if self.progress.state == State::Held => {
                self.event(if confirms {
                    Event::UserConfirmed
                } else {
                    Event::UserDeclined
                })
            }
            Op::User { .. } => Ok(()),
            Op::Sleep(for_ms) => self.sleep(for_ms),
        }
    }

    fn answer(&mut self, decision: Decision) -> Result<(), Violation> {
        let Some(request) = self.on_wire()? else {
            return Ok(());
        };
        let answer = self.execute(&request, decision)?;
        self.remember(request.send, &answer);
        self.answered(request.send, answer)
    }

    fn lose(&mut self, executed: Option<Decision>) -> Result<(), Violation> {
        let Some(request) = self.on_wire()? else {
            return Ok(());
        };
        let send = request.send;
        self.drop_request(request, executed, true)?;
        self.answered(send, Answer::Lost("timeout".into()))
    }

    fn refuse(&mut self, refusal: Refusal) -> Result<(), Violation> {
        let Some(request) = self.on_wire()? else {
            return Ok(());
        };
        let same_key = |other: &Request| other.key.is_some() && other.key == request.key;
        let answer = match refusal {
            Refusal::KeyInUse if self.on_way.iter().any(same_key) => Answer::KeyInUse,
            Refusal::NotSent | Refusal::KeyInUse => Answer::NotSent("refused".into()),
            Refusal::RateLimited(retry_after_ms) => Answer::RateLimited { retry_after_ms },
            Refusal::BadApiKey => Answer::BadApiKey,
            Refusal::Forbidden => Answer::Forbidden,
            Refusal::OurDefect => Answer::OurDefect {
                status: 400,
                what: "parameter_unknown".into(),
            },
        };
        self.remember(request.send, &answer);
        self.answered(request.send, answer)
    }

    fn execute_late(&mut self, which: u8, decision: Decision) -> Result<(), Violation> {
        if self.on_way.is_empty() {
            return Ok(());
        }
        let request = self.on_way.remove(usize::from(which) % self.on_way.len());
        let answer = self.execute(&request, decision)?;
        self.remember(request.send, &answer);
        Ok(())
    }

    fn deliver_late(&mut self, which: u8) -> Result<(), Violation> {
        if self.mail.is_empty() || matches!(self.progress.state, State::Accepted | State::Held) {
            return Ok(());
        }
        let (send, answer) = self.mail[usize::from(which) % self.mail.len()].clone();
        self.answered(send, answer)
    }

    fn take_over(&mut self, executed: Option<Decision>, left: bool) -> Result<(), Violation> {
        if let Phase::OnWire(request) = &self.phase {
            let request = request.clone();
            self.drop_request(request, executed, left)?;
            if self.progress.send == 1 && self.progress.call == Call::Charge {
                // All that is recorded is that it was accepted to be charged.
                self.progress = Progress::first_sent(self.progress.permitted_at_ms);
            }
        }
        if self.progress.state == State::Held {
            return Ok(());
        }
        self.event(Event::TakenOver)
    }

    fn set_aside(&mut self, kind: PendingKind, for_ms: i64) -> Result<(), Violation> {
        if self.progress.state == State::Held {
            return Ok(());
        }
        if let Phase::OnWire(request) = &self.phase {
            self.on_way.push(request.clone());
        }
        let due_ms = self.oracle.now_ms + for_ms;
        self.event(Event::SetAside { kind, due_ms })
    }

    /// What was on the wire meanwhile has run into its timeout, and may be on its way yet.
    fn sleep(&mut self, for_ms: i64) -> Result<(), Violation> {
        let wake_ms = self.oracle.now_ms + for_ms;
        let Phase::OnWire(request) = &self.phase else {
            self.advance(wake_ms);
            return Ok(());
        };
        let send = request.send;
        self.on_way.push(request.clone());
        self.advance(wake_ms);
        self.answered(send, Answer::Lost("timeout".into()))
    }

    /// Nothing disturbs any more: every send is answered, every due time kept.
    fn calm(mut self, decisions: &[Decision]) -> Result<Story, Violation> {
        let mut decisions = decisions.iter();
        for calm_steps in 0..self.calm_steps_max() {
            if let Some(ending) = self.end()? {
                return Ok(Story {
                    ending,
                    progress: self.progress,
                    calls: self.calls,
                    calm_steps,
                });
            }
            if self.progress.state == State::Held {
                self.wake()?;
            } else {
                let mut next = || decisions.next().copied().unwrap_or(Decision::Charge);
                let moves = self.progress.call.moves_money();
                self.answer(if moves { next() } else { Decision::Charge })?;
            }
        }
        Err(Violation::Stuck)
    }

    /// Whether the gateway keeps its bound, so that proofs are proofs.
    pub fn is_punctual(&self) -> bool {
        self.settles_in_ms <= self.rules.reconcile_bound_ms
    }

    fn calm_steps_max(&self) -> usize {
        if self.is_punctual() {
            CALM_STEPS_MAX
        } else {
            CALM_STEPS_LATE_MAX
        }
    }

    /// The ending, once nothing can follow: all that the gateway has left open is settled, and the news of it came.
    fn end(&mut self) -> Result<Option<Ending>, Violation> {
        let Some(ending) = self.ending.clone() else {
            return Ok(None);
        };
        if self.is_punctual() {
            return Ok(matches!(self.phase, Phase::Done).then_some(ending));
        }
        if matches!(self.phase, Phase::Done) {
            self.oracle.settle_all();
            let charged: Vec<_> = self.oracle.unreversed().into_iter().cloned().collect();
            for intent in charged {
                let answer = Answer::Intent(intent);
                self.event(Event::Answered { send: 0, answer })?;
            }
        }
        let is_through = matches!(self.phase, Phase::Done);
        let unreversed = self.oracle.unreversed();
        match ending.state {
            State::Succeeded if !is_through => Ok(None),
            State::Succeeded if unreversed.len() == 1 => Ok(Some(ending)),
            State::Succeeded => Err(Violation::Unrefunded),
            // It waits for a person, for each charge that was told not to be.
            _ if self.progress.surplus.len() == unreversed.len() => Ok(Some(ending)),
            _ => Err(Violation::Unrefunded),
        }
    }

    /// The send on the wire; if there is none, it is waited for.
    fn on_wire(&mut self) -> Result<Option<Request>, Violation> {
        for _ in 0..3 {
            match &self.phase {
                Phase::OnWire(request) => return Ok(Some(request.clone())),
                Phase::Done => return Ok(None),
                Phase::Waiting { .. } if self.progress.state == State::Held => return Ok(None),
                Phase::Waiting { .. } => self.wake()?,
            }
        }
        Ok(None)
    }

    fn wake(&mut self) -> Result<(), Violation> {
        if let Phase::Waiting { due_ms } = self.phase {
            self.advance(due_ms);
        }
        if self.progress.state == State::Held {
            return self.event(Event::HoldLapsed);
        }
        self.event(Event::Due)
    }

    /// The request leaves our sight: never sent, on its way, or executed.
    fn drop_request(
        &mut self,
        request: Request,
        executed: Option<Decision>,
        left: bool,
    ) -> Result<(), Violation> {
        match executed {
            Some(decision) => {
                let answer = self.execute(&request, decision)?;
                self.remember(request.send, &answer);
            }
            None if left => self.on_way.push(request),
            None => {}
        }
        Ok(())
    }

    fn execute(&mut self, request: &Request, decision: Decision) -> Result<Answer, Violation> {
        let answer = self.oracle.execute(request, decision);
        self.look_at_charges()?;
        Ok(answer)
    }

    fn look_at_charges(&self) -> Result<(), Violation> {
        if self.is_punctual() && self.oracle.charged().len() > 1 {
            return Err(Violation::DoubleCharge);
        }
        Ok(())
    }

    fn remember(&mut self, send: u16, answer: &Answer) {
        if self.mail.len() == 16 {
            self.mail.remove(0);
        }
        self.mail.push((send, answer.clone()));
    }

    /// What is on its way is executed before its key's end is near, or never.
    fn advance(&mut self, to_ms: i64) {
        self.oracle.advance(to_ms);
        let late_ms = self.rules.key_lifetime_ms - self.rules.key_usable_ms() - SECOND_MS;
        let now_ms = self.oracle.now_ms;
        self.on_way
            .retain(|request| now_ms <= request.permitted_ms + late_ms);
    }

    fn answered(&mut self, send: u16, answer: Answer) -> Result<(), Violation> {
        let before = self.progress.attempts;
        let is_402 = matches!(answer, Answer::Declined { .. });
        self.event(Event::Answered { send, answer })?;
        let after = self.progress.attempts;
        let counted = after - before;
        if counted > u8::from(is_402)
            || after > self.rules.attempts_max
            || u32::from(after) > self.oracle.declines
        {
            return Err(Violation::Attempts);
        }
        Ok(())
    }
}
