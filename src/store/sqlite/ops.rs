//! The calls that the writer does, each with its completion.

use std::ops::Range;

use almoner_actors::ports::{
    AcceptWrite, Accepted, AdvanceWrite, Advanced, Claimed, Done, FinishWrite, Finished,
    KeptLetter, MarkWrite, Marked, StoreError,
};
use almoner_domain::campaign::CampaignChange;
use almoner_domain::ids::{DonationId, Shard};

use super::readers::Read;
use super::sighted::Sighting;

/// One call of the writer.
pub(super) enum Op {
    Accept(Call<AcceptWrite, Accepted>),
    Finish(Call<FinishWrite, Finished>),
    Advance(Box<Call<AdvanceWrite, Advanced>>),
    Acknowledged(Call<DonationId, ()>),
    Claim(Call<Shard, Claimed>),
    Mark(Call<MarkWrite, Marked>),
    PutCampaign(Box<Call<CampaignChange, ()>>),
    KeepLetter(Box<Call<KeptLetter, ()>>),
    RaiseLogGeneration(Call<(), u32>),
    PutSightings(Call<Vec<Sighting>, ()>),
    /// Records of a shard that the log has lost.
    TellLost(Call<(Shard, Range<i64>), u64>),
    /// A read that must first learn from the writer where to begin; it is handed to the readers after the commit.
    Locate(Option<Read>),
}

/// A call: what is to be written, and who waits. The answer is kept until it is durable.
pub(super) struct Call<W, T> {
    pub(super) write: W,
    done: Done<Result<T, StoreError>>,
    answer: Option<Result<T, StoreError>>,
}

impl<W, T> Call<W, T> {
    pub(super) fn new(write: W, done: Done<Result<T, StoreError>>) -> Self {
        Self {
            write,
            done,
            answer: None,
        }
    }

    pub(super) fn set(&mut self, answer: Result<T, StoreError>) {
        self.answer = Some(answer);
    }

    /// Whoever waits is told; without an answer, that the store stopped.
    fn reply(self) {
        self.done
            .call(self.answer.unwrap_or(Err(StoreError::Stopped)));
    }
}

macro_rules! each_call {
    ($op:expr, $call:ident => $do:expr, $read:ident => $do_read:expr) => {
        match $op {
            Op::Accept($call) => $do,
            Op::Finish($call) => $do,
            Op::Advance($call) => $do,
            Op::Acknowledged($call) => $do,
            Op::Claim($call) => $do,
            Op::Mark($call) => $do,
            Op::PutCampaign($call) => $do,
            Op::KeepLetter($call) => $do,
            Op::RaiseLogGeneration($call) => $do,
            Op::PutSightings($call) => $do,
            Op::TellLost($call) => $do,
            Op::Locate($read) => $do_read,
        }
    };
}

impl Op {
    /// Tells whoever waits what was kept.
    pub(super) fn reply(self) {
        each_call!(self, call => call.reply(), _read => ());
    }

    /// Keeps an error as the answer, in place of what there was.
    pub(super) fn set_error(&mut self, error: StoreError) {
        each_call!(self, call => call.set(Err(error)), read => {
            if let Some(read) = read.take() {
                read.fail(error);
            }
        });
    }

    /// Tells whoever waits that this was not done.
    pub(super) fn fail(mut self, error: StoreError) {
        self.set_error(error);
        self.reply();
    }

    /// Whether this needs a transaction.
    pub(super) fn writes(&self) -> bool {
        !matches!(self, Self::Locate(_))
    }

    /// Whether this is an accept.
    pub(super) fn is_accept(&self) -> bool {
        matches!(self, Self::Accept(_))
    }
}
