//! A dead letter that is larger than the broker takes: it is kept whole in the store first, then published shorter.

use std::sync::Arc;

use almoner_actors::ports::{Done, Letters, PublishError};

use super::delivery::{Counters, Kind};
use super::letter::Letter;
use super::waiting::Waiting;

/// Keeps and cuts letters; the shorter ones wait beside the producer.
pub(super) struct Cutting {
    pub(super) letters: Arc<dyn Letters>,
    pub(super) waiting: Arc<Waiting>,
    pub(super) counters: Arc<Counters>,
}

impl Cutting {
    /// The letter goes out again, shorter, once the whole one is durable in the store. Where it cannot be kept, `done`
    /// hears of it, and whoever published does so again later.
    pub(super) fn shorten(self: &Arc<Self>, letter: Letter, done: Done<Result<(), PublishError>>) {
        if letter.was_cut() {
            return self.line_up(letter.cut(), done);
        }
        let this = Arc::clone(self);
        let kept = letter.kept();
        let then = move |result| match result {
            Ok(()) => this.line_up(letter.cut(), done),
            Err(error) => this.fail(done, format!("too large for the broker, and: {error}")),
        };
        self.letters.keep_letter(kept, Done::new(then));
    }

    fn line_up(&self, letter: Letter, done: Done<Result<(), PublishError>>) {
        self.counters.cut();
        if let Err(parcel) = self.waiting.push(letter.into_parcel(done)) {
            self.fail(parcel.done, "the producer's queue is full".to_owned());
        }
    }

    fn fail(&self, done: Done<Result<(), PublishError>>, why: String) {
        self.counters.failed(Kind::DeadLetter);
        done.call(Err(PublishError(why.into())));
    }
}
