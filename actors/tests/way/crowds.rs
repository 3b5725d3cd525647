//! Crowds before a gateway that takes little: who waits for whom, and how much is in flight, in virtual time.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use almoner_actors::memory::Plan;
use almoner_actors::ports::{Admission, GatewayCall, Intake};
use almoner_actors::world::Settings;
use almoner_domain::answer::Answer;
use almoner_domain::campaign::Status;
use almoner_domain::donation::Call;
use almoner_domain::ids::{CampaignId, DonationId};
use almoner_domain::request::{self, DonationRequest, Request};
use tokio::time::Instant;

use crate::faults::Fault;
use crate::support::{Durable, Instance, donate, id, settings, story};

/// Calls that reached the gateway, and when.
#[derive(Clone, Default)]
struct Calls(Arc<Mutex<Vec<(Instant, Call)>>>);

impl Calls {
    fn note(&self, call: &GatewayCall) {
        self.0
            .lock()
            .unwrap()
            .push((Instant::now(), call.call.clone()));
    }

    fn all(&self) -> Vec<(Instant, Call)> {
        self.0.lock().unwrap().clone()
    }

    /// The most within any second, of those that count.
    fn per_second_max(&self, counts: impl Fn(&Call) -> bool) -> usize {
        let mut calls = self.all();
        calls.retain(|(_, call)| counts(call));
        let within = |i: usize| {
            let end = calls[i].0 + Duration::from_secs(1);
            calls[i..].iter().take_while(|(at, _)| *at < end).count()
        };
        (0..calls.len()).map(within).max().unwrap_or(0)
    }

    fn since(&self, since: Instant) -> usize {
        self.all().iter().filter(|(at, _)| *at >= since).count()
    }
}

fn instance(durable: &Durable, change: impl FnOnce(&mut Settings)) -> Instance {
    let mut settings = settings();
    settings.in_flight_max = 4_096;
    settings.campaign_in_flight_max = 2_048;
    change(&mut settings);
    Instance::start_with(durable, settings, durable.log(0))
}

/// A gift of a user of its own.
fn gift(n: u32, campaign: &str) -> DonationRequest {
    let mut request = donate(n, &format!("user-{n}"), 500);
    request.campaign_id = CampaignId::parse(campaign).unwrap();
    request
}

/// Reads as much of the log as is taken, and goes on for a tenth of a second.
async fn read_on(instance: &mut Instance, log: &[DonationRequest]) {
    while let Some(asked) = log.get(instance.next_offset as usize) {
        let (at_ms, key) = (instance.world.clock.wall_ms(), asked.user_id.to_string());
        let value = request::encode(&Request::Donate(asked.clone()));
        let offset = instance.next_offset;
        if instance.offer(offset, at_ms, key.as_bytes(), &value) != Admission::Taken {
            break;
        }
        instance.next_offset += 1;
    }
    instance.intake.flush();
    instance.pass(Duration::from_millis(100)).await;
}

/// Reads the log until all of these have succeeded, and says how long that took.
async fn until_given(instance: &mut Instance, log: &[DonationRequest], wanted: &[u32]) -> Duration {
    let began = Instant::now();
    while !(wanted.iter()).all(|n| instance.durable.gateway.charges_of(id(*n)) == 1) {
        read_on(instance, log).await;
        assert!(began.elapsed() < Duration::from_secs(3_600));
    }
    began.elapsed()
}

/// Ten thousand of one campaign were before them, and the gateway takes fifty a second.
#[test]
fn ten_gifts_wait_beside_ten_thousand_of_a_viral_campaign_about_as_long_as_if_they_were_alone() {
    let ten: Vec<u32> = (10_001..=10_010).collect();
    let waited = |viral: u32| {
        let mut waited = Duration::ZERO;
        story(async || {
            let durable = Durable::plain();
            durable.put_campaign("viral", Status::Open);
            let mut instance = instance(&durable, |it| it.gateway_per_second_max = 50);
            let mut log: Vec<_> = (1..=viral).map(|n| gift(n, "viral")).collect();
            log.extend(ten.iter().map(|n| gift(*n, "camp")));
            waited = until_given(&mut instance, &log, &ten).await;
        });
        waited
    };
    let (alone, beside) = (waited(0), waited(10_000));
    // A second for reading ten thousand, and every other turn is the viral campaign's. In their order they would wait 40 s.
    let most = 2 * alone + Duration::from_secs(1);
    assert!(beside <= most, "{beside:?} beside, {alone:?} alone");
}

