//! What arrives at the gateway actor: permitted sends, and calls that came back. However many come at once, they wake
//! the actor once.

use std::collections::VecDeque;
use std::sync::Arc;

use actix::WeakAddr;
use actix::prelude::{Addr, Message};

use super::{Charge, GatewayActor, Share};
use crate::arrived::Arrived;
use crate::breaker::BreakerSignal;

/// Something arrived.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct Look;

/// What arrived.
pub(super) enum Arrival {
    /// A send is permitted.
    Charge(Charge),
    /// A call came back.
    Landed(Landed),
}

/// A call came back.
pub(super) struct Landed {
    pub(super) call: &'static str,
    pub(super) signal: BreakerSignal,
    pub(super) sent_at_boot_ms: i64,
}

/// Closed once the actor is gone for good: its senders are told so then.
type Arrivals = Arrived<Arrival>;

/// The actor's end. Dropped, also when the actor never came to be, it lets go of what arrived.
pub(super) struct Receiver(Arc<Arrivals>);

/// The gateway actor of an instance, for whoever sends. It stops when its last address is dropped.
#[derive(Clone)]
pub struct GatewayAddress {
    actor: Addr<GatewayActor>,
    arrivals: Arc<Arrivals>,
}

/// Where calls that come back land. It keeps no actor alive.
pub(super) struct Landings {
    actor: WeakAddr<GatewayActor>,
    arrivals: Arc<Arrivals>,
}

impl Receiver {
    pub(super) fn new() -> Self {
        Self(Arc::new(Arrivals::new()))
    }

    /// Moves all that arrived behind what is `left` from before.
    pub(super) fn take(&self, left: &mut VecDeque<Arrival>) {
        self.0.take(left);
    }

    pub(super) fn landings(&self, actor: &Addr<GatewayActor>) -> Landings {
        Landings {
            actor: actor.downgrade(),
            arrivals: Arc::clone(&self.0),
        }
    }

    /// The address that goes with it, once there is one of the actor.
    pub(super) fn sender(&self) -> impl FnOnce(Addr<GatewayActor>) -> GatewayAddress + use<> {
        let arrivals = Arc::clone(&self.0);
        |actor| GatewayAddress { actor, arrivals }
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.0.close();
    }
}

impl GatewayAddress {
    /// From any thread.
    pub(crate) fn send(&self, charge: Charge) {
        if self.arrivals.push(Arrival::Charge(charge)) {
            self.actor.do_send(Look);
        }
    }

    /// The instance's share of the budget changed.
    pub(crate) fn share(&self, share: Share) {
        self.actor.do_send(share);
    }
}

impl Landings {
    /// From any thread.
    pub(super) fn push(&self, landed: Landed) {
        if self.arrivals.push(Arrival::Landed(landed))
            && let Some(actor) = self.actor.upgrade()
        {
            actor.do_send(Look);
        }
    }
}
