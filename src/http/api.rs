//! `[http] listen`: `GET /v1/donations/{id}?wait_ms=`, one donation's state, waiting for its end if asked to.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use almoner_actors::ports::{Done, Recorded, StoreError};
use almoner_actors::watchers::Watchers;
use almoner_actors::world::World;
use almoner_domain::ids::DonationId;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::header::CACHE_CONTROL;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde::Deserialize;
use tokio::sync::{Semaphore, SemaphorePermit, oneshot};
use tokio::time::{Instant, sleep_until, timeout};

use super::answer::Refusal;
use super::donation::DonationView;
use super::server::Stopping;

/// The longest wait, in milliseconds.
const WAIT_MS_MAX: u64 = 30_000;

/// Where donations are read, and who tells of their ends.
pub trait Donations: Send + Sync {
    /// As [`almoner_actors::ports::Store::load`]: all that is recorded of a donation.
    fn load(&self, id: DonationId, done: Done<Result<Option<Box<Recorded>>, StoreError>>);

    /// Woken by this instance's outcomes.
    fn watchers(&self) -> &Watchers;
}

impl Donations for World {
    fn load(&self, id: DonationId, done: Done<Result<Option<Box<Recorded>>, StoreError>>) {
        self.store.load(id, done);
    }

    fn watchers(&self) -> &Watchers {
        &self.watchers
    }
}

/// How long and how many may wait.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct WaitLimits {
    /// Requests that wait for a donation's end at the same time; those beyond get 503.
    pub waits_max: usize,
    /// A wait reads the donation again at least this often, since another instance may finish it.
    pub reread_every: Duration,
    /// How long the store may take to answer.
    pub store_timeout: Duration,
}

impl Default for WaitLimits {
    fn default() -> Self {
        Self {
            waits_max: 1024,
            reread_every: Duration::from_secs(5),
            store_timeout: Duration::from_secs(5),
        }
    }
}

struct Api {
    donations: Arc<dyn Donations>,
    limits: WaitLimits,
    waits: Semaphore,
    stopping: Stopping,
}

pub(super) fn router(
    donations: Arc<dyn Donations>,
    limits: WaitLimits,
    stopping: Stopping,
) -> Router {
    Router::new()
        .route("/v1/donations/{id}", get(donation))
        .fallback(async || Refusal::UnknownPath)
        .method_not_allowed_fallback(async || Refusal::WrongMethod)
        .with_state(Arc::new(Api {
            donations,
            limits,
            waits: Semaphore::new(limits.waits_max),
            stopping,
        }))
}

/// What may be asked beside the id; anything else is ignored.
#[derive(Deserialize)]
struct Asked {
    wait_ms: Option<u64>,
}

async fn donation(
    State(api): State<Arc<Api>>,
    id: Result<Path<String>, PathRejection>,
    asked: Result<Query<Asked>, QueryRejection>,
) -> Result<Response, Refusal> {
    let Path(id) = id.map_err(|_| Refusal::MalformedId)?;
    let id = DonationId::parse(&id).ok_or(Refusal::MalformedId)?;
    let Query(asked) = asked.map_err(|_| Refusal::BadWait)?;
    let wait_ms = asked.wait_ms.unwrap_or(0);
    if wait_ms > WAIT_MS_MAX {
        return Err(Refusal::BadWait);
    }
    let recorded = api
        .ended_or_at(id, Instant::now() + Duration::from_millis(wait_ms))
        .await?
        .ok_or(Refusal::UnknownDonation)?;
    let view = Json(DonationView::from(&*recorded));
    Ok(([(CACHE_CONTROL, "no-store")], view).into_response())
}

impl Api {
    /// The donation once it has ended, or as it is at the deadline or when the server stops. One that is not known
    /// yet is waited for too: its request may still be on its way.
    async fn ended_or_at(
        &self,
        id: DonationId,
        deadline: Instant,
    ) -> Result<Option<Box<Recorded>>, Refusal> {
        let watch = self.donations.watchers().watch(id);
        let mut stopping = self.stopping.clone();
        let mut waiting: Option<SemaphorePermit<'_>> = None;
        loop {
            // Watched first and read then: an end between the two wakes the wait.
            let told = pin!(watch.told());
            let recorded = self.load(id).await?;
            let now = Instant::now();
            if has_ended(recorded.as_deref()) || now >= deadline || stopping.has_begun() {
                return Ok(recorded);
            }
            if waiting.is_none() {
                let permit = self.waits.try_acquire();
                waiting = Some(permit.map_err(|_| Refusal::TooManyWaits)?);
            }
            tokio::select! {
                () = told => {}
                () = sleep_until(deadline.min(now + self.limits.reread_every)) => {}
                () = stopping.begun() => {}
            }
        }
    }

    async fn load(&self, id: DonationId) -> Result<Option<Box<Recorded>>, Refusal> {
        let (sender, answer) = oneshot::channel();
        // Who asked may be gone by then.
        let done = Done::new(move |answer| drop(sender.send(answer)));
        self.donations.load(id, done);
        match timeout(self.limits.store_timeout, answer).await {
            Ok(Ok(Ok(recorded))) => Ok(recorded),
            Ok(Ok(Err(StoreError::Impossible(why)))) => {
                tracing::error!(donation = %id, %why, "the store cannot read a donation");
                Err(Refusal::StoreBroken)
            }
            Ok(_) | Err(_) => Err(Refusal::StoreUnavailable),
        }
    }
}

fn has_ended(recorded: Option<&Recorded>) -> bool {
    recorded.is_some_and(|recorded| recorded.finish.is_some())
}