/// How long a gift a tenth of a second waits for its charge, on average and at worst, where so many of a viral campaign come
/// beside each. The gateway takes fifty a second.
fn waits(viral_beside: u32) -> (Duration, Duration) {
    const GIFTS: u32 = 600;
    let mut waits = Vec::new();
    story(async || {
        let durable = Durable::plain();
        durable.put_campaign("viral", Status::Open);
        let mut instance = instance(&durable, |it| it.gateway_per_second_max = 50);
        let (mut log, mut open) = (Vec::new(), Vec::new());
        for n in 1..=GIFTS {
            let first = GIFTS + n * viral_beside;
            log.extend((first..first + viral_beside).map(|n| gift(n, "viral")));
            log.push(gift(n, "camp"));
            open.push((id(n), Instant::now()));
            read_on(&mut instance, &log).await;
            let is_open = |(gift, asked_at): &(DonationId, Instant)| {
                let is_charged = instance.durable.gateway.charges_of(*gift) == 1;
                if is_charged {
                    waits.push(asked_at.elapsed());
                }
                !is_charged
            };
            open.retain(is_open);
        }
        assert!(open.len() < 10, "{} wait still", open.len());
    });
    let sum: Duration = waits.iter().sum();
    (sum / waits.len() as u32, waits.into_iter().max().unwrap())
}

/// A campaign that is nine tenths of all, at twice the gateway's budget for a minute.
#[test]
fn beside_a_campaign_of_nine_tenths_of_the_load_the_others_wait_no_more_than_twice_as_long() {
    let ((alone, alone_at_worst), (beside, beside_at_worst)) = (waits(0), waits(9));
    eprintln!(
        "alone {alone:?}, {alone_at_worst:?} at worst; beside {beside:?}, {beside_at_worst:?}"
    );
    assert!(beside <= 2 * alone, "{beside:?} beside, {alone:?} alone");
    assert!(beside_at_worst <= 2 * alone_at_worst);
}

/// No answer comes to what the viral campaign has on the wire.
#[test]
fn a_viral_campaign_of_which_nothing_comes_back_holds_up_nobody() {
    story(async || {
        let viral = CampaignId::parse("viral").unwrap();
        let durable = Durable::new(move |call| {
            if call.donation.request.campaign_id == viral {
                Plan::Hang
            } else {
                Plan::Execute
            }
        });
        durable.put_campaign("viral", Status::Open);
        let mut instance = instance(&durable, |it| {
            it.in_flight_max = 200;
            it.campaign_in_flight_max = 100;
        });
        let campaign = |n: u32| {
            if n.is_multiple_of(10) {
                "camp"
            } else {
                "viral"
            }
        };
        let log: Vec<_> = (1..=1_000).map(|n| gift(n, campaign(n))).collect();
        let others: Vec<u32> = (1..=1_000).filter(|n: &u32| n.is_multiple_of(10)).collect();
        let waited = until_given(&mut instance, &log, &others).await;
        assert!(waited < Duration::from_secs(5), "{waited:?}");
    });
}

/// It sends two thousand gifts at once, each another amount, to a gateway that takes a second for each.
#[test]
fn a_hostile_user_holds_up_nobody() {
    story(async || {
        let durable = Durable::plain();
        durable.faults.plan(|touch| match touch.port {
            "gateway" => Fault::AnswerAfterMs(1_000),
            _ => Fault::None,
        });
        let mut instance = instance(&durable, |it| it.in_flight_max = 100);
        let flood = |n: u32| match n % 100 {
            0 => gift(n, "camp"),
            _ => donate(n, "hostile", 500 + u64::from(n)),
        };
        let log: Vec<_> = (1..=2_000).map(flood).collect();
        let others: Vec<u32> = (1..=2_000)
            .filter(|n: &u32| n.is_multiple_of(100))
            .collect();
        let waited = until_given(&mut instance, &log, &others).await;
        assert!(waited < Duration::from_secs(5), "{waited:?}");
        instance.settled().await;
        assert!(durable.gateway.charges() < 40, "the rest is blocked");
    });
}

