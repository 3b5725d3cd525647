//! The line beside the producer: in order, bounded, and no lock is taken while nobody waits.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use super::delivery::Parcel;

/// How many records wait beside a full producer; more are refused, and whoever publishes keeps them.
const WAITING_MAX: usize = 10_000;

/// What waits because the producer's queue is full, or because a letter has to be cut.
#[derive(Default)]
pub(super) struct Waiting {
    line: Mutex<Line>,
    /// The length, so that the usual way takes no lock.
    length: AtomicUsize,
}

#[derive(Default)]
struct Line {
    parcels: VecDeque<Parcel>,
    is_closed: bool,
}

impl Waiting {
    pub(super) fn is_empty(&self) -> bool {
        self.length.load(Ordering::Acquire) == 0
    }

    /// Puts a record in line, if there is room.
    pub(super) fn push(&self, parcel: Parcel) -> Result<(), Parcel> {
        self.change(|line| {
            if line.is_closed || line.parcels.len() >= WAITING_MAX {
                return Err(parcel);
            }
            line.parcels.push_back(parcel);
            Ok(())
        })
    }

    /// Puts the first one back.
    pub(super) fn push_front(&self, parcel: Parcel) {
        self.change(|line| line.parcels.push_front(parcel));
    }

    pub(super) fn pop(&self) -> Option<Parcel> {
        self.change(|line| line.parcels.pop_front())
    }

    /// What still waits; nothing is taken from now on.
    pub(super) fn close(&self) -> VecDeque<Parcel> {
        self.change(|line| {
            line.is_closed = true;
            std::mem::take(&mut line.parcels)
        })
    }

    fn change<T>(&self, change: impl FnOnce(&mut Line) -> T) -> T {
        let mut line = self.line.lock().unwrap_or_else(PoisonError::into_inner);
        let result = change(&mut line);
        self.length.store(line.parcels.len(), Ordering::Release);
        result
    }
}
