//! Campaigns whose actors are let go when they are not used, while donations come and go.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use almoner_actors::memory::Plan;
use almoner_actors::world::Settings;

use crate::faults::Fault;
use crate::support::{Durable, Instance, SUCCEEDED, id, settings, story};

const BLOCKED: &str = "donation.failed velocity_blocked";
const QUEUED: &str = "donation.pending queued";
/// Longer than an idle campaign is kept.
const LONG: Duration = Duration::from_secs(150);

/// So many charges of the campaign may be in flight, and one card a minute be declined.
fn start(durable: &Durable, campaign_in_flight_max: usize) -> Instance {
    let few = Settings {
        campaign_in_flight_max,
        campaign_declines_per_minute_max: 1,
        ..settings()
    };
    Instance::start_with(durable, few, durable.log(0))
}

/// Each comes about when the campaign is let go that the one before it used last: some before, some after. Were one judged
/// by two actors, one of them would have read the campaign for nothing; were the part of the one before not given back, it
/// would be queued.
#[test]
fn a_donation_that_comes_as_its_campaign_is_let_go_is_judged_once() {
    story(async || {
        const COUNT: u32 = 150;
        let durable = Durable::plain();
        let reads = Arc::new(AtomicU32::new(0));
        let counted = Arc::clone(&reads);
        durable.faults.plan(move |touch| match touch.port {
            "campaign" => {
                counted.fetch_add(1, Ordering::Relaxed);
                Fault::DelayMs(30)
            }
            "finish" => Fault::AnswerAfterMs(4_000),
            _ => Fault::None,
        });
        let mut instance = start(&durable, 1);
        for n in 1..=COUNT {
            instance.donate(n, &format!("user-{}", n % 7), 500);
            let step_ms = u64::from(n) * 73 % 11_000;
            instance
                .pass(Duration::from_millis(120_000 + step_ms))
                .await;
        }
        instance.settled().await;
        for n in 1..=COUNT {
            assert_eq!(instance.events_of(id(n)), [SUCCEEDED], "{n}");
            assert_eq!(durable.gateway.charges_of(id(n)), 1);
        }
        assert_eq!(reads.load(Ordering::Relaxed), COUNT);
    });
}

#[test]
fn what_a_campaign_has_in_flight_counts_however_long_it_takes() {
    story(async || {
        let durable = Durable::plain();
        durable
            .faults
            .first("finish", 1, Fault::AnswerAfterMs(400_000));
        let mut instance = start(&durable, 1);
        instance.donate(1, "ann", 500);
        for (n, user) in [(2, "bob"), (3, "eve")] {
            instance.pass(LONG).await;
            instance.donate(n, user, 500);
            instance.until_last(n, QUEUED).await;
        }
        assert_eq!(durable.gateway.charges(), 1);
        instance.settled().await;
        assert_eq!(durable.gateway.charges(), 3);
    });
}

/// The campaign cannot be read for minutes: then who waited and who came later are judged together.
#[test]
fn who_waits_for_a_campaign_keeps_its_actor() {
    story(async || {
        let durable = Durable::at_first(1, Plan::Hang);
        durable.faults.first("campaign", u32::MAX, Fault::Refuse);
        let mut instance = start(&durable, 1);
        instance.donate(1, "ann", 500);
        instance.pass(LONG).await;
        instance.donate(2, "bob", 500);
        instance.pass(Duration::from_secs(10)).await;
        durable.faults.stop();
        instance.until_calls(1).await;
        let [first, second] = [1, 2].map(|n| instance.events_of(id(n)));
        assert_eq!([&*first, &*second], [&[][..], &[QUEUED.to_owned()]]);
        durable.gateway.let_go();
        instance.settled().await;
        assert_eq!(durable.gateway.charges(), 2);
    });
}

/// Two cards are declined, which is told late; the pause that follows holds for its minute.
#[test]
fn a_pause_for_card_testing_outlasts_what_led_to_it() {
    story(async || {
        let code = "generic_decline";
        let durable = Durable::at_first(2, Plan::Decline { code });
        durable
            .faults
            .first("finish", 2, Fault::AnswerAfterMs(152_000));
        let mut instance = start(&durable, 2);
        instance.donate(1, "ann", 500);
        instance.donate(2, "bob", 500);
        let declined = "donation.failed card_declined";
        instance.until_last(2, declined).await;
        instance.pass(Duration::from_secs(15)).await;
        instance.donate(3, "eve", 500);
        instance.until_last(3, BLOCKED).await;
    });
}
