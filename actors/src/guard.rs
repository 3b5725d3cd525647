//! A guard around one actor: it survives the actor's panics with its mailbox, restarts it with growing pauses, and
//! sets it aside when it crashes too often. actix's own `Supervisor` does not: after a panic its actor is gone, and with
//! it whatever was queued.

use std::any::Any;
use std::collections::VecDeque;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{self, Poll, ready};
use std::time::Duration;

use actix::dev::{ContextFut, channel};
use actix::{Actor, ActorContext, ActorState, Addr, ArbiterHandle, Context, Supervised};
use tokio::time::{Instant, Sleep, sleep};

/// Starts an actor under a guard on the current arbiter.
///
/// After a panic the message that was being handled is lost, and so is every future that the actor had spawned; what is
/// queued behind is handled, in order, after `Supervised::restarting` and `Actor::started`. So the owner keeps what is
/// in flight outside the actor, and learns from `report` when to look after it. An actor under a guard does not use
/// `cancel_future`: actix counts handles anew after a restart, and a late cancellation hits another future.
///
/// `report` is called on the actor's thread. An arbiter that is torn down drops its guards without a report.
pub fn start<A>(actor: A, policy: &'static Policy, report: impl Fn(Report) + 'static) -> Addr<A>
where
    A: Actor<Context = Context<A>> + Supervised,
{
    let context = Context::new().into_future(actor);
    let address = context.address();
    actix_rt::spawn(Guard::new(context, policy, report));
    address
}

/// Starts an actor under a guard on the given arbiter, from any thread; the actor is made there. Messages that are sent
/// meanwhile wait. If `make` panics it is quarantined; if the arbiter is gone, the address is closed and nothing is
/// reported.
pub fn start_in<A>(
    arbiter: &ArbiterHandle,
    make: impl FnOnce() -> A + Send + 'static,
    policy: &'static Policy,
    report: impl Fn(Report) + Send + 'static,
) -> Addr<A>
where
    A: Actor<Context = Context<A>> + Supervised,
{
    let (sender, receiver) = channel::channel(MAILBOX_CAPACITY);
    arbiter.spawn_fn(move || match caught(make) {
        Ok(actor) => {
            let context = Context::with_receiver(receiver).into_future(actor);
            actix_rt::spawn(Guard::new(context, policy, report));
        }
        Err(panic) => report(Report::Quarantined { panic }),
    });
    Addr::new(sender)
}

/// actix's own default. `do_send` ignores it: the bound on what is in flight is the router's.
const MAILBOX_CAPACITY: usize = 16;

/// How often an actor may crash, and how long it rests after it did.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Policy {
    /// Restarts within the window; the next crash quarantines.
    pub restarts_max: u32,
    /// How long a crash counts.
    pub window: Duration,
    /// The rest after the first crash within the window. It doubles with each further one.
    pub backoff_first: Duration,
    /// The longest rest.
    pub backoff_longest: Duration,
}

impl Policy {
    /// A user, a campaign: one of very many, so it is set aside soon.
    pub const ENTITY: Self = Self {
        restarts_max: 3,
        window: Duration::from_secs(60),
        backoff_first: Duration::from_millis(50),
        backoff_longest: Duration::from_secs(1),
    };

    /// A shard's router: without it a partition stands still.
    pub const SHARD: Self = Self {
        restarts_max: 5,
        window: Duration::from_secs(60),
        backoff_first: Duration::from_millis(100),
        backoff_longest: Duration::from_secs(5),
    };

    /// The store, the gateway, the producer: without it everything stands still.
    pub const SERVICE: Self = Self {
        restarts_max: 8,
        window: Duration::from_secs(120),
        backoff_first: Duration::from_millis(100),
        backoff_longest: Duration::from_secs(10),
    };

    /// How long to rest after as many crashes within the window.
    fn backoff(&self, crashes: usize) -> Duration {
        let doublings = u32::try_from(crashes.saturating_sub(1)).unwrap_or(u32::MAX);
        let factor = 2_u32.checked_pow(doublings).unwrap_or(u32::MAX);
        self.backoff_first
            .saturating_mul(factor)
            .min(self.backoff_longest)
    }
}

/// When something crashed, as far back as its policy counts.
#[derive(Default)]
pub struct Crashes(VecDeque<Instant>);

impl Crashes {
    /// One more: how many there are now, or none if that is too many for another restart.
    pub fn note(&mut self, policy: &Policy, now: Instant) -> Option<usize> {
        while (self.0.front()).is_some_and(|at| now - *at >= policy.window) {
            self.0.pop_front();
        }
        self.0.push_back(now);
        Some(self.0.len()).filter(|crashes| *crashes <= policy.restarts_max as usize)
    }
}

/// What became of a guarded actor.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Report {
    /// It crashed, rested and goes on with what is queued; the message it was handling is lost.
    Restarted {
        /// What the panic said.
        panic: String,
        /// Restarts within the policy's window, this one included.
        restarts: u32,
    },
    /// It crashed too often: it is gone, and right after this report so is what was queued for it.
    Quarantined {
        /// What the last panic said.
        panic: String,
    },
    /// It ended as it should: it was stopped, or its last address was dropped.
    Stopped,
}

