//! Calls to the gateway that came back: however many come at once, they wake the gateway actor once.

use std::sync::{Mutex, PoisonError};

use actix::WeakAddr;
use actix::prelude::{Addr, Message};

use super::GatewayActor;
use crate::breaker::BreakerSignal;

/// Calls came back.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct Look;

/// A call came back.
pub(super) struct Landed {
    pub(super) call: &'static str,
    pub(super) signal: BreakerSignal,
    pub(super) sent_at_boot_ms: i64,
}

/// Calls that came back since the actor last looked. It keeps no actor alive.
pub(super) struct Landings {
    landed: Mutex<Vec<Landed>>,
    gateway: WeakAddr<GatewayActor>,
}

impl Landings {
    pub(super) fn of(gateway: &Addr<GatewayActor>) -> Self {
        Self {
            landed: Mutex::default(),
            gateway: gateway.downgrade(),
        }
    }

    /// From any thread. Only the first one sends a message: the others are found with it.
    pub(super) fn push(&self, landed: Landed) {
        let is_first = {
            let mut waiting = self.landed.lock().unwrap_or_else(PoisonError::into_inner);
            waiting.push(landed);
            waiting.len() == 1
        };
        if is_first && let Some(gateway) = self.gateway.upgrade() {
            gateway.do_send(Look);
        }
    }

    pub(super) fn take(&self) -> Vec<Landed> {
        std::mem::take(&mut *self.landed.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
