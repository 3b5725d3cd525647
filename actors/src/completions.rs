//! The answers to a router's calls. They come from the threads of store and broker; however many come at once, they
//! wake the router once, and are handled in one go.

use std::collections::VecDeque;
use std::sync::Arc;

use actix::prelude::{Addr, Message};

use crate::arrived::Arrived;
use crate::ports::{Done, Dropped};
use crate::router::{Completed, Router};

/// Answers came.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct Look;

/// Answers that came since the router last looked, in the order in which they came. What is in flight bounds them.
pub(crate) struct Completions {
    completed: Arrived<Completed>,
    router: Arc<Addr<Router>>,
}

impl Completions {
    /// Those of the router at this address.
    #[must_use]
    pub(crate) fn of(router: Arc<Addr<Router>>) -> Arc<Self> {
        let completed = Arrived::new();
        Arc::new(Self { completed, router })
    }

    /// A completion that the router is told of.
    pub(crate) fn done<T: Dropped>(
        self: &Arc<Self>,
        completed: impl FnOnce(T) -> Completed + Send + 'static,
    ) -> Done<T> {
        let completions = Arc::clone(self);
        Done::new(move |result| completions.push(completed(result)))
    }

    /// From any thread. Only the first one sends a message: the others are found with it.
    fn push(&self, completed: Completed) {
        if self.completed.push(completed) {
            self.router.do_send(Look);
        }
    }

    /// Moves all that came behind what is `left` from before.
    pub(crate) fn take(&self, left: &mut VecDeque<Completed>) {
        self.completed.take(left);
    }
}
