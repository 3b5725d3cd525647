//! What the instance says of its health, once a second: who still beats, what it needs to be ready, and what an
//! operator wants to see beside.

use std::sync::Arc;
use std::time::Duration;

use almoner_actors::ports::Clock;
use serde_json::{Value, json};
use tokio::task::AbortHandle;

use super::{App, Runtimes, key_probe};
use crate::clock::SystemClock;
use crate::http::{Condition, Health, Heart};
use crate::kafka::consumer::ConsumerStatus;
use crate::kafka::troubles::{Trouble, Troubles};

const EVERY: Duration = Duration::from_secs(1);

/// The tasks that look after the health.
pub struct Vitals {
    health: Arc<Health>,
    tasks: [AbortHandle; 2],
}

impl Vitals {
    /// Begins to look.
    #[must_use]
    pub fn start(app: &App, health: &Arc<Health>, runtimes: &Runtimes) -> Self {
        let boot_ms = SystemClock.boot_ms();
        let arbiters: Vec<_> = runtimes
            .arbiters()
            .into_iter()
            .enumerate()
            .map(|(number, arbiter)| {
                (
                    arbiter,
                    Arc::new(health.heart(&format!("arbiter {number}"), boot_ms)),
                )
            })
            .collect();
        let consumer = health.heart("consumer", boot_ms);
        let (world, store, status) = (
            Arc::clone(&app.world),
            Arc::clone(&app.store),
            app.consumer.status(),
        );
        let (outcomes, campaigns) = (Arc::clone(&app.outcomes), app.campaigns.troubles());
        let shown = Arc::clone(health);
        let task = runtimes.io.spawn(async move {
            let mut beats = 0;
            loop {
                for (arbiter, heart) in &arbiters {
                    let heart: Arc<Heart> = Arc::clone(heart);
                    arbiter.spawn_fn(move || heart.beat(SystemClock.boot_ms()));
                }
                beat_of(&status, &mut beats, &consumer);
                shown.set(Condition::GroupJoined, status.is_joined());
                shown.set(Condition::StoreUsable, store.is_usable());
                shown.set(Condition::GatewayKeyAccepted, world.credits.key_accepted());
                shown.detail("partitions_owned", json!(status.assigned()));
                shown.detail("requests_in_flight", json!(world.credits.in_flight()));
                shown.detail("gateway_usable", json!(world.credits.is_gateway_usable()));
                let stopped = status.stopped();
                shown.detail(
                    "partitions_stopped",
                    json!(stopped.iter().map(|it| it.shard.0).collect::<Vec<_>>()),
                );
                let of_kafka = [status.troubles(), outcomes.troubles(), &campaigns];
                shown.detail("kafka_troubles", json!(troubles(of_kafka)));
                tokio::time::sleep(EVERY).await;
            }
        });
        let probe = key_probe::probe(
            Arc::clone(&app.gateway),
            Arc::clone(&app.world),
            Arc::clone(health),
        );
        let probe = runtimes.io.spawn(probe);
        Self {
            health: Arc::clone(health),
            tasks: [task.abort_handle(), probe.abort_handle()],
        }
    }

    /// From now on the instance is not ready.
    pub fn draining(&self) {
        self.health.set(Condition::NotDraining, false);
    }
}

impl Drop for Vitals {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

/// What of Kafka does not work.
fn troubles(of: [&Troubles; 3]) -> Vec<Value> {
    let all = of.into_iter().flat_map(Troubles::now);
    let shown = |it: Trouble| {
        json!({
            "doing": it.doing.name(),
            "lasts_s": it.lasts.as_secs(),
            "reason": it.reason,
        })
    };
    all.map(shown).collect()
}

/// The consumer's loop counts its turns; one that counts on lives.
fn beat_of(status: &ConsumerStatus, beats: &mut u64, heart: &Heart) {
    let now = status.beats();
    if now != *beats {
        *beats = now;
        heart.beat(SystemClock.boot_ms());
    }
}
