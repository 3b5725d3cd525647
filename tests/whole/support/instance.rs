//! One instance of the service, a process of its own.

use std::net::SocketAddr;
use std::process::{Command, ExitStatus};

use super::process::Process;

/// A running instance. Dropped, it is killed.
pub struct Instance {
    pub process: Process,
    /// Of the API.
    pub api: SocketAddr,
    /// Of health and metrics.
    pub admin: SocketAddr,
}

impl Instance {
    /// Starts it, and waits until it says that it runs.
    pub fn start(command: &mut Command) -> Self {
        Self::of(Process::start("the instance", command))
    }

    /// Waits until this process says that it runs.
    pub fn of(mut process: Process) -> Self {
        let line = process.wait_line("almoner runs");
        let said: serde_json::Value = serde_json::from_str(&line).unwrap();
        let addr = |name: &str| said[name].as_str().unwrap().parse().unwrap();
        Self {
            process,
            api: addr("api"),
            admin: addr("admin"),
        }
    }

    /// `kill -9`.
    pub fn kill(mut self) {
        self.process.kill();
    }

    /// Tells it to stop, and waits until it has drained. It must end well.
    pub fn stop(self) -> String {
        let (status, said) = self.end();
        assert!(status.success(), "the instance ended, {status}:\n{said}");
        said
    }

    /// Tells it to stop, and waits until it has ended: how, and all that it said.
    pub fn end(mut self) -> (ExitStatus, String) {
        self.process.terminate();
        let status = self.process.wait_exit();
        (status, self.process.said())
    }
}
