//! A world whose promises are watched: people give, something dies, and what was promised is checked.

use almoner::store::sqlite::Books;

use crate::crowd::Crowd;
use crate::promises::{Broken, Facts, broken, broken_at_rest};
use crate::support::{
    Broker, Follower, Instance, PARTITIONS, Process, World, ignoring_file_limits,
};

/// Chooses traffic and moments; by default each run has its own.
const SEED: &str = "ALMONER_CRASH_SEED";

/// See the file's head. Dropped in a panic, it says how to see the same again.
pub struct Trial {
    pub world: World,
    pub follower: Follower,
    pub crowd: Crowd,
    seed: u64,
    group_id: String,
    groups: u32,
}

impl Trial {
    /// A gateway with these arguments and nobody who has given yet.
    pub fn new(gateway_args: &[&str]) -> Self {
        Self::on(Broker::usual(PARTITIONS), gateway_args)
    }

    /// The same on this broker.
    pub fn on(broker: Broker, gateway_args: &[&str]) -> Self {
        Self::of(gateway_args, |args| World::on(broker, args))
    }

    /// The same in this world, which is given the gateway's arguments.
    pub fn of(gateway_args: &[&str], world: impl FnOnce(&[&str]) -> World) -> Self {
        let own = u64::from(std::process::id());
        let seed = std::env::var(SEED).map_or(own, |seed| seed.parse().unwrap());
        let seed_text = seed.to_string();
        let world = world(&[gateway_args, &["--seed", &seed_text]].concat());
        Self {
            follower: world.follower(),
            crowd: Crowd::new(&world, seed),
            group_id: world.broker.group_id().to_owned(),
            world,
            seed,
            groups: 0,
        }
    }

    /// Starts an instance, and waits until it says that it runs.
    pub fn start(&self) -> Instance {
        self.start_with(&[])
    }

    /// The same, with more configuration.
    pub fn start_with(&self, env: &[(&str, &str)]) -> Instance {
        let group = [("ALMONER__KAFKA__GROUP_ID", self.group_id.as_str())];
        self.world.start_with(&[], &[&group, env].concat())
    }

    /// Starts an instance that is told so when its files must not grow, and not ended; with more configuration.
    pub fn start_ignoring_file_limits(&self, env: &[(&str, &str)]) -> Instance {
        let mut command = self.world.command("run");
        command
            .env("ALMONER__KAFKA__GROUP_ID", &self.group_id)
            .envs(env.iter().copied());
        Instance::start(&mut ignoring_file_limits(&command))
    }

    /// Starts an instance, and does not wait.
    pub fn spawn(&self) -> Process {
        self.spawn_with(&[])
    }

    /// The same, with more configuration.
    pub fn spawn_with(&self, env: &[(&str, &str)]) -> Process {
        let group = [("ALMONER__KAFKA__GROUP_ID", self.group_id.as_str())];
        self.world.spawn(&[&group, env].concat())
    }

    /// Waits until some of what is open is answered, and some is not.
    pub fn wait_told_some(&mut self) {
        let open = self.crowd.unanswered(&self.follower.seen());
        let some = self.follower.count() + self.crowd.below(open / 2);
        self.follower
            .wait("some outcomes", |seen| (seen.count() >= some).then_some(()));
    }

    /// The next instance need not wait until the broker gives up the dead one's membership.
    pub fn broker_notices_the_death(&mut self) {
        self.groups += 1;
        let next = format!("{}-{}", self.world.broker.group_id(), self.groups);
        self.world.broker.hand_over(&self.group_id, &next);
        self.group_id = next;
    }

    /// What holds at every moment holds now. No instance runs. The answer is how many charges the gateway made that are
    /// not in the books yet.
    pub fn assert_kept(&self) -> u64 {
        let facts = self.facts();
        assert_none(&broken(&facts));
        facts.charged_and_not_booked()
    }

    /// Waits until everything is answered, ended and committed; users who are asked answer.
    pub fn wait_settled(&mut self) {
        let mut open = self.crowd.ids();
        self.follower
            .wait("every donation's end or question", |seen| {
                open.retain(|id| seen.end_of(*id).is_none() && !seen.is_question(*id));
                open.is_empty().then_some(())
            });
        self.crowd.answer_questions(&self.follower.seen());
        self.follower.wait_answered(&self.crowd.places());
        self.follower.wait_ended(&self.crowd.ids());
        self.world.broker.wait_committed_by(&self.group_id);
    }

    /// Waits until everything has settled, and stops the instance: every promise is kept, and the audit agrees.
    pub fn settle(&mut self, instance: Instance) {
        self.wait_settled();
        instance.stop();
        self.assert_kept_at_rest();
    }

    /// Every promise is kept, and the audit agrees. Everything has settled, and no instance runs.
    pub fn assert_kept_at_rest(&self) -> Facts {
        let facts = self.facts();
        assert_none(&broken_at_rest(&facts));
        self.world.assert_audit_agrees();
        facts
    }

    /// All that can be seen now. No instance runs.
    pub fn facts(&self) -> Facts {
        Facts::of(
            &self.world,
            &self.follower,
            self.crowd.asked(),
            &self.group_id,
        )
    }
}

impl Drop for Trial {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("to try the same traffic again: {SEED}={}", self.seed);
            self.show_open();
        }
    }
}

impl Trial {
    /// What is recorded of the donations that have no end yet.
    fn show_open(&self) {
        let Ok(books) = Books::open(&self.world.store()) else {
            return;
        };
        let seen = self.follower.seen();
        let ids = self.crowd.ids().into_iter();
        for id in ids.filter(|id| seen.end_of(*id).is_none()).take(10) {
            let told: Vec<_> = seen.of(id).map(|it| it.event_type.to_owned()).collect();
            eprintln!(
                "{id} is open; told {told:?}; recorded: {:?}",
                books.donation(id)
            );
        }
    }
}

fn assert_none(broken: &[Broken]) {
    let lines: Vec<_> = broken.iter().map(ToString::to_string).collect();
    assert!(lines.is_empty(), "not kept:\n{}", lines.join("\n"));
}