/// The future that runs a guarded actor.
struct Guard<A, F>
where
    A: Actor<Context = Context<A>> + Supervised,
{
    /// `None` once it ended. Boxed: tokio aligns a task to 128 bytes, and what does not fill them is lost.
    context: Option<Box<ContextFut<A, Context<A>>>>,
    policy: &'static Policy,
    report: F,
    /// `None` as long as it never crashed: of a million actors nearly all.
    trouble: Option<Box<Trouble>>,
}

/// What a guard knows of an actor that crashed.
#[derive(Default)]
struct Trouble {
    crashes: Crashes,
    /// The rest that it takes, and what the panic said.
    rest: Option<(Pin<Box<Sleep>>, String)>,
}

// Nothing in a guard is pinned by its place: the sleep is boxed, and actors are `Unpin`.
impl<A, F> Unpin for Guard<A, F> where A: Actor<Context = Context<A>> + Supervised {}

impl<A, F> Future for Guard<A, F>
where
    A: Actor<Context = Context<A>> + Supervised,
    F: Fn(Report),
{
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<()> {
        let this = self.get_mut();
        loop {
            ready!(this.poll_rest(cx));
            let Some(context) = &mut this.context else {
                return Poll::Ready(());
            };
            match caught(|| Pin::new(context.as_mut()).poll(cx)) {
                Ok(polled) => {
                    ready!(polled);
                    this.end(Report::Stopped);
                }
                Err(panic) => this.crashed(panic),
            }
        }
    }
}

impl<A, F> Guard<A, F>
where
    A: Actor<Context = Context<A>> + Supervised,
    F: Fn(Report),
{
    fn new(context: ContextFut<A, Context<A>>, policy: &'static Policy, report: F) -> Self {
        Self {
            context: Some(Box::new(context)),
            policy,
            report,
            trouble: None,
        }
    }

    /// Waits until the rest is over, if the actor takes one, and restarts it then; a crash in that makes one more rest.
    fn poll_rest(&mut self, cx: &mut task::Context<'_>) -> Poll<()> {
        while let Some(trouble) = &mut self.trouble
            && let Some((sleep, panic)) = &mut trouble.rest
        {
            ready!(sleep.as_mut().poll(cx));
            let panic = std::mem::take(panic);
            let restarts = u32::try_from(trouble.crashes.0.len()).unwrap_or(u32::MAX);
            trouble.rest = None;
            self.restart(panic, restarts);
        }
        Poll::Ready(())
    }

    fn restart(&mut self, panic: String, restarts: u32) {
        let Some(context) = &mut self.context else {
            return;
        };
        // actix restarts only what still has an address; what is queued is to be handled even if it has none any more.
        let address = context.address();
        let restarted = caught(|| context.restart());
        drop(address);
        match restarted {
            Ok(_) => (self.report)(Report::Restarted { panic, restarts }),
            Err(panic) => self.crashed(panic),
        }
    }

    fn crashed(&mut self, panic: String) {
        let Some(context) = &mut self.context else {
            return;
        };
        if context.ctx().state() == ActorState::Stopped {
            return self.end(Report::Stopped); // the panic was in its last words
        }
        let trouble = self.trouble.get_or_insert_default();
        let Some(crashes) = trouble.crashes.note(self.policy, Instant::now()) else {
            return self.end(Report::Quarantined { panic });
        };
        trouble.rest = Some((Box::pin(sleep(self.policy.backoff(crashes))), panic));
    }

    /// Reports first, so that the owner knows before what was queued is dropped.
    fn end(&mut self, report: Report) {
        let crashed = matches!(report, Report::Quarantined { .. });
        (self.report)(report);
        retire(self.context.take(), crashed);
    }
}

impl<A, F> Drop for Guard<A, F>
where
    A: Actor<Context = Context<A>> + Supervised,
{
    fn drop(&mut self) {
        let resting = (self.trouble.as_ref()).is_some_and(|trouble| trouble.rest.is_some());
        retire(self.context.take(), resting);
    }
}

/// Drops an actor. What its destructors throw ends here; no hook of a crashed one is called, since its state may be
/// anything.
fn retire<A>(context: Option<Box<ContextFut<A, Context<A>>>>, crashed: bool)
where
    A: Actor<Context = Context<A>>,
{
    let Some(mut context) = context else { return };
    if crashed {
        context.ctx().terminate();
    }
    if let Err(panic) = caught(|| drop(context)) {
        tracing::error!(panic, "an actor panicked while it was dropped");
    }
}

/// Runs it and says in words what it threw.
fn caught<T>(run: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(run)).map_err(|thrown| words(thrown.as_ref()))
}

fn words(thrown: &(dyn Any + Send)) -> String {
    let text = thrown.downcast_ref::<&str>().copied();
    let text = text.or_else(|| thrown.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("a panic without words").to_owned()
}

#[cfg(test)]
mod tests;
