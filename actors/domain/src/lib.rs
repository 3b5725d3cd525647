//! What a donation is and what may happen to it: no I/O, no clock, no chance. Time and dice come in as arguments,
//! effects go out as data, so that live running, recovery and simulation are the same code.
//!
//! The map, in the order in which a donation meets it:
//! - [`ids`], [`money`]: the words everything else is said in.
//! - [`request`]: bytes from the outside → a request, or a refusal with its reason ([`card_number`] finds card numbers).
//! - [`duplicate`]: same user, campaign and amount within the window, in stream time.
//! - [`campaign`], [`limits`]: who may receive, how fast.
//! - [`donation`]: the state machine, one function. [`answer`]: what a gateway's answer means. [`keys`]: every derived key.
//! - [`retry`]: how long to wait.
//! - [`ledger`]: the movement that a finish is.
//! - [`outcome`], [`dead_letter`]: what goes out. [`partition`]: to which partition. `wire`: MessagePack for all of it.

pub mod answer;
pub mod campaign;
pub mod card_number;
pub mod dead_letter;
pub mod donation;
pub mod duplicate;
pub mod ids;
pub mod keys;
pub mod ledger;
pub mod limits;
pub mod money;
pub mod outcome;
pub mod partition;
pub mod request;
pub mod retry;
mod wire;
