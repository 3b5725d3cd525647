//! What an operator does when log and store do not belong together: a whole instance, a broker and a gateway.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod losses;
mod restore;
mod world;
