//! `[admin] listen`: is it alive, is it ready, and what does it count.

use std::sync::Arc;

use almoner_actors::ports::Clock;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};

use super::answer::Refusal;
use super::health::{Health, Report};
use crate::metrics::Metrics;

const INDEX: &str = "<!doctype html>
<html lang=\"en\"><meta charset=\"utf-8\"><title>Almoner</title>
<h1>Almoner</h1>
<ul>
<li><a href=\"/livez\">/livez</a>: whether every part of the process still moves
<li><a href=\"/readyz\">/readyz</a>: whether it takes requests in, and if not, why
<li><a href=\"/metrics\">/metrics</a>: what it counts, for Prometheus
</ul>
</html>
";

/// The text format that Prometheus reads.
const EXPOSITION: &str = "text/plain; version=0.0.4; charset=utf-8";

#[derive(Clone)]
struct Admin {
    health: Arc<Health>,
    metrics: Metrics,
    clock: Arc<dyn Clock>,
}

pub(super) fn router(health: Arc<Health>, metrics: Metrics, clock: Arc<dyn Clock>) -> Router {
    Router::new()
        .route("/", get(async || Html(INDEX)))
        .route("/livez", get(livez))
        .route("/readyz", get(readyz))
        .route("/metrics", get(exposition))
        .fallback(async || Refusal::UnknownPath)
        .method_not_allowed_fallback(async || Refusal::WrongMethod)
        .with_state(Admin {
            health,
            metrics,
            clock,
        })
}

async fn livez(State(admin): State<Admin>) -> Response {
    answer(&admin.health.live(admin.clock.boot_ms()))
}

async fn readyz(State(admin): State<Admin>) -> Response {
    answer(&admin.health.ready())
}

async fn exposition(State(admin): State<Admin>) -> Response {
    ([(CONTENT_TYPE, EXPOSITION)], admin.metrics.render()).into_response()
}

fn answer(report: &Report) -> Response {
    let status = if report.is_ok() {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    (status, [(CACHE_CONTROL, "no-store")], Json(report)).into_response()
}
