//! What the watch reports: what is outstanding, what happened, and what must not be.

use std::collections::BTreeSet;

use almoner_domain::ids::DonationId;

use super::state::Flag;
use super::{Fate, Finding, Outstanding, Summary, Watch};

impl Watch {
    /// Everything that contradicts itself or what was asked; with `is_over`, also what is missing (gaps in sequences,
    /// requests without an answer, donations without a fate). In a fixed order, each once.
    #[must_use]
    pub fn findings(&self, is_over: bool) -> Vec<Finding> {
        let mut all: BTreeSet<Finding> = self.findings.all().cloned().collect();
        if is_over {
            self.missing(&mut all);
        }
        all.extend(self.doubles_charged());
        all.into_iter().collect()
    }

    fn missing(&self, all: &mut BTreeSet<Finding>) {
        for (&id, state) in &self.donations {
            if state.fate.is_none() {
                all.insert(Finding::NoFate { id });
            }
            if state.has(Flag::Adopted) {
                continue;
            }
            if state.has_gap() {
                all.insert(Finding::SequenceGap { id });
            }
            if state.answered < state.requests {
                all.insert(Finding::NoAnswer {
                    id,
                    requests: state.requests,
                    answered: state.answered,
                });
            }
        }
        if !self.garbage_open.is_empty() {
            all.insert(Finding::NoDeadLetter {
                count: self.garbage_open.len() as u64,
            });
        }
    }

    /// Planned double clicks that were charged beside their first without the user having been asked.
    fn doubles_charged(&self) -> impl Iterator<Item = Finding> {
        /// Requests that were sent closer together than this are within every sensible window of duplicates.
        const SURELY_WITHIN_US: u64 = 10_000_000;
        self.doubles.iter().filter_map(|(&id, &of)| {
            let (double, first) = (self.donations.get(&id)?, self.donations.get(&of)?);
            let both_charged = [double.fate, first.fate]
                .iter()
                .all(|fate| *fate == Some(Fate::Succeeded));
            let is_close = double.asked_at_us.abs_diff(first.asked_at_us) < SURELY_WITHIN_US;
            (both_charged && is_close && !double.has(Flag::Held))
                .then_some(Finding::DoubleNotAsked { id, of })
        })
    }

    /// What is still to come.
    #[must_use]
    pub fn outstanding(&self) -> Outstanding {
        Outstanding {
            donations: self.donations.len() as u64 - self.fates.iter().sum::<u64>(),
            requests: self.sent.total().saturating_sub(self.answered),
            garbage: self.garbage_open.len() as u64,
        }
    }

    /// What happened so far. Cheap enough to be asked for several times a second.
    #[must_use]
    pub fn summary(&self) -> Summary {
        let fate = |fate: Fate| (fate.as_str(), self.fates[fate as usize]);
        Summary {
            sent: self.sent.clone(),
            requests_answered: self.answered,
            repeats_answered: self.repeats_answered,
            copies: self.copies,
            fates: Fate::ALL
                .map(fate)
                .into_iter()
                .filter(|(_, count)| *count > 0)
                .collect(),
            reasons: self.reasons.clone(),
            rejected: self.rejected.clone(),
            dead_letters: self.dead_letters.clone(),
            held: self.held.clone(),
            succeeded_minor: self.succeeded_minor.clone(),
            latency_ms: self.latency.ms(),
            outstanding: self.outstanding(),
        }
    }

    /// Every donation with its fate and the amount that was asked for, in minor units.
    pub(crate) fn donations(&self) -> impl Iterator<Item = (DonationId, Option<Fate>, u64)> {
        self.donations
            .iter()
            .map(|(id, state)| (*id, state.fate, state.amount_minor))
    }
}
