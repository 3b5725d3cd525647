//! Calls of a store that are waited for, where nothing goes on without the answer: at the start and in commands.

use std::sync::mpsc;

use almoner_actors::ports::{Done, Dropped, StoreError};

/// Makes the call and waits for its answer. Blocks; never call it on a runtime's thread.
///
/// # Errors
/// The store's, or that it has stopped without an answer.
pub(crate) fn answered<T>(call: impl FnOnce(Done<Result<T, StoreError>>)) -> Result<T, StoreError>
where
    T: Send + 'static,
    Result<T, StoreError>: Dropped,
{
    let (sender, answers) = mpsc::channel();
    call(Done::new(move |answer| {
        // The receiver waits below.
        let _ = sender.send(answer);
    }));
    answers.recv().unwrap_or(Err(StoreError::Stopped))
}
