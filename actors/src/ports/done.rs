//! A completion: called exactly once, even when whoever held it died.

use std::sync::Arc;

use actix::prelude::{Actor, Addr, Context, Handler, Message};

/// What a completion says when it was dropped without being called.
pub trait Dropped {
    /// The answer in place of the lost one.
    fn dropped() -> Self;
}

impl Dropped for () {
    fn dropped() -> Self {}
}

/// Called exactly once with the result, from any thread. Dropping it calls it with [`Dropped::dropped`].
pub struct Done<T: Dropped>(Option<Box<dyn FnOnce(T) + Send>>);

impl<T: Dropped> Done<T> {
    /// A completion that runs `then` on the thread that completes: it must be short and must not block.
    pub fn new(then: impl FnOnce(T) + Send + 'static) -> Self {
        Self(Some(Box::new(then)))
    }

    /// A completion that sends a message to an actor. The address is shared: a clone of an actix address costs two
    /// allocations.
    pub fn to<A, M>(address: Arc<Addr<A>>, message: impl FnOnce(T) -> M + Send + 'static) -> Self
    where
        A: Actor<Context = Context<A>> + Handler<M>,
        M: Message<Result = ()> + Send + 'static,
    {
        Self::new(move |result| address.do_send(message(result)))
    }

    /// Says what came of it.
    pub fn call(mut self, result: T) {
        if let Some(then) = self.0.take() {
            then(result);
        }
    }
}

impl<T: Dropped> Drop for Done<T> {
    fn drop(&mut self) {
        if let Some(then) = self.0.take() {
            then(T::dropped());
        }
    }
}

impl<T: Dropped> std::fmt::Debug for Done<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Done")
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use almoner_domain::answer::Answer;

    use super::*;

    #[test]
    fn a_dropped_completion_still_answers_once() {
        let (sender, answers) = mpsc::channel();
        let done = Done::<Answer>::new(move |answer| sender.send(answer).unwrap());
        drop(done);
        assert_eq!(answers.iter().collect::<Vec<_>>(), [Answer::dropped()]);
    }

    #[test]
    fn a_called_completion_answers_once() {
        let (sender, answers) = mpsc::channel();
        Done::<Answer>::new(move |answer| sender.send(answer).unwrap()).call(Answer::KeyInUse);
        assert_eq!(answers.iter().collect::<Vec<_>>(), [Answer::KeyInUse]);
    }
}
