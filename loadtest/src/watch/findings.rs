//! What must not be, each with the donation and what to look at.

use std::collections::BTreeSet;

use almoner_domain::ids::DonationId;

/// Something that must not be. Its text says what to look at.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, thiserror::Error)]
pub enum Finding {
    /// More were found than are kept.
    #[error("more than {0} findings: only the first are named")]
    More(usize),
    /// Two contents under one event id.
    #[error(
        "donation {id}: event {sequence} was published with two different contents; \
         compare its copies on the outcomes topic with the stored event"
    )]
    ContentDiffers {
        /// The donation.
        id: DonationId,
        /// The event's sequence.
        sequence: u32,
    },
    /// Two contents under one event id of a rejection.
    #[error(
        "donation {id}: a rejection was published with two different contents; compare its copies"
    )]
    RejectionDiffers {
        /// The donation.
        id: DonationId,
    },
    /// A second event that ends the donation.
    #[error(
        "donation {id}: it ended twice, by two events; look at its finish in the store and at its outcomes"
    )]
    EndedTwice {
        /// The donation.
        id: DonationId,
    },
    /// An event after the end says that it goes on.
    #[error(
        "donation {id}: after its end it was told to be open again; look at the order of its events"
    )]
    WentOnAfterItsEnd {
        /// The donation.
        id: DonationId,
    },
    /// Type and status of an event disagree.
    #[error("donation {id}: event {sequence} has a status that its type does not have")]
    StatusDiffers {
        /// The donation.
        id: DonationId,
        /// The event's sequence.
        sequence: u32,
    },
    /// The event id is not the one that follows from donation and sequence.
    #[error("donation {id}: the id of event {sequence} is not derived from donation and sequence")]
    EventIdNotDerived {
        /// The donation.
        id: DonationId,
        /// The event's sequence.
        sequence: u32,
    },
    /// An outcome without a sequence.
    #[error("donation {id}: an outcome has no sequence from 1")]
    NoSequence {
        /// The donation.
        id: DonationId,
    },
    /// An outcome that does not say which request it answers.
    #[error("donation {id}: an outcome does not say which request it answers (source)")]
    NoSource {
        /// The donation.
        id: DonationId,
    },
    /// User, campaign, amount or currency are not those of the request.
    #[error(
        "donation {id}: an outcome names another user, campaign, amount or currency than was asked; \
         compare it with the request"
    )]
    OtherThanAsked {
        /// The donation.
        id: DonationId,
    },
    /// A donation to a closed campaign was charged.
    #[error(
        "donation {id}: it was charged although its campaign is closed; refund it, and look at the campaign's version in the store"
    )]
    ClosedCampaignCharged {
        /// The donation.
        id: DonationId,
    },
    /// A double click was charged without a question.
    #[error(
        "donation {id}: it was charged beside {of}, sent moments before by the same user for the same, and nobody was asked"
    )]
    DoubleNotAsked {
        /// The donation.
        id: DonationId,
        /// The donation that was meant once.
        of: DonationId,
    },
    /// A request that can be done was rejected.
    #[error("donation {id}: a sound request was rejected as {reason}; read the rejection's detail")]
    SoundRequestRejected {
        /// The donation.
        id: DonationId,
        /// The rejection's reason.
        reason: String,
    },
    /// An outcome for a donation that was not asked for.
    #[error(
        "donation {id}: there is an outcome, but nobody asked; look for its request on the topic, or an earlier run's"
    )]
    NeverAsked {
        /// The donation.
        id: DonationId,
    },
    /// A dead letter of bytes that were not sent.
    #[error(
        "partition {partition}, offset {offset}: a dead letter of what nobody sent, or of what could be read no more"
    )]
    NeverSent {
        /// The partition where it stood.
        partition: u32,
        /// The offset where it stood.
        offset: i64,
    },
    /// More requests answered than were sent.
    #[error(
        "donation {id}: more requests were answered than were sent; was the log written twice, by a producer that is not idempotent?"
    )]
    TooManyAnswers {
        /// The donation.
        id: DonationId,
    },
    /// A record of the outcomes topic that is none.
    #[error("on the outcomes topic: {fault}")]
    Unreadable {
        /// Why.
        fault: String,
    },
    /// An event is missing below one that was read.
    #[error(
        "donation {id}: an event is missing from its sequence; look at its events in the store and on the topic"
    )]
    SequenceGap {
        /// The donation.
        id: DonationId,
    },
    /// A donation without a fate.
    #[error("donation {id}: it has no fate; look at its state and its pending row in the store")]
    NoFate {
        /// The donation.
        id: DonationId,
    },
    /// A request without an answer.
    #[error("donation {id}: of {requests} requests {answered} were answered")]
    NoAnswer {
        /// The donation.
        id: DonationId,
        /// Requests that were sent.
        requests: u8,
        /// Requests that were answered.
        answered: u8,
    },
    /// Garbage that is not among the dead letters.
    #[error("{count} unreadable requests are not among the dead letters")]
    NoDeadLetter {
        /// How many.
        count: u64,
    },
}

/// More findings than this help nobody.
const KEPT_MAX: usize = 1_000;

/// What was found, each once.
#[derive(Default)]
pub(super) struct Findings(BTreeSet<Finding>);

impl Findings {
    pub(super) fn add(&mut self, finding: Finding) {
        if self.0.len() < KEPT_MAX {
            self.0.insert(finding);
        } else if !self.0.contains(&finding) {
            self.0.insert(Finding::More(KEPT_MAX));
        }
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &Finding> {
        self.0.iter()
    }
}
