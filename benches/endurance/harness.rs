//! Processes of ours, as the whole-binary tests start them.
#![allow(dead_code, reason = "the tests need more of it")]

#[path = "../../tests/whole/support/gateway.rs"]
mod gateway;
#[path = "../../tests/whole/support/http.rs"]
mod http;
#[path = "../../tests/whole/support/instance.rs"]
mod instance;
#[path = "../../tests/whole/support/process.rs"]
mod process;
#[path = "../../tests/whole/support/wait.rs"]
mod wait;

pub use gateway::{API_KEY, GatewaySim};
pub use http::get;
pub use instance::Instance;
pub use process::almoner;
pub use wait::wait_until;
