//! The stage of the whole-binary stories: a broker in this process, the simulator and the instance in theirs.
//!
//! [`World`] is what outlives an instance: the broker, the simulator, the data folder. [`World::start`] starts an
//! instance; [`Publisher`] and [`Follower`] are the front end; [`judge`] holds gateway, ledger and outcomes against each
//! other. Every wait ends by progress ([`wait_until`]), and every process goes with its owner, also in a panic.

mod broker;
mod follower;
mod gateway;
mod http;
mod instance;
mod judge;
mod keyspace;
mod process;
mod proxy;
mod publisher;
mod raw_produce;
mod requests;
mod wait;
mod world;

pub use {
    broker::Broker,
    follower::{Follower, Letter, Seen, Told},
    gateway::{API_KEY, GatewaySim},
    http::get,
    instance::Instance,
    judge::judge,
    keyspace::{Keyspace, Sends},
    process::{Process, ignoring_file_limits},
    proxy::{Mishap, Proxy, Weather},
    publisher::{Place, Post, Publisher},
    requests::{Fields, donate, hold_answer, id, open_campaign},
    wait::{PATIENCE, Patience, wait_until},
    world::{PARTITIONS, World},
};

use std::sync::LazyLock;

use tokio::runtime::{Builder, Runtime};

/// The harness's own I/O.
pub static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap()
});
