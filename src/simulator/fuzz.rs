//! The simulator without a listener: what `tests/fuzz` asks it by.

use std::sync::Arc;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{Request, Response};
use tokio::runtime::Handle;

use super::service::Service;
use super::views::IntentView;
use super::{Running, Simulator};

/// A simulator that is asked directly.
pub struct Asked(Arc<Service>);

impl Asked {
    /// It answers on this runtime.
    pub fn new(simulator: Simulator, handle: &Handle) -> Self {
        Self(Arc::new(Service::new(
            simulator.world,
            simulator.behaviour,
            handle.clone(),
        )))
    }

    /// The whole answer, if there is one.
    pub async fn answer(&self, request: Request<Full<Bytes>>) -> Option<Response<Bytes>> {
        let answer = Arc::clone(&self.0).answer(request).await.ok()?;
        let (head, body) = answer.into_parts();
        let body = body.collect().await.ok()?.to_bytes();
        Some(Response::from_parts(head, body))
    }

    /// As [`Running::intents`].
    pub fn intents(&self) -> Vec<IntentView> {
        Running::intents_of(&self.0)
    }
}
