//! A driver that does what the machine says and no more, and looks at the promises at every step.

use almoner_domain::answer::{Answer, Intent};
use almoner_domain::donation::{
    Call, Ending, Event, Next, Now, Pause, PendingKind, Progress, State, Transition, Verdict,
};
use almoner_domain::outcome::{Reason, What};

use crate::history::Violation;
use crate::machines::Machine;
use crate::oracle::{Decision, Request};
use crate::world::{Phase, World};
use crate::{T0_MS, id};

impl<M: Machine> World<'_, M> {
    pub fn event(&mut self, event: Event) -> Result<(), Violation> {
        let now = Now {
            wall_ms: self.oracle.now_ms,
            stream_ms: self.oracle.now_ms,
        };
        let before = self.progress.clone();
        let transition = self
            .machine
            .on(&self.donation, before.clone(), event, now, &self.rules);
        let Ok(Transition { progress, next }) = transition else {
            return Err(Violation::Illegal);
        };
        let sends = u16::from(next == Next::Send);
        if progress.send != before.send + sends || progress.attempts < before.attempts {
            return Err(Violation::WentBack);
        }
        self.progress = recorded(&progress);
        if self.ending.is_some() {
            return self.after_the_end(next);
        }
        match next {
            Next::Stay => Ok(()),
            Next::Send => self.send(),
            Next::Wait { pause, kind } => self.wait(pause, kind),
            Next::Finish(ending) => self.finish(ending),
            Next::Settled => Err(Violation::Illegal),
        }
    }

    fn after_the_end(&mut self, next: Next) -> Result<(), Violation> {
        match next {
            Next::Stay => Ok(()),
            Next::Send => self.send(),
            Next::Wait { pause, .. } => {
                let due_ms = self.due_ms(pause);
                self.phase = Phase::Waiting { due_ms };
                Ok(())
            }
            Next::Settled => {
                self.phase = Phase::Done;
                self.refuses_all_events()
            }
            Next::Finish(_) => Err(Violation::Illegal),
        }
    }

    fn send(&mut self) -> Result<(), Violation> {
        let call = self.progress.call.clone();
        let request = Request {
            send: self.progress.send,
            key: call.key(id(7)),
            call: call.clone(),
            intent: self.progress.intent.clone(),
            permitted_ms: self.oracle.now_ms,
        };
        let needs_pin = matches!(
            call,
            Call::Fetch | Call::Confirm { .. } | Call::Cancel { .. }
        );
        if needs_pin && request.intent.is_none() {
            return Err(Violation::NothingPinned);
        }
        if let Some(key) = &request.key {
            let bytes = self
                .bytes
                .entry(key.clone())
                .or_insert_with(|| request.bytes());
            if *bytes != request.bytes() || !key.starts_with(&format!("{}:", id(7))) {
                return Err(Violation::Key);
            }
        }
        self.calls.push(call);
        self.phase = Phase::OnWire(request);
        Ok(())
    }

    fn wait(&mut self, pause: Pause, kind: PendingKind) -> Result<(), Violation> {
        let now_ms = self.oracle.now_ms;
        let due_ms = self.due_ms(pause);
        if !self.progress.was_told(kind) {
            let (sequence, kinds) = (self.progress.sequence, self.progress.told_kinds);
            let retry_at_ms = due_ms;
            let what = What::Pending { kind, retry_at_ms };
            let told = self.progress.tell(kind, now_ms, what);
            let kept = self.progress.told_kinds & kinds == kinds;
            if told.sequence != sequence + 1 || !kept || !self.progress.was_told(kind) {
                return Err(Violation::WentBack);
            }
        }
        self.phase = Phase::Waiting { due_ms };
        Ok(())
    }

    fn due_ms(&self, pause: Pause) -> i64 {
        let now_ms = self.oracle.now_ms;
        match pause {
            Pause::None => now_ms,
            Pause::Backoff { schedule, n } => {
                let grown = schedule.first_ms.saturating_mul(1 << n.min(32));
                now_ms + grown.min(schedule.longest_ms) as i64
            }
            Pause::RetryAfter { ms } => now_ms + ms as i64,
            Pause::Until { ms } => ms,
        }
    }

    fn finish(&mut self, ending: Ending) -> Result<(), Violation> {
        match ending.state {
            State::Succeeded => {
                let charged = self.oracle.charged();
                let named = |intent: &&&Intent| Some(&intent.id) == ending.intent_id.as_ref();
                let charged = charged.iter().find(named).copied().cloned();
                let charged = charged.ok_or(Violation::FalseSuccess)?;
                if ending.intent_id != Some(charged.id)
                    || ending.charge_id != charged.charge_id
                    || ending.created_s != Some(charged.created_s)
                {
                    return Err(Violation::FalseSuccess);
                }
            }
            State::Failed | State::Cancelled if self.is_punctual() => self.can_never_charge()?,
            State::Failed | State::Cancelled => {}
            State::Accepted | State::Held | State::Charging | State::Retrying | State::Unknown => {
                return Err(Violation::Illegal);
            }
        }
        self.ending = Some(ending);
        if self.progress.has_surplus() {
            let due_ms = self.oracle.now_ms;
            self.phase = Phase::Waiting { due_ms };
            return Ok(());
        }
        self.phase = Phase::Done;
        self.refuses_all_events()
    }

    /// Whatever can still happen at the gateway happens, and charges if it can.
    fn can_never_charge(&mut self) -> Result<(), Violation> {
        for request in std::mem::take(&mut self.on_way) {
            self.oracle.execute(&request, Decision::Charge);
        }
        self.oracle.settle_all();
        if self.oracle.charged().is_empty() {
            return Ok(());
        }
        Err(Violation::FailedButCharged)
    }

    fn refuses_all_events(&self) -> Result<(), Violation> {
        let now = Now {
            wall_ms: self.oracle.now_ms,
            stream_ms: self.oracle.now_ms,
        };
        for event in every_event(self.progress.send) {
            let progress = self.progress.clone();
            let is_answer = matches!(event, Event::Answered { .. });
            let taken = self.donation.on(progress, event, now, &self.rules);
            if taken.is_ok_and(|taken| !is_answer || taken.next != Next::Stay) {
                return Err(Violation::Illegal);
            }
        }
        Ok(())
    }
}

/// One event of every kind, the answer to this send among them.
pub fn every_event(send: u16) -> Vec<Event> {
    vec![
        Event::Judged(Verdict::Charge),
        Event::Judged(Verdict::Queue),
        Event::Judged(Verdict::Hold {
            duplicate_of: id(9),
        }),
        Event::Judged(Verdict::Refuse {
            reason: Reason::CampaignClosed,
        }),
        Event::Due,
        Event::Answered {
            send,
            answer: Answer::Lost("timeout".into()),
        },
        Event::TakenOver,
        Event::SetAside {
            kind: PendingKind::Drained,
            due_ms: T0_MS,
        },
        Event::UserConfirmed,
        Event::UserDeclined,
        Event::HoldLapsed,
    ]
}

/// The progress as the store gives it back.
fn recorded(progress: &Progress) -> Progress {
    let bytes = rmp_serde::to_vec_named(progress).unwrap();
    rmp_serde::from_slice(&bytes).unwrap()
}
