//! The HTTP APIs without a listener: what `tests/fuzz` asks them by.

use std::sync::Arc;

use almoner_actors::ports::Clock;
use axum::Router;
use tokio::sync::watch;

use super::server::Stopping;
use super::{Donations, Health, WaitLimits, admin, api};
use crate::metrics::Metrics;

/// What answers on `[http] listen`, until true is sent or the sender is gone: then nothing is waited for any more.
pub fn api(donations: Arc<dyn Donations>, waits: WaitLimits) -> (Router, watch::Sender<bool>) {
    let (stop, stopping) = watch::channel(false);
    (api::router(donations, waits, Stopping(stopping)), stop)
}

/// What answers on `[admin] listen`.
pub fn admin(health: Arc<Health>, metrics: Metrics, clock: Arc<dyn Clock>) -> Router {
    admin::router(health, metrics, clock)
}
