//! The gateway simulator, over HTTP: each fact about Stripe that the product relies on has its story here.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod faults;
mod intents;
mod journal;
mod keys;
mod lists;
mod support;
