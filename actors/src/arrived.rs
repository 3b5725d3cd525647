//! What came for an actor since it last looked, from any thread. However much comes at once, only the first wakes the
//! actor, and the rest is found with it.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// In the order in which it came. Closed once nobody will look any more.
pub(crate) struct Arrived<T>(Mutex<Option<VecDeque<T>>>);

impl<T> Arrived<T> {
    pub(crate) fn new() -> Self {
        Self(Mutex::new(Some(VecDeque::new())))
    }

    /// Says whether the actor is to be woken. Once closed, the item is dropped.
    pub(crate) fn push(&self, item: T) -> bool {
        let mut arrived = self.lock();
        let Some(waiting) = arrived.as_mut() else {
            drop(arrived); // not under the lock, since what is dropped may speak
            return false;
        };
        waiting.push_back(item);
        waiting.len() == 1
    }

    /// Moves all that came behind what is `left` from before. The two lists change places where they can, so that neither
    /// grows anew each time.
    pub(crate) fn take(&self, left: &mut VecDeque<T>) {
        match self.lock().as_mut() {
            Some(waiting) if left.is_empty() => std::mem::swap(waiting, left),
            Some(waiting) => left.append(waiting),
            None => {}
        }
    }

    /// Drops what came, and what is still to come.
    pub(crate) fn close(&self) {
        let left = self.lock().take();
        drop(left); // not under the lock
    }

    fn lock(&self) -> MutexGuard<'_, Option<VecDeque<T>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn what_is_left_comes_first() {
        let arrived = Arrived::new();
        let mut left = VecDeque::from([1]);
        arrived.push(2);
        arrived.take(&mut left);
        assert_eq!(left, [1, 2]);
        left.clear();
        assert!(arrived.push(3), "all that came was taken");
        arrived.take(&mut left);
        assert_eq!(left, [3]);
    }

    #[test]
    fn only_the_first_wakes_and_all_are_found() {
        let arrived = Arrived::new();
        let item = Arc::new(());
        assert!(arrived.push(Arc::clone(&item)));
        assert!(!arrived.push(Arc::clone(&item)));
        let mut left = VecDeque::new();
        arrived.take(&mut left);
        assert_eq!(left.len(), 2);
        drop(left);
        assert!(arrived.push(Arc::clone(&item)));
        arrived.close();
        assert!(
            !arrived.push(Arc::clone(&item)),
            "nobody is there to be woken"
        );
        assert_eq!(Arc::strong_count(&item), 1, "nothing is kept");
    }
}
