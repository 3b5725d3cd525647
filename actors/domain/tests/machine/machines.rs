//! The machine under test, and machines that are wrong on purpose: each does one thing that a person in a hurry might
//! have written.

use almoner_domain::answer::{Answer, Refused};
use almoner_domain::donation::{
    Call, Donation, Event, IllegalTransition, Next, Now, Progress, Rules, State, Transition,
};

use crate::{HOUR_MS, T0_MS};

pub type Stepped = Result<Transition, IllegalTransition>;

/// What `Donation::on` is.
pub trait Machine {
    fn on(
        &self,
        donation: &Donation,
        was: Progress,
        event: Event,
        now: Now,
        rules: &Rules,
    ) -> Stepped;
}

/// The real one.
pub struct Real;

impl Machine for Real {
    fn on(
        &self,
        donation: &Donation,
        was: Progress,
        event: Event,
        now: Now,
        rules: &Rules,
    ) -> Stepped {
        donation.on(was, event, now, rules)
    }
}

/// What a wrong machine does before and after the real one.
pub struct Wrong {
    pub before: fn(&mut Progress, &mut Event, &mut Rules, Now),
    pub after: fn(&Event, &mut Transition),
}

impl Machine for Wrong {
    fn on(
        &self,
        donation: &Donation,
        mut was: Progress,
        mut event: Event,
        now: Now,
        rules: &Rules,
    ) -> Stepped {
        let mut rules = *rules;
        (self.before)(&mut was, &mut event, &mut rules, now);
        let mut transition = donation.on(was, event.clone(), now, &rules)?;
        (self.after)(&event, &mut transition);
        Ok(transition)
    }
}

fn as_it_was(_: &Event, _: &mut Transition) {}

fn as_it_is(_: &mut Progress, _: &mut Event, _: &mut Rules, _: Now) {}

fn has_no_answer(event: &Event) -> bool {
    let Event::Answered { answer, .. } = event else {
        return false;
    };
    matches!(answer, Answer::Lost(_) | Answer::ServerError { .. })
}

/// A timeout is a failure, is it not?
pub const LOST_IS_NOT_MOVED: Wrong = Wrong {
    before: |was, event, _, _| {
        if was.call.moves_money() && has_no_answer(event) {
            let Event::Answered { answer, .. } = event else {
                return;
            };
            *answer = Answer::Refused(Refused::PaymentMethod);
        }
    },
    after: as_it_was,
};

/// A fresh key for each resend of a confirm; what became of the last one is forgotten.
pub const NEW_KEY_PER_RESEND: Wrong = Wrong {
    before: as_it_is,
    after: |event, transition| {
        let progress = &mut transition.progress;
        if let (Call::Confirm { n }, true) = (&progress.call, has_no_answer(event)) {
            let n = n + 1;
            progress.confirms = n;
            progress.call = Call::Confirm { n };
            progress.unanswered = false;
            progress.unanswered_before = false;
            progress.state = State::Retrying;
        }
    },
};

/// It is not in the list, so it does not exist.
pub const BELIEVES_AN_EMPTY_LIST: Wrong = Wrong {
    before: |was, event, rules, _| {
        if let Event::Answered {
            answer: Answer::Listed(_),
            ..
        } = event
        {
            was.key_burnt = true;
            rules.reconcile_bound_ms = 0;
        }
    },
    after: as_it_was,
};

/// A key is a key for ever.
pub const RESENDS_PAST_KEY_LIFE: Wrong = Wrong {
    before: |_, event, rules, _| {
        if matches!(event, Event::Due | Event::TakenOver) {
            rules.key_lifetime_ms *= 100;
        }
    },
    after: as_it_was,
};

/// Every answer is an answer to the present send.
pub const TAKES_ANY_ANSWER: Wrong = Wrong {
    before: |was, event, _, _| {
        if let Event::Answered { send, .. } = event {
            *send = was.send;
            was.open = true;
        }
    },
    after: as_it_was,
};

/// A hard decline ends it, whatever else is on its way.
pub const FORGETS_WHAT_IS_OPEN: Wrong = Wrong {
    before: |was, event, _, _| {
        if let Event::Answered { .. } = event {
            was.unanswered_before = false;
        }
    },
    after: as_it_was,
};

/// What takes longer than an hour has failed.
pub const EXPIRES_THE_UNKNOWN: Wrong = Wrong {
    before: |was, event, rules, now| {
        rules.max_age_ms = HOUR_MS;
        let is_old = now.stream_ms > T0_MS + HOUR_MS;
        if is_old && matches!(event, Event::Due | Event::TakenOver) {
            was.open = false;
            was.unanswered = false;
            was.state = State::Retrying;
        }
    },
    after: as_it_was,
};

/// A refused cancel may have been late: it looks, and does not cancel again.
pub const CANCELS_ONCE: Wrong = Wrong {
    before: as_it_is,
    after: |_, transition| {
        if let Call::Cancel { n: 2.. } = transition.progress.call {
            transition.progress.call = Call::Fetch;
        }
    },
};

/// It succeeded, and that is that.
pub const FORGETS_THE_SURPLUS: Wrong = Wrong {
    before: as_it_is,
    after: |_, transition| {
        if transition.progress.has_surplus() && !matches!(transition.next, Next::Finish(_)) {
            transition.next = Next::Stay;
        }
        transition.progress.surplus.clear();
    },
};
