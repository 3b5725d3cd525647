//! The root of the actors' tree: what to do when a guard gave up on its actor. Guards restart (`guard`); the tree
//! decides what is beyond them, and is plain data.

use std::collections::VecDeque;
use std::time::Duration;

use almoner_domain::ids::Shard;
use foldhash::fast::FixedState;
use hashbrown::HashMap;
use tokio::time::Instant;

use crate::guard::Report;

/// A guarded actor, by its place in the tree.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum ChildId {
    /// The store's writer or session.
    Store,
    /// The gateway actor.
    Gateway,
    /// The producer.
    Outcomes,
    /// The daily close.
    Payout,
    /// A shard's router.
    Shard(Shard),
    /// A user or a campaign of a shard.
    Entity {
        /// Its shard.
        shard: Shard,
        /// A hash of its kind and id.
        id: u64,
    },
}

/// What the owner of the tree is to do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Escalation {
    /// Start this shard anew, with all its entities: its router gave up, or too many of its entities did.
    Shard(Shard),
    /// Start this service anew.
    Service(ChildId),
    /// Drain what can be drained and exit with code 70.
    Process,
}

/// The root: what gave up lately, and what was started anew for it.
#[derive(Default, Debug)]
pub struct Tree {
    /// Entities that were quarantined, by shard, and when.
    quarantined: HashMap<Shard, HashMap<u64, Instant, FixedState>, FixedState>,
    /// When a shard or a service was last started anew: reports of before speak of what is no more.
    anew: HashMap<ChildId, Instant, FixedState>,
    /// When the root started something anew, within its window.
    restarts: VecDeque<Instant>,
    /// The process is on its way out: nothing else matters.
    ending: bool,
}

/// Distinct entities of one shard, quarantined within [`ENTITIES_WINDOW`], that are no longer the entities' fault. One
/// poison entity never restarts its shard.
pub const ENTITIES_MAX: usize = 10;
/// How long a quarantined entity counts against its shard.
pub const ENTITIES_WINDOW: Duration = Duration::from_secs(60);
/// What the root starts anew within [`ROOT_WINDOW`]; the next one ends the process.
pub const ROOT_RESTARTS_MAX: usize = 5;
/// How long a restart counts against the root.
pub const ROOT_WINDOW: Duration = Duration::from_secs(600);

impl Tree {
    /// Nothing gave up yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A guard reported, at `now` (when the report was made, not when it was read). What is older than the restart of
    /// its shard or service is stale, and ignored.
    pub fn report(&mut self, child: ChildId, report: Report, now: Instant) -> Option<Escalation> {
        let gave_up = matches!(report, Report::Quarantined { .. });
        if self.ending || !gave_up || self.is_stale(child, now) {
            return None;
        }
        match child {
            ChildId::Entity { shard, id } => {
                if !self.too_many_entities(shard, id, now) {
                    return None;
                }
                self.start_anew(ChildId::Shard(shard), now)
            }
            child => self.start_anew(child, now),
        }
    }

    /// A shard or a service runs anew since `now`, by an escalation or since the shard was acquired: what its former
    /// self had comes to nothing.
    pub fn started(&mut self, child: ChildId, now: Instant) {
        let since = self.anew.entry(child).or_insert(now);
        *since = (*since).max(now);
        if let ChildId::Shard(shard) = child {
            self.quarantined.remove(&shard);
        }
    }

    fn start_anew(&mut self, child: ChildId, now: Instant) -> Option<Escalation> {
        while (self.restarts.front())
            .is_some_and(|at| now.saturating_duration_since(*at) >= ROOT_WINDOW)
        {
            self.restarts.pop_front();
        }
        if self.restarts.len() >= ROOT_RESTARTS_MAX {
            self.ending = true;
            return Some(Escalation::Process);
        }
        self.restarts.push_back(now);
        self.started(child, now);
        Some(match child {
            ChildId::Shard(shard) => Escalation::Shard(shard),
            service => Escalation::Service(service),
        })
    }

    fn is_stale(&self, child: ChildId, now: Instant) -> bool {
        let owner = match child {
            ChildId::Entity { shard, .. } => ChildId::Shard(shard),
            child => child,
        };
        self.anew.get(&owner).is_some_and(|since| now <= *since)
    }

