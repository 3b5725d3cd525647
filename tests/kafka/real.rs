//! What the mock cluster only pretends, on a real broker.

mod group;
mod producer;
mod topics;
