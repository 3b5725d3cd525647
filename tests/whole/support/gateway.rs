//! The payment gateway: the simulator in a process of its own. What it did is read from its journal.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use almoner::simulator::{
    IntentView, Journal, LoggedRequest, Records, intents_of_journal, requests_of_log,
};

use super::process::{Process, almoner};

/// The only key that it takes.
pub const API_KEY: &str = "sk_test_of_the_whole";

/// The simulator, running or not. It keeps its address and its journal.
pub struct GatewaySim {
    folder: PathBuf,
    args: Vec<String>,
    addr: SocketAddr,
    process: Option<Process>,
}

impl GatewaySim {
    /// Starts it with more arguments (`--faults`, `--latency-ms`, …).
    pub fn start(folder: &Path, args: &[&str]) -> Self {
        let mut gateway = Self {
            folder: folder.to_owned(),
            args: args.iter().map(|arg| (*arg).to_owned()).collect(),
            addr: SocketAddr::from(([127, 0, 0, 1], 0)),
            process: None,
        };
        gateway.start_again();
        gateway
    }

    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// `kill -9`.
    pub fn kill(&mut self) {
        self.process = None;
    }

    /// Starts it again, at its address and with its journal.
    pub fn start_again(&mut self) {
        let mut command = almoner();
        command
            .arg("gateway-sim")
            .args(["--listen", &self.addr.to_string()])
            .arg("--data")
            .arg(&self.folder)
            .arg("--request-log")
            .arg(self.request_log())
            .args(["--api-key", API_KEY])
            .args(&self.args);
        let mut process = Process::start("the gateway", &mut command);
        let line = process.wait_line("gateway simulator listens on ");
        let (_, rest) = line.split_once("listens on ").unwrap();
        self.addr = rest.split(';').next().unwrap().parse().unwrap();
        self.process = Some(process);
    }

    /// Its process.
    pub fn process(&mut self) -> &mut Process {
        self.process.as_mut().expect("the gateway does not run")
    }

    /// Every intent, in order of creation.
    pub fn intents(&self) -> Vec<IntentView> {
        intents_of_journal(&self.folder).unwrap()
    }

    /// Its journal, also while it runs.
    pub fn journal(&self) -> Records {
        Journal::read(&self.folder).unwrap()
    }

    /// Every request that it has answered, in the order of the answers.
    pub fn requests(&self) -> Vec<LoggedRequest> {
        requests_of_log(&self.request_log()).unwrap()
    }

    fn request_log(&self) -> PathBuf {
        self.folder.join("requests.jsonl")
    }

    /// How long its journal is: it grows with all that the gateway does.
    pub fn journal_bytes(&self) -> u64 {
        std::fs::metadata(self.folder.join("journal.jsonl"))
            .unwrap()
            .len()
    }
}
