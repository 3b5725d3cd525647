use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use actix::fut::wrap_future;
use actix::{
    Actor, ActorContext, ActorFuture, ActorFutureExt, Addr, Arbiter, AsyncContext, Context,
    Handler, Message, ResponseActFuture, Supervised, System,
};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::{Policy, Report, start, start_in};

/// Where the actor panics.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Site {
    Nowhere,
    Handler,
    Started,
    RunLater,
    Spawned,
    Waited,
    Response,
    Restarting,
    Stopped,
}

#[derive(Default)]
struct Heard {
    numbers: RefCell<Vec<u32>>,
    started: Cell<u32>,
    restarting: Cell<u32>,
}

/// Panics once at its site, with two messages queued behind.
struct Probe {
    site: Site,
    heard: Rc<Heard>,
    crashed: Cell<bool>,
}

impl Probe {
    fn crash_at(&self, site: Site, ctx: &mut Context<Self>) {
        if self.site == site && !self.crashed.replace(true) {
            ctx.address().do_send(Say(2));
            ctx.address().do_send(Say(3));
            panic!("at {site:?}");
        }
    }
}

impl Actor for Probe {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        self.heard.started.set(self.heard.started.get() + 1);
        self.crash_at(Site::Started, ctx);
    }

    fn stopped(&mut self, ctx: &mut Self::Context) {
        self.crash_at(Site::Stopped, ctx);
    }
}

impl Supervised for Probe {
    fn restarting(&mut self, ctx: &mut Self::Context) {
        self.heard.restarting.set(self.heard.restarting.get() + 1);
        self.crash_at(Site::Restarting, ctx);
    }
}

macro_rules! message {
    ($name:ty => $result:ty) => {
        impl Message for $name {
            type Result = $result;
        }
    };
}

struct Say(u32);
message!(Say => ());

/// Goes to the site and crashes there.
struct Go;
message!(Go => ());

/// Crashes every time.
struct Poison;
message!(Poison => ());

