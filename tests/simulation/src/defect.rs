//! Something that is wrong on purpose: a wrapper around a port, or a rule that is handed in. None of it is in the product.

use std::sync::Arc;

use almoner_actors::world::Settings;

use crate::amiss::{RIGHT, Wrong};
use crate::bank::Request;
use crate::broker::Record;
use crate::ports::{Port, Ports};

/// One defect. What it leaves alone is as it should be.
pub struct Defect {
    /// What is wrong, in words.
    pub name: &'static str,
    /// The ports of each process.
    pub ports: fn(Ports, &Arc<Port>) -> Ports,
    /// The store of each process.
    pub store: Wrong,
    /// The figures.
    pub settings: fn(&mut Settings),
    /// A request as it goes out, and how many of its key went before.
    pub wire: fn(&mut Request, u32),
    /// A record as it is read, and the process's wall clock.
    pub read: fn(&mut Record, i64),
}

impl Defect {
    /// Nothing is wrong.
    pub const NONE: Self = Self {
        name: "nothing",
        ports: |ports, _| ports,
        store: RIGHT,
        settings: |_| {},
        wire: |_, _| {},
        read: |_, _| {},
    };
}
