//! The controls: defects that a judge must find. Each is what a person in a hurry might have written.

mod outcomes;
mod store;

use std::ops::Range;

use almoner_domain::donation::Call;

use crate::defect::Defect;
use crate::judge::{DOUBLES, I1, I2, I3, I4, I6, I7, I9, I12, LIVENESS};
use crate::many::{Sum, live};

/// A defect, and what it is to be found by.
pub struct Control {
    /// What is wrong.
    pub defect: &'static Defect,
    /// The invariants that it breaks: one of them names it.
    pub breaks: &'static [&'static str],
}

/// How a control was caught.
pub struct Caught {
    /// After how many histories, the one that caught it included.
    pub histories: u64,
    /// By which invariant first.
    pub invariant: &'static str,
}

impl Control {
    /// Lives histories with the defect, until one is found broken by what the defect breaks.
    #[must_use]
    pub fn try_on(&self, seeds: Range<u64>, threads: usize) -> Option<Caught> {
        let mut begin = seeds.start;
        while begin < seeds.end {
            let sum: Sum = live(begin..seeds.end, Some(self.defect), threads, |_| {});
            let (seed, findings) = sum.broken.first_key_value()?;
            let named = findings
                .iter()
                .find(|finding| self.breaks.contains(&finding.invariant));
            if let Some(finding) = named {
                return Some(Caught {
                    histories: seed - seeds.start + 1,
                    invariant: finding.invariant,
                });
            }
            begin = seed + 1;
        }
        None
    }
}

/// Every control.
pub const CONTROLS: &[Control] = &[
    Control {
        defect: &store::FINISH_BEFORE_DURABLE,
        breaks: &[I1, I7, I9, LIVENESS],
    },
    Control {
        defect: &store::ACCEPT_BEFORE_DURABLE,
        breaks: &[I1, I4, I7],
    },
    Control {
        defect: &store::MARK_BEFORE_DURABLE,
        breaks: &[I1],
    },
    Control {
        defect: &NEW_KEY_PER_SEND,
        breaks: &[I2, I3, I7],
    },
    Control {
        defect: &BODY_REBUILT,
        breaks: &[I3],
    },
    Control {
        defect: &outcomes::TIMEOUT_IS_FAILURE,
        breaks: &[I6],
    },
    Control {
        defect: &outcomes::LIST_BELIEVED_AT_ONCE,
        breaks: &[I2, I6],
    },
    Control {
        defect: &outcomes::LIST_BELIEVED_SOON,
        breaks: &[I2, I6],
    },
    Control {
        defect: &outcomes::REFUSAL_BELIEVED_LATE,
        breaks: &[I2, I6, I7],
    },
    Control {
        defect: &outcomes::COMMIT_BEFORE_FATE,
        breaks: &[I1],
    },
    Control {
        defect: &store::WINDOW_LOST,
        breaks: &[DOUBLES],
    },
    Control {
        defect: &WINDOW_LET_GO,
        breaks: &[DOUBLES],
    },
    Control {
        defect: &WALL_TIME,
        breaks: &[DOUBLES],
    },
    Control {
        defect: &store::FINISH_WITHOUT_MOVEMENT,
        breaks: &[I7],
    },
    Control {
        defect: &outcomes::TOLD_BEFORE_ACKNOWLEDGED,
        breaks: &[I1, I9],
    },
    Control {
        defect: &store::SEQUENCE_COMPUTED,
        breaks: &[I9],
    },
    Control {
        defect: &store::PENDING_DELETED_EARLY,
        breaks: &[I9, LIVENESS],
    },
    Control {
        defect: &store::CHECKS_BEFORE_INSERT,
        breaks: &[I6, I7, I9],
    },
    Control {
        defect: &outcomes::ACCEPTED_IS_DEAD_LETTER,
        breaks: &[I1],
    },
    Control {
        defect: &outcomes::LEASE_BY_POLL,
        breaks: &[I12],
    },
    Control {
        defect: &LEASE_FOR_EVER,
        breaks: &[I12],
    },
    Control {
        defect: &store::UNFENCED,
        breaks: &[I2, I7, I9, LIVENESS, DOUBLES],
    },
    Control {
        defect: &store::PENDING_FORGOTTEN,
        breaks: &[LIVENESS, I9],
    },
    Control {
        defect: &store::DAY_OF_THE_CLOCK,
        breaks: &[I7],
    },
];

/// A new key, and so a new intent, per send.
const NEW_KEY_PER_SEND: Defect = Defect {
    name: "a new intent per retry",
    wire: |request, nth| {
        if request.call == Call::Charge && nth > 0 {
            request.key = request.key.take().map(|key| format!("{key}:{nth}"));
        }
    },
    ..Defect::NONE
};

const BODY_REBUILT: Defect = Defect {
    name: "the body rebuilt on a resend",
    wire: |request, nth| {
        if request.call == Call::Charge && nth > 0 {
            request.body.push_str(" v2");
        }
    },
    ..Defect::NONE
};

const WINDOW_LET_GO: Defect = Defect {
    name: "the window lost at passivation",
    settings: |settings| settings.window_kept_ms = 0,
    ..Defect::NONE
};

const WALL_TIME: Defect = Defect {
    name: "wall time instead of stream time",
    read: |record, now_ms| record.at_ms = now_ms,
    ..Defect::NONE
};

const LEASE_FOR_EVER: Defect = Defect {
    name: "a late owner that sends: its lease never ends",
    settings: |settings| settings.session_timeout_ms = 100 * 3_600_000,
    ..Defect::NONE
};
