//! The breaker before the gateway: when it fails, or refuses us as a whole, donations wait instead of being sent to it
//! one by one; a few probes find out when it is well again.

use almoner_domain::answer::Answer;

/// Closed, open, or half open for a few probes. It counts answers and time, and does nothing by itself. Times are
/// milliseconds of any clock that does not jump.
#[derive(Debug)]
pub struct Breaker {
    state: State,
    failures: Failures,
    /// Users whose donations met a defect of ours.
    defects: Distinct,
    /// Campaigns that the gateway refused.
    refusals: Distinct,
    /// It was opened by what the gateway refuses, not by its failing: another refusal is no sign of health then.
    refused: bool,
    /// Openings that followed each other without a while of health between them: the pause's exponent.
    openings: u32,
    closed_at_ms: i64,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    Closed,
    Open {
        until_ms: i64,
    },
    /// When no probe was answered until then, new ones are let through: a probe can be lost on our side.
    HalfOpen {
        probes_left: u32,
        until_ms: i64,
    },
}

/// Whether a call may be sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Admit {
    /// As any other.
    Yes,
    /// As one of few: what it brings decides.
    Probe,
    /// It waits; before `until_ms` there is no use in asking again.
    No {
        /// A time of the same clock.
        until_ms: i64,
    },
}

/// What an answer says of the gateway.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum BreakerSignal {
    /// It works: it executed the call, or refused just this one.
    Works,
    /// It is busy (429): that is the budget's business.
    Busy,
    /// A 5xx, or no answer, or it could not be reached.
    Failed,
    /// 401: nothing works until our key is mended.
    BadApiKey,
    /// A 400 that is our fault.
    OurDefect {
        /// A hash of the donation's user: one user's odd data are no reason to stop for all.
        user: u64,
    },
    /// 403: this account or method is refused.
    Forbidden {
        /// A hash of the campaign.
        campaign: u64,
    },
}

impl BreakerSignal {
    /// What the answer to a donation of this user and campaign (hashes) says.
    #[must_use]
    pub fn of(answer: &Answer, user: u64, campaign: u64) -> Self {
        match answer {
            Answer::Intent(_)
            | Answer::Listed(_)
            | Answer::Refunded
            | Answer::Declined { .. }
            | Answer::Refused(_)
            | Answer::KeyMismatch
            | Answer::KeyInUse => Self::Works,
            // A replayed 5xx is the stored answer of another time: the gateway works.
            Answer::ServerError { replayed, .. } if *replayed => Self::Works,
            Answer::ServerError { .. } | Answer::NotSent(_) | Answer::Lost(_) => Self::Failed,
            Answer::RateLimited { .. } => Self::Busy,
            Answer::BadApiKey => Self::BadApiKey,
            Answer::OurDefect { .. } => Self::OurDefect { user },
            Answer::Forbidden => Self::Forbidden { campaign },
        }
    }

    /// What the answer to a refund says: that it is refused is the account's business, and no reason to charge nobody.
    #[must_use]
    pub fn of_refund(answer: &Answer) -> Self {
        match Self::of(answer, 0, 0) {
            Self::OurDefect { .. } | Self::Forbidden { .. } => Self::Works,
            signal => signal,
        }
    }

    /// The gateway is well, but does not take what we send.
    fn is_refusal(self) -> bool {
        matches!(self, Self::OurDefect { .. } | Self::Forbidden { .. })
    }
}

/// Failures in a row that open it.
const IN_A_ROW_MAX: u32 = 10;
/// The window of the failure ratio, in slots of a second.
const WINDOW_S: usize = 10;
/// With fewer answers in the window their ratio says nothing.
const ANSWERS_MIN: u32 = 40;
/// Users with a defect, campaigns refused, that open it.
const DISTINCT_MAX: usize = 3;
/// How long each of them counts.
const DISTINCT_MS: i64 = 60_000;
const PAUSE_FIRST_MS: i64 = 500;
const PAUSE_LONGEST_MS: i64 = 30_000;
/// Probes at a time.
const PROBES: u32 = 3;
/// So long a probe may take. Longer than any call's timeout.
const PROBE_MS: i64 = 120_000;

impl Breaker {
    /// Closed: calls go through.
    #[must_use]
    pub fn new() -> Self {
        Self {
            state: State::Closed,
            failures: Failures::default(),
            defects: Distinct::default(),
            refusals: Distinct::default(),
            refused: false,
            openings: 0,
            closed_at_ms: i64::MIN,
        }
    }

    /// Whether a call may be sent now. Ask last, right before it is sent: one that was admitted is to be answered later
    /// by [`Breaker::answered`], since there are but few probes.
    pub fn admit(&mut self, now_ms: i64) -> Admit {
        match &mut self.state {
            State::Closed => Admit::Yes,
            State::Open { until_ms } if now_ms < *until_ms => Admit::No {
                until_ms: *until_ms,
            },
            State::HalfOpen { probes_left, .. } if *probes_left > 0 => {
                *probes_left -= 1;
                Admit::Probe
            }
            State::HalfOpen { until_ms, .. } if now_ms < *until_ms => Admit::No {
                until_ms: *until_ms,
            },
            State::Open { .. } | State::HalfOpen { .. } => {
                self.state = State::HalfOpen {
                    probes_left: PROBES - 1,
                    until_ms: now_ms.saturating_add(PROBE_MS),
                };
                Admit::Probe
            }
        }
    }

