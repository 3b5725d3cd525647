//! The promises, by name, as checks over what can be seen from outside: the topics, the committed offsets, the store's
//! books and the simulator's journal.
//!
//! A check takes [`Facts`] and nothing else, so that doctored ones show that it can fail (`controls.rs`). Some promises
//! hold at every moment, also right after a `kill -9`; the others once everything has settled.

mod collect;
mod controls;
mod facts;
mod fates;
mod gateway;
mod ledger;
mod outcomes;

use std::fmt;

pub use collect::asked;
pub use facts::{Did, Facts};

use almoner_domain::ids::DonationId;

/// A promise that was not kept.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Broken {
    /// As in ARCHITECTURE.md: `I1`, …
    pub promise: &'static str,
    /// What of, and what is wrong.
    pub what: String,
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.promise, self.what)
    }
}

/// What is broken at a moment, whatever is still in flight.
pub fn broken(facts: &Facts) -> Vec<Broken> {
    let mut found = Found::default();
    fates::no_loss(facts, &mut found);
    gateway::no_double_charge(facts, &mut found);
    gateway::derived_keys(facts, &mut found);
    gateway::accept_first(facts, &mut found);
    gateway::unknown_blocks(facts, &mut found);
    ledger::balances(facts, &mut found);
    ledger::has_only_what_was_charged(facts, &mut found);
    outcomes::in_sequence(facts, &mut found);
    outcomes::equal_content(facts, &mut found);
    outcomes::as_recorded(facts, &mut found);
    found.0
}

/// What is broken once nothing is in flight any more.
pub fn broken_at_rest(facts: &Facts) -> Vec<Broken> {
    let mut found = Found(broken(facts));
    fates::all_done(facts, &mut found);
    gateway::nobody_was_told_failed(facts, &mut found);
    ledger::has_all_that_was_charged(facts, &mut found);
    outcomes::all_told(facts, &mut found);
    found.0
}

#[derive(Default)]
struct Found(Vec<Broken>);

impl Found {
    fn add(&mut self, promise: &'static str, what: String) {
        self.0.push(Broken { promise, what });
    }

    fn of(&mut self, promise: &'static str, id: DonationId, what: impl fmt::Display) {
        self.add(promise, format!("donation {id}: {what}"));
    }
}
