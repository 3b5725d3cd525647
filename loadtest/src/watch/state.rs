//! What is kept of one donation: 48 bytes beside its id.

use std::hash::BuildHasher;

use almoner_domain::outcome::OutcomeView;
use almoner_domain::request::DonationRequest;
use foldhash::fast::FixedState;
use serde::{Deserialize, Serialize};

use super::summary::HoldEnded;

/// How a donation, or a request that never became one, ended.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fate {
    /// Charged.
    Succeeded,
    /// Not charged.
    Failed,
    /// Not charged, since the user did not want it, or did not answer.
    Cancelled,
    /// Its request was rejected.
    Rejected,
    /// Its request is among the dead letters.
    DeadLetter,
}

impl Fate {
    /// Every fate.
    pub const ALL: [Self; 5] = [
        Self::Succeeded,
        Self::Failed,
        Self::Cancelled,
        Self::Rejected,
        Self::DeadLetter,
    ];

    /// Its name; of the first three also the donation's status.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
            Self::Rejected => "rejected",
            Self::DeadLetter => "dead_letter",
        }
    }

    /// The fate that an event of this type is.
    pub(super) fn of_event(event_type: &str) -> Option<Self> {
        match event_type {
            "donation.succeeded" => Some(Self::Succeeded),
            "donation.failed" => Some(Self::Failed),
            "donation.cancelled" => Some(Self::Cancelled),
            _ => None,
        }
    }

    /// Whether it is a donation's own, and not one of its requests'.
    pub(super) fn is_of_donation(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed | Self::Cancelled)
    }

    /// A request's fate gives way to the donation's own.
    pub(super) fn gives_way_to(self, other: Self) -> bool {
        !self.is_of_donation() && other.is_of_donation()
    }

    /// Two ends of one donation.
    pub(super) fn contradicts(self, other: Self) -> bool {
        self.is_of_donation() && self != other
    }
}

/// Something that is so or not of a donation.
#[derive(Clone, Copy)]
pub(super) enum Flag {
    /// It is an earlier run's.
    Adopted = 1,
    /// The user was asked about it.
    Held = 2,
    /// Its campaign is closed.
    MustNotSucceed = 4,
}

/// Events of whose contents the hashes are kept here; those of later ones are kept elsewhere.
const CONTENTS: usize = 3;

/// What is kept of a donation.
#[derive(Clone, Debug)]
pub(super) struct State {
    /// When its first request was about to be published.
    pub(super) asked_at_us: u64,
    /// What was asked for; 0 if that is no amount.
    pub(super) amount_minor: u64,
    /// Who gives what to whom; 0 if that cannot be said.
    asked: u32,
    /// By sequence, from 1; 0 for what was not read.
    contents: [u32; CONTENTS],
    /// How many events were read, each counted once.
    events: u16,
    /// The highest sequence that was read.
    latest_sequence: u16,
    /// The highest sequence of an event after which more must come.
    pub(super) open_at_sequence: u16,
    /// The sequence of the event that ended it; 0 before.
    pub(super) ended_at_sequence: u16,
    /// Requests that were sent about it, answers to its question among them.
    pub(super) requests: u8,
    /// Of these, answers to its question.
    pub(super) answers: u8,
    /// Requests that were answered.
    pub(super) answered: u8,
    pub(super) fate: Option<Fate>,
    /// How its question ended, if it was asked.
    pub(super) hold_ended: HoldEnded,
    flags: u8,
}

impl State {
    pub(super) fn new(request: Option<&DonationRequest>, now_us: u64) -> Self {
        Self {
            asked_at_us: now_us,
            amount_minor: request.map_or(0, |request| request.amount.amount_minor()),
            asked: request.map_or(0, |request| {
                asked(
                    request.user_id.as_str(),
                    request.campaign_id.as_str(),
                    request.amount.currency().code(),
                )
            }),
            contents: [0; CONTENTS],
            events: 0,
            latest_sequence: 0,
            open_at_sequence: 0,
            ended_at_sequence: 0,
            requests: 0,
            answers: 0,
            answered: 0,
            fate: None,
            hold_ended: HoldEnded::Confirmed,
            flags: 0,
        }
    }

    /// Whether its request can be done, as far as its form goes.
    pub(super) fn is_sound(&self) -> bool {
        self.asked != 0
    }

    pub(super) fn has(&self, flag: Flag) -> bool {
        self.flags & flag as u8 != 0
    }

    pub(super) fn set(&mut self, flag: Flag) {
        self.flags |= flag as u8;
    }

    /// All its requests are answered from now on; says how many were not before.
    pub(super) fn all_answered(&mut self) -> u64 {
        let open = self.requests.saturating_sub(self.answered);
        self.answered = self.requests.max(self.answered);
        open.into()
    }

    /// Where the content of an event is kept, if there is room.
    pub(super) fn content_mut(&mut self, sequence: u32) -> Option<&mut u32> {
        self.contents.get_mut(sequence as usize - 1)
    }

    /// An event was read for the first time.
    pub(super) fn saw(&mut self, sequence: u32) {
        self.events = self.events.saturating_add(1);
        let sequence = sequence.try_into().unwrap_or(u16::MAX);
        self.latest_sequence = self.latest_sequence.max(sequence);
    }

    /// Whether an event is missing below one that was read.
    pub(super) fn has_gap(&self) -> bool {
        self.events < self.latest_sequence
    }

    /// Whether the outcome speaks of what was asked for.
    pub(super) fn is_about(&self, outcome: &OutcomeView<'_>) -> bool {
        let campaign = outcome.campaign_id.unwrap_or_default();
        let currency = outcome.currency.unwrap_or_default();
        outcome.amount_minor == Some(self.amount_minor)
            && self.asked == asked(outcome.user_id, campaign, currency)
    }
}

fn asked(user: &str, campaign: &str, currency: &str) -> u32 {
    super::content::folded(FixedState::default().hash_one((user, campaign, currency)))
}

#[cfg(test)]
mod tests {
    use almoner_domain::ids::DonationId;

    use super::*;

    #[test]
    fn a_donation_costs_64_bytes_with_its_id() {
        assert!(size_of::<(DonationId, State)>() <= 64);
    }
}