#[test]
fn a_slow_gateway_bounds_what_is_in_flight() {
    story(async || {
        let on_the_wire = Arc::new(Mutex::new((0_usize, 0_usize)));
        let seen = Arc::clone(&on_the_wire);
        let durable = Durable::plain();
        durable.faults.plan(move |touch| {
            if touch.port != "gateway" {
                return Fault::None;
            }
            let seen = Arc::clone(&seen);
            actix::spawn(async move {
                {
                    let mut counts = seen.lock().unwrap();
                    counts.0 += 1;
                    counts.1 = counts.1.max(counts.0);
                }
                tokio::time::sleep(Duration::from_millis(4_990)).await;
                seen.lock().unwrap().0 -= 1;
            });
            Fault::AnswerAfterMs(5_000)
        });
        let mut instance = instance(&durable, |it| {
            it.in_flight_max = 60;
            it.gateway_in_flight_max = 10;
        });
        let log: Vec<_> = (1..=300).map(|n| gift(n, "camp")).collect();
        let mut most = 0;
        while instance.committed() < 300 {
            read_on(&mut instance, &log).await;
            most = most.max(instance.world.credits.in_flight());
        }
        assert_eq!(most, 60);
        assert_eq!(on_the_wire.lock().unwrap().1, 10);
        instance.settled().await;
        assert_eq!(durable.gateway.charges(), 300);
    });
}

/// The account takes 40 a second and each endpoint 20: confirms do not wait for the creates' budget.
#[test]
fn limits_hold_per_account_and_endpoint_and_what_they_allow_is_used() {
    story(async || {
        let calls = Calls::default();
        let noted = calls.clone();
        let durable = Durable::new(move |call| {
            noted.note(call);
            match call.call {
                Call::Charge => Plan::Decline {
                    code: "processing_error",
                },
                _ => Plan::Execute,
            }
        });
        let mut instance = instance(&durable, |it| {
            it.gateway_per_second_max = 40;
            it.gateway_endpoint_per_second_max = 20;
        });
        let log: Vec<_> = (1..=1_000).map(|n| gift(n, "camp")).collect();
        for _ in 0..300 {
            read_on(&mut instance, &log).await;
        }
        let creates = |call: &Call| matches!(call, Call::Charge);
        // In one second from any moment: the rate, and the burst of a twentieth of it.
        assert!(calls.per_second_max(|_| true) <= 40 + 3);
        assert!(calls.per_second_max(creates) <= 20 + 2);
        assert!(calls.per_second_max(|it| !creates(it)) <= 20 + 2);
        let (all, confirms) = (calls.all().len(), durable.gateway.charges());
        assert!(confirms > 500, "of {all} calls {confirms} are confirms");
    });
}

/// Thirty a second come, and the gateway takes twenty. Of some the first answer is this one for a while: at first, and when
/// the queue is longer than a permission to send lives. They are taken on soon.
fn check_taken_on(first: Plan) {
    story(async || {
        let open: Arc<Mutex<BTreeMap<DonationId, Instant>>> = Arc::default();
        let waited: Arc<Mutex<Vec<Duration>>> = Arc::default();
        let (opening, taken_on) = (Arc::clone(&open), Arc::clone(&waited));
        let durable = Durable::counted(move |n, call| {
            let id = call.donation.request.id;
            let mut opening = opening.lock().unwrap();
            if let Some(at) = opening.remove(&id) {
                taken_on.lock().unwrap().push(at.elapsed());
            } else if n % 3 == 0 && (n <= 60 || (2_000..=2_060).contains(&n)) {
                opening.insert(id, Instant::now());
                return first.clone();
            }
            Plan::Execute
        });
        let mut instance = instance(&durable, |it| it.gateway_per_second_max = 20);
        let log: Vec<_> = (1..=4_500).map(|n| gift(n, "camp")).collect();
        for so_far in (3..=4_500).step_by(3) {
            read_on(&mut instance, &log[..so_far]).await;
        }
        assert!(open.lock().unwrap().is_empty());
        let waited = waited.lock().unwrap();
        let longest = waited.iter().max().unwrap();
        assert!(*longest < Duration::from_secs(20), "{longest:?}");
    });
}

