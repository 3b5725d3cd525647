//! The intake of an instance: which shards are ours, and a batch for each.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use actix::prelude::ArbiterHandle;
use almoner_domain::ids::Shard;
use hashbrown::HashMap;

use super::{Entry, read};
use crate::gateway::{GatewayAddress, Share};
use crate::guard::{self, Policy};
use crate::lease::Lease;
use crate::ports::{Admission, Done, Intake, LogRange, RawRecord};
use crate::router::{AtEnd, HandOver, Lost, Records, Router};
use crate::world::{Alarm, World};

/// A batch is handed on once it has this many records, or at the next flush.
const BATCH_RECORDS_MAX: usize = 256;

/// What a source calls: it starts a router for each shard, on the arbiters in turn, and hands it its records.
pub struct ShardIntake {
    world: Arc<World>,
    arbiters: Vec<ArbiterHandle>,
    gateway: GatewayAddress,
    topic: Arc<str>,
    shards: HashMap<Shard, Entry, foldhash::fast::FixedState>,
    shares: Shares,
}

/// The shards whose part of the gateway's budget is ours: those that are owned, and those that are drained, since what they
/// have accepted is to be sent before they go. Whoever gets a shard next counts it only then.
#[derive(Clone)]
struct Shares {
    gateway: GatewayAddress,
    held: Arc<AtomicUsize>,
    all: u32,
}

impl Shares {
    fn take(&self) {
        self.held.fetch_add(1, Ordering::AcqRel);
        self.tell();
    }

    fn give_back(&self) {
        self.held.fetch_sub(1, Ordering::AcqRel);
        self.tell();
    }

    fn tell(&self) {
        self.gateway.share(Share {
            owned: Arc::clone(&self.held),
            all: self.all,
        });
    }
}

impl ShardIntake {
    /// An intake with no shard yet. `topic` is the requests topic, as places name it.
    ///
    /// There is at least one arbiter.
    #[must_use]
    pub fn new(
        world: Arc<World>,
        arbiters: Vec<ArbiterHandle>,
        gateway: GatewayAddress,
        topic: Arc<str>,
    ) -> Self {
        let shares = Shares {
            gateway: gateway.clone(),
            held: Arc::default(),
            all: world.settings.partitions,
        };
        Self {
            world,
            arbiters,
            gateway,
            topic,
            shards: HashMap::default(),
            shares,
        }
    }

    fn start_router(&self, shard: Shard, log: LogRange) -> Option<Entry> {
        let arbiter = self
            .arbiters
            .get(shard.0 as usize % self.arbiters.len().max(1))?;
        let world = Arc::clone(&self.world);
        let gateway = self.gateway.clone();
        let lease = Arc::new(Lease::new(world.settings.session_timeout_ms));
        // The assignment is as fresh as a commit: the broker has just said that the partition is ours. The router may start
        // long after that, in a process that was suspended meanwhile.
        lease.renewed(world.clock.boot_ms());
        let alarm = Arc::clone(&self.world);
        let its_lease = Arc::clone(&lease);
        let make = move || Router::new(world, shard, log, gateway, its_lease);
        let router = guard::start_in(arbiter, make, &Policy::SHARD, move |report| {
            if let guard::Report::Quarantined { panic } = report {
                alarm.raise(Alarm::Escalated {
                    what: format!("the router of shard {shard} keeps crashing: {panic}"),
                });
            }
        });
        Some(Entry {
            router,
            lease,
            batch: Vec::new(),
        })
    }

    fn lose(&mut self, shard: Shard) {
        if let Some(entry) = self.shards.remove(&shard) {
            self.world.credits.give_back(entry.batch.len());
            entry.router.do_send(Lost);
            self.shares.give_back();
        }
    }

    fn count_owned(&self) {
        self.world.telemetry.shards_owned(self.shards.len());
    }

    fn hand_on(entry: &mut Entry) {
        if !entry.batch.is_empty() {
            entry
                .router
                .do_send(Records(std::mem::take(&mut entry.batch)));
        }
    }
}

impl Intake for ShardIntake {
    fn assigned(&mut self, shard: Shard, log: LogRange) {
        if shard.0 >= self.world.settings.partitions {
            let partitions = self.world.settings.partitions;
            return self.world.raise(Alarm::PartitionsChanged {
                assigned: shard,
                partitions,
            });
        }
        self.lose(shard); // whoever had it before
        if let Some(entry) = self.start_router(shard, log) {
            self.shards.insert(shard, entry);
            self.shares.take();
        }
        self.count_owned();
    }

    fn has_credit(&self) -> bool {
        let settings = &self.world.settings;
        let is_complete =
            !settings.needs_every_partition || self.shards.len() == settings.partitions as usize;
        is_complete && self.world.credits.available()
    }

    fn offer(&mut self, record: &RawRecord<'_>) -> Admission {
        let has_credit = self.has_credit();
        let entry = (self.shards.get_mut(&record.shard)).filter(|entry| !entry.lease.is_lost());
        let Some(entry) = entry else {
            return Admission::Closed;
        };
        if !has_credit {
            return Admission::NoCredit;
        }
        self.world.credits.take();
        entry.batch.push(read(&self.world, &self.topic, record));
        if entry.batch.len() >= BATCH_RECORDS_MAX {
            Self::hand_on(entry);
        }
        Admission::Taken
    }

    fn flush(&mut self) {
        self.shards.values_mut().for_each(Self::hand_on);
    }

    fn at_end(&mut self, shard: Shard, _: i64, asked_wall_ms: i64) {
        if let Some(entry) = self.shards.get_mut(&shard) {
            Self::hand_on(entry);
            entry.router.do_send(AtEnd { asked_wall_ms });
        }
    }

    fn revoke(&mut self, shards: &[Shard], done: Done<()>) {
        let leaving: Vec<Entry> = shards
            .iter()
            .filter_map(|shard| self.shards.remove(shard))
            .collect();
        self.count_owned();
        let left = Arc::new(AtomicUsize::new(leaving.len()));
        if leaving.is_empty() {
            return done.call(());
        }
        let done = Arc::new(std::sync::Mutex::new(Some(done)));
        for mut entry in leaving {
            Self::hand_on(&mut entry);
            let (left, done) = (Arc::clone(&left), Arc::clone(&done));
            let shares = self.shares.clone();
            entry.router.do_send(HandOver {
                done: Done::new(move |()| {
                    shares.give_back();
                    if left.fetch_sub(1, Ordering::AcqRel) == 1 {
                        let done = done
                            .lock()
                            .unwrap_or_else(std::sync::PoisonError::into_inner)
                            .take();
                        if let Some(done) = done {
                            done.call(());
                        }
                    }
                }),
            });
        }
    }

    fn lost(&mut self, shards: &[Shard]) {
        shards.iter().for_each(|shard| self.lose(*shard));
        self.count_owned();
    }

    fn fatal(&mut self, reason: String) {
        self.world.raise(Alarm::SourceFailed { reason });
    }
}
