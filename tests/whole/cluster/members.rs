//! The instances of a cluster: each a process with an id, and a network to the gateway, of its own.

use std::io::Write;
use std::sync::Once;
use std::time::Duration;

use jiff::Timestamp;

use crate::support::{Broker, Instance, Keyspace, Proxy, World, wait_until};
use crate::trial::Trial;

/// Partitions of the requests: several for each instance.
pub const PARTITIONS: u32 = 12;
/// Calls that an instance has open at the gateway at most.
pub const IN_FLIGHT_MAX: usize = 64;
/// So many give at the same time.
const USERS: u32 = 2_000;
/// How often it is looked whether there is room for more requests.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// A trial with several instances.
pub struct Cluster {
    pub trial: Trial,
    pub members: Vec<Member>,
    /// All that those have said that are no members any more.
    parted: Vec<String>,
    /// More configuration of each instance.
    env: Vec<(&'static str, String)>,
    joined: u32,
    /// Requests that were published.
    pub given: u64,
}

/// A running instance.
pub struct Member {
    pub id: String,
    pub instance: Instance,
    /// Its network to the gateway.
    pub network: Proxy,
}

/// A shard that was taken over.
#[derive(Clone, Copy, Debug)]
pub struct Takeover {
    pub shard: u32,
    /// Wall clock, milliseconds since 1970.
    pub at_ms: i64,
}

impl Cluster {
    /// No instance yet, and a gateway with these arguments; none where there are no real servers.
    pub fn new(gateway_args: &[&str], env: &[(&'static str, &str)]) -> Option<Self> {
        let Some(keyspace) = Keyspace::own().filter(|_| crate::real_kafka::address().is_some())
        else {
            say_left_out();
            return None;
        };
        let broker = Broker::real(PARTITIONS)?;
        let mut trial = Trial::of(gateway_args, |args| {
            World::of_cluster(broker, keyspace, args)
        });
        trial.crowd.of_users(USERS);
        let env = env.iter().map(|(name, value)| (*name, (*value).to_owned()));
        Some(Self {
            trial,
            members: Vec::new(),
            parted: Vec::new(),
            env: env.collect(),
            joined: 0,
            given: 0,
        })
    }

    /// An instance more, once it runs; people give meanwhile.
    pub fn join(&mut self, open_max: u64) {
        self.joined += 1;
        self.join_as(format!("instance-{}", self.joined), open_max);
    }

    /// The same, with more configuration.
    pub fn join_with(&mut self, env: &[(&'static str, &str)], open_max: u64) {
        let common = self.env.len();
        let more = env.iter().map(|(name, value)| (*name, (*value).to_owned()));
        self.env.extend(more);
        self.join(open_max);
        self.env.truncate(common);
    }

    /// The same with an id that another one had.
    pub fn join_as(&mut self, id: String, open_max: u64) {
        let network = Proxy::calm(self.trial.world.gateway.addr());
        let (url, in_flight_max) = (network.url(), IN_FLIGHT_MAX.to_string());
        let mut env = vec![
            ("ALMONER__KAFKA__INSTANCE_ID", id.as_str()),
            ("ALMONER__GATEWAY__BASE_URL", &url),
            ("ALMONER__GATEWAY__TIMEOUT_MS", "20000"),
            ("ALMONER__GATEWAY__IN_FLIGHT_MAX", &in_flight_max),
            ("ALMONER__DONATIONS__DUPLICATE_WINDOW_S", "900"),
        ];
        env.extend(self.env.iter().map(|(name, value)| (*name, value.as_str())));
        let mut process = self.trial.spawn_with(&env);
        self.give_while(open_max, |_| {
            process.is_running() && !process.said().contains("almoner runs")
        });
        let instance = Instance::of(process);
        eprintln!("{id} joins");
        self.members.push(Member {
            id,
            instance,
            network,
        });
    }

    /// `kill -9`; the answer is its id.
    pub fn kill(&mut self, which: usize) -> String {
        let member = self.members.remove(which);
        eprintln!("{} is killed", member.id);
        let mut process = member.instance.process;
        process.kill();
        self.parted.push(process.said());
        member.id
    }

    /// SIGTERM; it has drained once this returns. People give meanwhile.
    pub fn stop(&mut self, which: usize, open_max: u64) {
        let member = self.members.remove(which);
        eprintln!("{} is told to stop", member.id);
        let mut process = member.instance.process;
        process.terminate();
        self.give_while(open_max, |_| process.is_running());
        let status = process.wait_exit();
        assert!(
            status.success(),
            "{} ended, {status}:\n{}",
            member.id,
            process.said()
        );
        self.parted.push(process.said());
    }

    /// Stops every one.
    pub fn stop_all(&mut self) {
        for member in self.members.drain(..) {
            self.parted.push(member.instance.stop());
        }
    }

    /// One is frozen for so long and goes on; then it must send nothing until a shard is its own again. People give
    /// meanwhile.
    pub fn freeze(&mut self, which: usize, pause: Duration, open_max: u64) {
        eprintln!("{} is frozen", self.members[which].id);
        self.members[which].instance.process.freeze();
        let until = tokio::time::Instant::now() + pause;
        self.give_while(open_max, |_| tokio::time::Instant::now() < until);
        let thawed_ms = Timestamp::now().as_millisecond();
        let member = &self.members[which];
        member.instance.process.thaw();
        let back_ms = wait_until(
            "a shard to be the frozen one's again",
            || member.instance.process.said_lines(),
            || {
                takeovers(&member.instance.process.said())
                    .map(|it| it.at_ms)
                    .find(|at_ms| *at_ms > thawed_ms)
            },
        );
        let posted = member.network.posted_at_ms();
        let disowned: Vec<_> = posted
            .iter()
            .filter(|at_ms| (thawed_ms..back_ms).contains(at_ms))
            .collect();
        assert!(
            disowned.is_empty(),
            "I12: {} sent at {disowned:?}, thawed at {thawed_ms}, owner at {back_ms}",
            member.id
        );
    }

    /// People give so many more, never more than `open_max` of them unanswered at a time.
    pub fn give(&mut self, count: u64, open_max: u64) {
        self.give_up_to(self.given + count, open_max);
    }

    /// The same, until so many were given in all.
    pub fn give_up_to(&mut self, total: u64, open_max: u64) {
        self.give_while(open_max, |given| given < total);
    }

    /// The same, as long as this holds of how many requests were given.
    pub fn give_while(&mut self, open_max: u64, mut goes_on: impl FnMut(u64) -> bool) {
        let mut patience = crate::support::Patience::new();
        while goes_on(self.given) {
            self.give_some(open_max);
            assert!(
                !patience.is_over(self.trial.follower.count()),
                "nobody is answered any more"
            );
        }
    }

    /// People give as long as there is room; else a moment passes.
    pub fn give_some(&mut self, open_max: u64) {
        let open = self.trial.crowd.unanswered(&self.trial.follower.seen());
        let room = open_max.saturating_sub(open).min(50);
        if room < 10 {
            return std::thread::sleep(LOOK_EVERY);
        }
        self.trial.crowd.give(room as usize);
        self.given += room;
    }

    /// People give until this one has taken shards over, and is given no more of them.
    pub fn give_until_it_owns(&mut self, which: usize, open_max: u64) {
        let (members, wanted) = (self.members.len(), PARTITIONS as usize / self.members.len());
        assert!(which < members);
        loop {
            let until = self.given + 20;
            self.give_while(open_max, |given| given < until);
            let said = self.members[which].instance.process.said();
            if takeovers(&said).count() >= wanted {
                return;
            }
        }
    }

    /// All takeovers so far, of everybody.
    pub fn takeovers(&self) -> Vec<Takeover> {
        let running = self
            .members
            .iter()
            .map(|member| member.instance.process.said());
        let said: Vec<_> = running.chain(self.parted.iter().cloned()).collect();
        let mut all: Vec<_> = said.iter().flat_map(|said| takeovers(said)).collect();
        all.sort_by_key(|it| it.at_ms);
        all
    }
}

/// The shards that one who said this has taken over.
fn takeovers(said: &str) -> impl Iterator<Item = Takeover> {
    said.lines().filter_map(|line| {
        let line: serde_json::Value = serde_json::from_str(line).ok()?;
        let at: Timestamp = line["timestamp"].as_str()?.parse().ok()?;
        let shard = line["shard"].as_str().and_then(|it| it.parse().ok());
        (line["message"] == "shard taken over").then_some(Takeover {
            shard: shard?,
            at_ms: at.as_millisecond(),
        })
    })
}

fn say_left_out() {
    static SAID: Once = Once::new();
    SAID.call_once(|| {
        // Past the capture of what a test prints.
        let _ = writeln!(
            std::io::stderr(),
            "left out: every test in cluster::*, since ALMONER_KAFKA and ALMONER_CASSANDRA name no real servers; \
             tests/run.sh cluster runs them"
        );
    });
}