    fn too_many_entities(&mut self, shard: Shard, id: u64, now: Instant) -> bool {
        let entities = self.quarantined.entry(shard).or_default();
        entities.retain(|_, at| now.saturating_duration_since(*at) < ENTITIES_WINDOW);
        entities.insert(id, now);
        entities.len() >= ENTITIES_MAX
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHARD: Shard = Shard(7);
    const OWN: ChildId = ChildId::Shard(SHARD);

    /// A report at a time, in milliseconds.
    type Told = (u64, ChildId, Report);

    fn gone(at_ms: u64, child: ChildId) -> Told {
        let panic = "poison".to_owned();
        (at_ms, child, Report::Quarantined { panic })
    }

    fn entity(shard: Shard, id: u64) -> ChildId {
        ChildId::Entity { shard, id }
    }

    /// As many distinct entities of the shard give up, so many milliseconds apart.
    fn entities(from_ms: u64, count: u64, apart_ms: u64) -> impl Iterator<Item = Told> {
        (0..count).map(move |id| gone(from_ms + id * apart_ms, entity(SHARD, id)))
    }

    /// What comes of these reports, as (time, escalation).
    fn check(told: impl IntoIterator<Item = Told>, expected: &[(u64, Escalation)]) {
        let zero = Instant::now();
        let mut tree = Tree::new();
        tree.started(OWN, zero);
        let mut seen = Vec::new();
        for (at_ms, child, report) in told {
            let at = zero + Duration::from_millis(at_ms);
            seen.extend(
                tree.report(child, report, at)
                    .map(|escalation| (at_ms, escalation)),
            );
        }
        assert_eq!(seen, expected);
    }

    #[test]
    fn restarts_and_ends_are_the_guards_business() {
        let panic = "once".to_owned();
        let restarts = 1;
        check(
            [
                (1, ChildId::Store, Report::Restarted { panic, restarts }),
                (2, OWN, Report::Stopped),
                (3, entity(SHARD, 1), Report::Stopped),
            ],
            &[],
        );
    }

    #[test]
    fn many_distinct_entities_take_their_shard_along_and_few_do_not() {
        let escalated = Escalation::Shard(SHARD);
        check(entities(1, 9, 10), &[]);
        check(entities(1, 10, 10), &[(91, escalated)]);
        check((1..1_000).map(|ms| gone(ms, entity(SHARD, 1))), &[]);
        check(entities(1, 1_000, 6_667), &[]); // nine within any window
        let scattered = (1..40).map(|id| gone(id, entity(Shard(id as u32 % 5), id)));
        check(scattered, &[]);
    }

    #[test]
    fn a_shard_that_was_started_anew_begins_at_nothing() {
        let nine_more = entities(100, 9, 10);
        check(
            entities(1, 10, 10).chain(nine_more),
            &[(91, Escalation::Shard(SHARD))],
        );
    }

    #[test]
    fn what_is_out_of_restarts_is_started_anew_by_the_root() {
        let services = [
            ChildId::Store,
            ChildId::Gateway,
            ChildId::Outcomes,
            ChildId::Payout,
        ];
        let expected = [1, 2, 3, 4].map(|ms| (ms, Escalation::Service(services[ms as usize - 1])));
        check(
            (1..).zip(services).map(|(ms, service)| gone(ms, service)),
            &expected,
        );
        check([gone(1, OWN)], &[(1, Escalation::Shard(SHARD))]);
    }

    #[test]
    fn a_root_out_of_restarts_ends_the_process_once() {
        let store = Escalation::Service(ChildId::Store);
        let mut expected: Vec<_> = (1..=5).map(|ms| (ms, store)).collect();
        expected.push((6, Escalation::Process));
        check((1..=50).map(|ms| gone(ms, ChildId::Store)), &expected);
    }

    #[test]
    fn a_root_that_starts_something_anew_now_and_then_goes_on() {
        let apart = 200_000;
        let expected: Vec<_> = (1..50)
            .map(|n| (n * apart, Escalation::Shard(SHARD)))
            .collect();
        check((1..50).map(|n| gone(n * apart, OWN)), &expected);
    }

    #[test]
    fn what_was_reported_before_a_restart_is_stale() {
        check([gone(0, OWN)], &[]); // as old as its shard's start
        let escalated = (50, Escalation::Shard(SHARD));
        check([gone(50, OWN), gone(50, OWN), gone(20, OWN)], &[escalated]);
        check(
            [gone(50, OWN)].into_iter().chain(entities(1, 40, 1)),
            &[escalated],
        );

        let zero = Instant::now();
        let at = |ms| zero + Duration::from_millis(ms);
        let mut tree = Tree::new();
        tree.started(OWN, at(100));
        tree.started(OWN, at(50)); // told late
        let (_, child, report) = gone(80, OWN);
        assert_eq!(tree.report(child, report, at(80)), None);
    }
}