#[test]
fn what_is_unknown_is_asked_for_under_a_flood_of_new_gifts() {
    check_taken_on(Plan::LoseAnswer);
}

#[test]
fn what_is_to_be_retried_is_tried_again_under_a_flood_of_new_gifts() {
    let code = "processing_error";
    check_taken_on(Plan::Decline { code });
}

/// A permission to send lives for 30 s, and the queue is 100 s long.
#[test]
fn what_waits_for_longer_than_its_permission_lives_costs_no_budget() {
    story(async || {
        let durable = Durable::plain();
        let mut instance = instance(&durable, |it| it.gateway_per_second_max = 20);
        let log: Vec<_> = (1..=2_000).map(|n| gift(n, "camp")).collect();
        let all: Vec<u32> = (1..=2_000).collect();
        let waited = until_given(&mut instance, &log, &all).await;
        assert!(waited < Duration::from_secs(120), "{waited:?}");
        instance.settled().await;
        assert_eq!(durable.gateway.charges(), 2_000);
    });
}

/// The gateway takes 25 a second for a minute, and 100 then.
#[test]
fn after_a_429_the_rate_falls_and_comes_back_when_the_gateway_does() {
    story(async || {
        let began = Instant::now();
        let calls = Calls::default();
        let (noted, mut refused) = (calls.clone(), 0_u32);
        let refusals = Arc::new(Mutex::new(0));
        let counted = Arc::clone(&refusals);
        let mut second = (0, 0);
        let durable = Durable::new(move |call| {
            noted.note(call);
            let now_s = began.elapsed().as_secs();
            second = if second.0 == now_s {
                (now_s, second.1 + 1)
            } else {
                (now_s, 1)
            };
            if now_s >= 60 || second.1 <= 25 {
                return Plan::Execute;
            }
            refused += 1;
            *counted.lock().unwrap() = refused;
            Plan::Say(Answer::RateLimited {
                retry_after_ms: None,
            })
        });
        let mut instance = instance(&durable, |it| it.gateway_per_second_max = 100);
        let log: Vec<_> = (1..=8_000).map(|n| gift(n, "camp")).collect();
        for _ in 0..600 {
            read_on(&mut instance, &log).await;
        }
        let (refused, executed) = (*refusals.lock().unwrap(), durable.gateway.charges());
        assert!(
            refused < 250,
            "of 6,000 that might have been sent {refused} were refused"
        );
        assert!(executed > 700, "of 1,500 that the gateway took {executed}");
        for _ in 0..200 {
            read_on(&mut instance, &log).await;
        }
        let recovered = Instant::now();
        for _ in 0..100 {
            read_on(&mut instance, &log).await;
        }
        let sent = calls.since(recovered);
        assert!(sent > 950, "{sent} in ten seconds of 100");
    });
}

/// The gateway is down for five minutes.
#[test]
fn while_the_gateway_is_down_a_few_probes_look_after_it_and_nothing_fails() {
    story(async || {
        let began = Instant::now();
        let calls = Calls::default();
        let noted = calls.clone();
        let durable = Durable::new(move |call| {
            noted.note(call);
            if began.elapsed() < Duration::from_secs(300) {
                Plan::Say(Answer::NotSent("planned".into()))
            } else {
                Plan::Execute
            }
        });
        let mut instance = instance(&durable, |_| {});
        let log: Vec<_> = (1..=500).map(|n| gift(n, "camp")).collect();
        while began.elapsed() < Duration::from_secs(299) {
            read_on(&mut instance, &log).await;
        }
        let sent = calls.all().len();
        assert!(sent < 520 + 3 * 20, "{sent} calls in five minutes");
        let wanted: Vec<u32> = (1..=500).collect();
        let waited = until_given(&mut instance, &log, &wanted).await;
        assert!(waited < Duration::from_secs(120), "{waited:?}");
        instance.settled().await;
        assert_eq!(durable.gateway.charges(), 500);
    });
}
