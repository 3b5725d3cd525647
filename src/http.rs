//! HTTP for operators (health and metrics) and for front ends (one donation's state): two listeners, each on the
//! runtime it is given.

mod admin;
mod answer;
mod api;
mod donation;
pub mod fuzz;
mod health;
mod server;
mod write_deadline;

use std::net::SocketAddr;
use std::sync::Arc;

use almoner_actors::ports::Clock;
use tokio::runtime::Handle;

use crate::metrics::Metrics;

pub use api::{Donations, WaitLimits};
pub use health::{BEAT_WITHIN_MS, Check, Condition, Health, Heart, Report};
pub use server::{ConnectionLimits, ListenError, Server};

/// Listens on `[admin] listen`: `/livez`, `/readyz` and `/metrics`, and a page at `/` that lists them.
///
/// # Errors
/// The address cannot be listened on.
pub fn serve_admin(
    runtime: &Handle,
    listen: SocketAddr,
    limits: ConnectionLimits,
    health: Arc<Health>,
    metrics: Metrics,
    clock: Arc<dyn Clock>,
) -> Result<Server, ListenError> {
    Server::start(runtime, "admin.listen", listen, limits, |_| {
        admin::router(health, metrics, clock)
    })
}

/// Listens on `[http] listen`: `GET /v1/donations/{id}?wait_ms=`.
///
/// # Errors
/// The address cannot be listened on.
pub fn serve_api(
    runtime: &Handle,
    listen: SocketAddr,
    limits: ConnectionLimits,
    waits: WaitLimits,
    donations: Arc<dyn Donations>,
) -> Result<Server, ListenError> {
    Server::start(runtime, "http.listen", listen, limits, |stopping| {
        api::router(donations, waits, stopping)
    })
}