    /// A call was answered, or lost.
    pub fn answered(&mut self, class: BreakerSignal, now_ms: i64) {
        match &mut self.state {
            State::Closed => {
                if self.is_too_much(class, now_ms) {
                    self.open(class, now_ms);
                }
            }
            // What was sent before the opening says nothing new.
            State::Open { .. } => {}
            State::HalfOpen { probes_left, .. } => match class {
                BreakerSignal::Busy => *probes_left = (*probes_left + 1).min(PROBES),
                BreakerSignal::Works => self.close(now_ms),
                class if class.is_refusal() && !self.refused => self.close(now_ms),
                class => self.open(class, now_ms),
            },
        }
    }

    /// Whether it lets nothing through at all, not even a probe that is due: then it is no use to take in more.
    #[must_use]
    pub fn is_open(&self, now_ms: i64) -> bool {
        matches!(self.state, State::Open { until_ms } if now_ms < until_ms)
    }

    fn is_too_much(&mut self, class: BreakerSignal, now_ms: i64) -> bool {
        match class {
            BreakerSignal::Works => {
                self.failures.count(false, now_ms);
                false
            }
            BreakerSignal::Busy => false,
            BreakerSignal::Failed => self.failures.count(true, now_ms),
            BreakerSignal::BadApiKey => true,
            BreakerSignal::OurDefect { user } => self.defects.note(user, now_ms),
            BreakerSignal::Forbidden { campaign } => self.refusals.note(campaign, now_ms),
        }
    }

    fn open(&mut self, by: BreakerSignal, now_ms: i64) {
        self.refused = by.is_refusal();
        if now_ms.saturating_sub(self.closed_at_ms) > PAUSE_LONGEST_MS
            && self.state == State::Closed
        {
            self.openings = 0;
        }
        let factor = 2_i64.checked_pow(self.openings).unwrap_or(i64::MAX);
        let pause_ms = PAUSE_FIRST_MS.saturating_mul(factor).min(PAUSE_LONGEST_MS);
        self.openings = self.openings.saturating_add(1);
        self.state = State::Open {
            until_ms: now_ms.saturating_add(pause_ms),
        };
    }

    fn close(&mut self, now_ms: i64) {
        self.state = State::Closed;
        self.failures = Failures::default();
        self.defects = Distinct::default();
        self.refusals = Distinct::default();
        self.closed_at_ms = now_ms;
    }
}

impl Default for Breaker {
    fn default() -> Self {
        Self::new()
    }
}

/// Failures in a row, and their ratio over the last seconds.
#[derive(Default, Debug)]
struct Failures {
    in_a_row: u32,
    seconds: [Second; WINDOW_S],
}

#[derive(Clone, Copy, Default, Debug)]
struct Second {
    at_s: i64,
    answers: u32,
    failed: u32,
}

impl Failures {
    /// Counts an answer; whether the failures are too many.
    fn count(&mut self, failed: bool, now_ms: i64) -> bool {
        let now_s = now_ms.div_euclid(1_000);
        let slot = now_s.rem_euclid(WINDOW_S as i64) as usize;
        let second = &mut self.seconds[slot];
        if second.at_s != now_s {
            *second = Second {
                at_s: now_s,
                ..Second::default()
            };
        }
        second.answers = second.answers.saturating_add(1);
        second.failed = second.failed.saturating_add(failed.into());
        self.in_a_row = if failed { self.in_a_row + 1 } else { 0 };
        self.in_a_row >= IN_A_ROW_MAX || self.are_most(now_s)
    }

    /// Whether half of the window's answers or more are failures.
    fn are_most(&self, now_s: i64) -> bool {
        let window = (self.seconds.iter()).filter(|second| now_s - second.at_s < WINDOW_S as i64);
        let (answers, failed) = window.fold((0_u32, 0_u32), |(answers, failed), second| {
            (
                answers.saturating_add(second.answers),
                failed.saturating_add(second.failed),
            )
        });
        answers >= ANSWERS_MIN && failed >= answers - failed
    }
}

/// The latest different ids of which something was noted; no more than decide.
#[derive(Default, Debug)]
struct Distinct {
    noted: Vec<(u64, i64)>,
}

impl Distinct {
    /// Notes an id; whether they are too many within the time.
    fn note(&mut self, id: u64, now_ms: i64) -> bool {
        self.noted
            .retain(|(other, at_ms)| *other != id && now_ms - at_ms < DISTINCT_MS);
        self.noted.push((id, now_ms));
        self.noted.len() >= DISTINCT_MAX
    }
}

#[cfg(test)]
mod tests;
