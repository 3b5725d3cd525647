//! What came for an actor since it last looked, from any thread. However much comes at once, only the first wakes the
//! actor, and the rest is found with it.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// In the order in which it came. Closed once nobody will look any more.
pub(crate) struct Arrived<T>(Mutex<Option<Vec<T>>>);

impl<T> Arrived<T> {
    pub(crate) fn new() -> Self {
        Self(Mutex::new(Some(Vec::new())))
    }

    /// Says whether the actor is to be woken. Once closed, the item is dropped.
    pub(crate) fn push(&self, item: T) -> bool {
        let mut arrived = self.lock();
        let Some(waiting) = arrived.as_mut() else {
            drop(arrived); // not under the lock, since what is dropped may speak
            return false;
        };
        waiting.push(item);
        waiting.len() == 1
    }

    /// All that came.
    pub(crate) fn take(&self) -> Vec<T> {
        self.lock().as_mut().map(std::mem::take).unwrap_or_default()
    }

    /// Drops what came, and what is still to come.
    pub(crate) fn close(&self) {
        let left = self.lock().take();
        drop(left); // not under the lock
    }

    fn lock(&self) -> MutexGuard<'_, Option<Vec<T>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn only_the_first_wakes_and_all_are_found() {
        let arrived = Arrived::new();
        let item = Arc::new(());
        assert!(arrived.push(Arc::clone(&item)));
        assert!(!arrived.push(Arc::clone(&item)));
        assert_eq!(arrived.take().len(), 2);
        assert!(arrived.push(Arc::clone(&item)));
        arrived.close();
        assert!(
            !arrived.push(Arc::clone(&item)),
            "nobody is there to be woken"
        );
        assert_eq!(Arc::strong_count(&item), 1, "nothing is kept");
    }
}
