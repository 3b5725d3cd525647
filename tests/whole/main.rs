//! The whole binary, in processes of its own, with a real broker protocol, real sockets and real files: what arrives
//! and what dies around it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod bad_input;
mod cluster;
mod crashes;
mod crowd;
mod disasters;
mod network;
mod promises;
mod real;
#[path = "../support/real_kafka.rs"]
#[allow(dead_code)]
mod real_kafka;
mod secrets;
// A harness offers more than each story takes.
#[allow(dead_code, unused_imports)]
mod support;
mod trial;
mod way;
