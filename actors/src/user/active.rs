//! One donation in flight at its user: where it stands between two messages.

use std::rc::Rc;
use std::sync::Arc;

use almoner_domain::answer::{Answer, MoneyMoved};
use almoner_domain::donation::{Donation, PendingKind, Progress, Verdict};
use almoner_domain::ids::{DonationId, Place};
use almoner_domain::outcome::Told;
use smallvec::SmallVec;

use super::AnswerHold;
use crate::campaign::InFlight;
use crate::ports::{AdvanceWrite, FinishWrite, FirstState, RowId, SendRow};
use crate::shard::RunningCampaign;

/// A donation in flight here.
pub(super) struct Active {
    pub(super) id: DonationId,
    /// None while it is read from the store.
    pub(super) donation: Option<Arc<Donation>>,
    pub(super) stage: Stage,
    pub(super) row: RowId,
    /// The version of its pending row; 0 if it has none.
    pub(super) version: u32,
    pub(super) progress: Progress,
    /// It is durable: its fate is the store's from here on.
    pub(super) is_accepted: bool,
    /// Its campaign, once it was asked.
    pub(super) campaign: Option<Rc<RunningCampaign>>,
    /// The campaign counts it as in flight.
    pub(super) in_flight: Option<InFlight>,
    /// It looks like a double: what it becomes if the campaign lets it.
    pub(super) hold_as: Option<Verdict>,
    /// The events told so far, in sequence: for whoever asks again, and for whoever did not hear them.
    pub(super) told: Vec<Told>,
    /// Sends to be recorded with the next write.
    pub(super) sends: SmallVec<[SendRow; 1]>,
    /// The record that answered its hold.
    pub(super) answered_by: Option<Place>,
    /// Since when it is in flight here, wall clock.
    pub(super) since_ms: i64,
    /// The number of the write or read that it waits for: an answer to another one is history.
    pub(super) call: u32,
    /// When its send was decided on, boot clock: the write that permits it may take long, and then it is too old.
    pub(super) permitted_boot_ms: i64,
    /// When its send was handed to the gateway actor, boot clock.
    pub(super) sent_boot_ms: i64,
}

/// What it waits for.
pub(super) enum Stage {
    /// Its user's turn.
    Waiting,
    /// The campaign's verdict.
    Checking,
    /// The store, to make it durable in its first state.
    Accepting(FirstState),
    /// The store, to change it.
    Advancing(Box<AdvanceWrite>, Then),
    /// The gateway.
    Sending,
    /// The store, to finish it.
    Finishing(Box<FinishWrite>),
    /// The store, to read it.
    Loading(Load),
    /// A short while, in flight: the router wakes it.
    Resting,
}

/// What follows a change once it is durable.
#[derive(Clone)]
pub(super) enum Then {
    /// The send that it permits.
    Send,
    /// A short rest that nobody is told of.
    Rest { due_ms: i64 },
    /// It leaves: the store drives it on, and the world is told.
    Leave {
        due_ms: i64,
        kind: PendingKind,
        told: Option<Told>,
    },
    /// The user said yes: it waits for its turn like a new one.
    Queue,
    /// It leaves as it ended: no surplus is left.
    Settle,
}

/// Why it is read from the store.
pub(super) enum Load {
    /// It is due.
    Due,
    /// Its user answered.
    HoldAnswer(Box<AnswerHold>),
    /// An answer came after it had left.
    LateAnswer { send: u16, answer: Box<Answer> },
}

impl Active {
    /// A new one, as read.
    pub(super) fn new(donation: Arc<Donation>, since_ms: i64) -> Self {
        let id = donation.request.id;
        Self {
            donation: Some(donation),
            ..Self::unread(id, Stage::Waiting, since_ms)
        }
    }

    /// One that is only known by its id.
    pub(super) fn unread(id: DonationId, stage: Stage, since_ms: i64) -> Self {
        Self {
            id,
            donation: None,
            stage,
            row: RowId(0),
            version: 0,
            progress: Progress::new(),
            is_accepted: false,
            campaign: None,
            in_flight: None,
            hold_as: None,
            told: Vec::new(),
            sends: SmallVec::new(),
            answered_by: None,
            since_ms,
            call: 0,
            permitted_boot_ms: 0,
            sent_boot_ms: 0,
        }
    }

    /// Whether this very record is what it is in flight for.
    pub(super) fn is_for(&self, answer: &AnswerHold) -> bool {
        match &self.stage {
            Stage::Loading(Load::HoldAnswer(known)) => known.place == answer.place,
            _ => self.answered_by.as_ref() == Some(&answer.place),
        }
    }

    /// Whether it is read only to record an answer that came late: whoever comes for it waits.
    pub(super) fn is_late_answer(&self) -> bool {
        matches!(self.stage, Stage::Loading(Load::LateAnswer { .. }))
    }

    /// Notes the answer to a send of the owner with this epoch, to be recorded with the next write. The happy path's only send needs no row: the
    /// finish says it all.
    pub(super) fn note_answer(&mut self, send: u16, answer: &Answer, epoch: u64) {
        if send == 1 && answer.money() == MoneyMoved::Charged {
            return;
        }
        let class = Some(answer.class());
        match self.sends.iter_mut().find(|known| known.send == send) {
            Some(known) => known.answer = class,
            None => {
                let mut row = self.send_row(epoch);
                (row.send, row.answer) = (send, class);
                self.sends.push(row);
            }
        }
    }

    /// Notes a send that the next write permits, of the owner with this epoch.
    pub(super) fn note_send(&mut self, epoch: u64) {
        let row = self.send_row(epoch);
        self.sends.push(row);
    }

    fn send_row(&self, epoch: u64) -> SendRow {
        SendRow {
            send: self.progress.send,
            call: self.progress.call.name(),
            key: self.progress.call.key(self.id),
            at_ms: self.progress.permitted_at_ms,
            epoch,
            answer: None,
        }
    }
}