/// Is answered by being dropped.
struct Held(#[expect(dead_code, reason = "its drop is seen by the other end")] oneshot::Sender<()>);
message!(Held => ());

struct Halt;
message!(Halt => ());

impl Handler<Say> for Probe {
    type Result = ();
    fn handle(&mut self, Say(number): Say, _: &mut Self::Context) {
        self.heard.numbers.borrow_mut().push(number);
    }
}

impl Handler<Go> for Probe {
    type Result = ResponseActFuture<Self, ()>;
    fn handle(&mut self, _: Go, ctx: &mut Self::Context) -> Self::Result {
        self.crash_at(Site::Handler, ctx);
        match self.site {
            Site::RunLater => {
                ctx.run_later(Duration::from_millis(5), |act, ctx| {
                    act.crash_at(Site::RunLater, ctx);
                });
            }
            Site::Spawned => {
                ctx.spawn(later().map(|(), act: &mut Self, ctx| act.crash_at(Site::Spawned, ctx)));
            }
            Site::Waited => {
                ctx.wait(later().map(|(), act: &mut Self, ctx| act.crash_at(Site::Waited, ctx)));
            }
            Site::Restarting => panic!("on the way to restarting"),
            _ => {}
        }
        Box::pin(later().map(|(), act: &mut Self, ctx| act.crash_at(Site::Response, ctx)))
    }
}

fn later() -> impl ActorFuture<Probe, Output = ()> {
    wrap_future(tokio::time::sleep(Duration::from_millis(1)))
}

impl Handler<Poison> for Probe {
    type Result = ();
    fn handle(&mut self, _: Poison, _: &mut Self::Context) {
        panic!("poison {}", 1);
    }
}

impl Handler<Held> for Probe {
    type Result = ();
    fn handle(&mut self, _: Held, _: &mut Self::Context) {}
}

impl Handler<Halt> for Probe {
    type Result = ();
    fn handle(&mut self, _: Halt, ctx: &mut Self::Context) {
        ctx.stop();
    }
}

/// Runs a story in virtual time, of which it may take an hour.
fn story(run: impl Future<Output = ()>) {
    let paused = || {
        tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap()
    };
    let deadline = Duration::from_secs(3_600);
    let story = async { tokio::time::timeout(deadline, run).await };
    let told = System::with_tokio_rt(paused).block_on(story);
    told.expect("the story came to its end");
}

/// A probe, what it heard, and the reports with the virtual time that they came at.
struct Watched {
    addr: Addr<Probe>,
    heard: Rc<Heard>,
    reports: UnboundedReceiver<(Duration, Report)>,
}

fn watch(site: Site, policy: &'static Policy) -> Watched {
    let heard = Rc::new(Heard::default());
    let (sender, reports) = unbounded_channel();
    let probe = Probe {
        site,
        heard: Rc::clone(&heard),
        crashed: Cell::new(false),
    };
    let addr = start(probe, policy, reporter(sender));
    Watched {
        addr,
        heard,
        reports,
    }
}

fn reporter(sender: UnboundedSender<(Duration, Report)>) -> impl Fn(Report) {
    let began = Instant::now();
    move |report| sender.send((began.elapsed(), report)).unwrap()
}

/// The reports up to the last one.
async fn reports(receiver: &mut UnboundedReceiver<(Duration, Report)>) -> Vec<(Duration, Report)> {
    let mut all = Vec::new();
    while let Some(report) = receiver.recv().await {
        all.push(report);
    }
    all
}

fn restarted(panic: &str, restarts: u32) -> Report {
    let panic = panic.to_owned();
    Report::Restarted { panic, restarts }
}

/// One message, then the crash with two messages queued behind, and no address left: all are heard, in order.
fn check(site: Site, expected: &[Report]) {
    story(async {
        let mut watched = watch(site, &Policy::ENTITY);
        watched.addr.do_send(Say(1));
        watched.addr.do_send(Go);
        drop(watched.addr);
        let seen = reports(&mut watched.reports).await;
        let seen: Vec<Report> = seen.into_iter().map(|(_, report)| report).collect();
        assert_eq!(seen, expected, "{site:?}");
        let heard = &watched.heard;
        let numbers = match site {
            Site::Nowhere | Site::Stopped => vec![1],
            _ => vec![1, 2, 3],
        };
        assert_eq!(*heard.numbers.borrow(), numbers, "{site:?}");
        let restarts = u32::try_from(expected.len()).unwrap() - 1;
        assert_eq!(heard.started.get(), restarts + 1, "{site:?}");
        let in_restarting = u32::from(site == Site::Restarting);
        assert_eq!(heard.restarting.get(), restarts + in_restarting, "{site:?}");
    });
}

#[test]
fn whatever_is_queued_behind_a_panic_is_handled_in_order() {
    check(Site::Nowhere, &[Report::Stopped]);
    for site in [
        Site::Handler,
        Site::Started,
        Site::RunLater,
        Site::Spawned,
        Site::Waited,
        Site::Response,
    ] {
        check(
            site,
            &[restarted(&format!("at {site:?}"), 1), Report::Stopped],
        );
    }
}

#[test]
fn a_panic_in_restarting_is_one_more_crash() {
    check(
        Site::Restarting,
        &[restarted("at Restarting", 2), Report::Stopped],
    );
}

#[test]
fn a_panic_in_the_last_words_is_an_end_all_the_same() {
    check(Site::Stopped, &[Report::Stopped]);
}

#[test]
fn an_actor_that_stops_is_not_restarted() {
    story(async {
        let mut watched = watch(Site::Nowhere, &Policy::ENTITY);
        watched.addr.do_send(Halt);
        let seen = reports(&mut watched.reports).await;
        assert_eq!(seen, [(Duration::ZERO, Report::Stopped)]);
        assert!(!watched.addr.connected());
    });
}

const FEW: Policy = Policy {
    restarts_max: 4,
    window: Duration::from_secs(10),
    backoff_first: Duration::from_millis(100),
    backoff_longest: Duration::from_millis(300),
};

#[test]
fn rests_grow_and_past_the_limit_the_actor_is_quarantined_with_what_was_queued() {
    story(async {
        let mut watched = watch(Site::Nowhere, &FEW);
        for _ in 0..5 {
            watched.addr.do_send(Poison);
        }
        let (held, released) = oneshot::channel();
        watched.addr.do_send(Held(held));
        let seen = reports(&mut watched.reports).await;
        let gone = Report::Quarantined {
            panic: "poison 1".to_owned(),
        };
        let rested: Vec<(u64, Report)> = [(100, 1), (300, 2), (600, 3), (900, 4)]
            .map(|(at_ms, restarts)| (at_ms, restarted("poison 1", restarts)))
            .into_iter()
            .chain([(900, gone)])
            .collect();
        assert_eq!(in_ms(seen), rested);
        assert!(released.await.is_err(), "what was queued must not be held");
        assert!(!watched.addr.connected());
        assert_eq!(watched.heard.started.get(), 5);
    });
}

/// tokio's timers have the grain of a millisecond and fire up to one late.
fn in_ms(seen: Vec<(Duration, Report)>) -> Vec<(u64, Report)> {
    let round = |at: Duration| u64::try_from(at.as_millis()).unwrap() / 100 * 100;
    seen.into_iter()
        .map(|(at, report)| (round(at), report))
        .collect()
}

#[test]
fn a_crash_now_and_then_never_quarantines() {
    story(async {
        let mut watched = watch(Site::Nowhere, &FEW);
        for _ in 0..20 {
            watched.addr.do_send(Poison);
            let (_, report) = watched.reports.recv().await.unwrap();
            assert_eq!(report, restarted("poison 1", 1));
            tokio::time::sleep(FEW.window).await;
        }
    });
}

#[test]
fn an_actor_is_started_on_an_arbiter_from_any_thread() {
    story(async {
        let arbiter = Arbiter::current();
        let (sender, mut receiver) = unbounded_channel();
        let far = std::thread::spawn(move || {
            let make = || Probe {
                site: Site::Handler,
                heard: Rc::default(),
                crashed: Cell::new(false),
            };
            let report = move |report| sender.send((Duration::ZERO, report)).unwrap();
            start_in(&arbiter, make, &Policy::ENTITY, report)
        });
        let addr = far.join().unwrap();
        addr.send(Say(1)).await.unwrap();
        assert!(addr.send(Go).await.is_err());
        drop(addr);
        let seen = reports(&mut receiver).await;
        assert_eq!(seen.len(), 2);
        assert_eq!(seen[0].1, restarted("at Handler", 1));
        assert_eq!(seen[1].1, Report::Stopped);
    });
}

#[test]
fn an_actor_that_cannot_be_made_is_reported() {
    story(async {
        let (sender, mut receiver) = unbounded_channel();
        let report = move |report| sender.send((Duration::ZERO, report)).unwrap();
        let make = || -> Probe { panic!("no probe") };
        let addr = start_in(&Arbiter::current(), make, &Policy::ENTITY, report);
        let panic = "no probe".to_owned();
        let seen = reports(&mut receiver).await;
        assert_eq!(seen, [(Duration::ZERO, Report::Quarantined { panic })]);
        assert!(!addr.connected());
    });
}

#[test]
fn every_policy_can_reach_its_quarantine() {
    for policy in [Policy::ENTITY, Policy::SHARD, Policy::SERVICE] {
        let rests = (1..=policy.restarts_max as usize).map(|crashes| policy.backoff(crashes));
        assert!(rests.sum::<Duration>() < policy.window, "{policy:?}");
        assert_eq!(policy.backoff(1), policy.backoff_first);
        assert_eq!(policy.backoff(usize::MAX), policy.backoff_longest);
    }
}
