//! What bounds the work: limits of users and campaigns, the queue, and what stops the intake and starts it again.

use std::time::Duration;

use almoner_actors::memory::Plan;
use almoner_actors::ports::Intake;
use almoner_actors::world::Settings;
use almoner_domain::campaign::CampaignChange;
use almoner_domain::ids::CampaignId;

use crate::faults::Fault;
use crate::support::{ASKED, Durable, Instance, SUCCEEDED, id, settings, story};

const BLOCKED: &str = "donation.failed velocity_blocked";
const QUEUED: &str = "donation.pending queued";

fn start(durable: &Durable, change: impl FnOnce(&mut Settings)) -> Instance {
    let mut settings = settings();
    change(&mut settings);
    Instance::start_with(durable, settings, durable.log(0))
}

#[test]
fn more_than_eight_of_a_user_do_not_wait() {
    story(async || {
        let durable = Durable::at_first(1, Plan::Hang);
        let mut instance = Instance::start(&durable);
        for n in 1..=10 {
            instance.donate(n, "ann", 500 + u64::from(n));
        }
        instance.until_last(10, BLOCKED).await;
        durable.gateway.let_go();
        instance.settled().await;
        assert_eq!(durable.gateway.charges(), 9);
    });
}

#[test]
fn more_than_three_of_a_user_are_not_held() {
    story(async || {
        let durable = Durable::plain();
        let mut instance = Instance::start(&durable);
        for n in 1..=5 {
            instance.donate(n, "ann", 500);
        }
        instance.until_committed(5).await;
        assert_eq!(instance.events_of(id(4)), [ASKED]);
        assert_eq!(instance.events_of(id(5)), [BLOCKED]);
        for n in 2..=4 {
            instance.cancel(n, "ann");
        }
        instance.settled().await;
    });
}

#[test]
fn what_waits_for_its_users_turn_for_long_becomes_pending() {
    story(async || {
        let durable = Durable::at_first(1, Plan::Hang);
        let mut instance = Instance::start(&durable);
        for n in 1..=3 {
            instance.donate(n, "ann", 500 + u64::from(n));
        }
        instance.donate(4, "ann", 501);
        instance.until_last(4, ASKED).await;
        instance.confirm(4, "ann");
        instance.pass(Duration::from_secs(40)).await;
        assert_eq!(instance.committed(), 0, "the first one is on the wire");
        for n in [2, 3] {
            assert_eq!(instance.events_of(id(n)), [QUEUED]);
        }
        assert_eq!(instance.events_of(id(4)), [ASKED, QUEUED]);
        assert_eq!(durable.gateway.calls(), 1);
        durable.gateway.let_go();
        instance.settled().await;
        assert_eq!(durable.gateway.charges(), 4);
    });
}

#[test]
fn a_campaign_with_too_much_in_flight_queues_and_its_queue_costs_it_no_limit() {
    story(async || {
        let durable = Durable::at_first(2, Plan::Hang);
        let mut instance = start(&durable, |settings| {
            settings.campaign_in_flight_max = 2;
            settings.campaign_per_minute_max = 3;
        });
        for (n, user) in [(1, "ann"), (2, "bob"), (3, "eve")] {
            instance.donate(n, user, 500);
        }
        instance.until_last(3, QUEUED).await;
        instance.pass(Duration::from_secs(25)).await;
        assert_eq!(durable.gateway.calls(), 2);
        durable.gateway.let_go();
        instance.settled().await;
        assert_eq!(durable.gateway.charges(), 3);
    });
}

#[test]
fn a_crash_of_users_costs_their_campaign_nothing() {
    story(async || {
        let durable = Durable::plain();
        let mut instance = start(&durable, |settings| settings.campaign_in_flight_max = 1);
        for (n, user) in [(1, "ann"), (2, "bob"), (3, "eve")] {
            durable.faults.first("accept", 2, Fault::Panic);
            instance.donate(n, user, 500);
            instance.settled().await;
            assert_eq!(instance.events_of(id(n)), [SUCCEEDED]);
        }
    });
}

#[test]
fn at_pending_max_nothing_is_taken_in_until_there_is_room() {
    story(async || {
        let durable = Durable::at_first(9, Plan::LoseRequest);
        let mut instance = start(&durable, |settings| settings.pending_max = 1);
        instance.donate(1, "ann", 500);
        instance.until_last(1, "donation.pending unknown").await;
        assert!(!instance.intake.has_credit());
        instance.until_last(1, SUCCEEDED).await;
        instance.until("room", |it| it.intake.has_credit()).await;
    });
}

#[test]
fn at_unknown_max_nothing_is_taken_in_and_a_lost_shard_stops_nobody() {
    story(async || {
        let durable = Durable::at_first(9, Plan::LoseRequest);
        let mut instance = start(&durable, |settings| settings.unknown_max = 1);
        instance.donate(1, "ann", 500);
        instance.until_last(1, "donation.pending unknown").await;
        assert!(!instance.world.credits.available());
        let credits = std::sync::Arc::clone(&instance.world);
        instance.hand_over().await;
        assert!(credits.credits.available());
    });
}

/// Their answers come through the intake, and stream time, by which they lapse, goes on with it.
#[test]
fn held_donations_do_not_stop_the_intake() {
    story(async || {
        let durable = Durable::plain();
        let mut instance = start(&durable, |settings| settings.pending_max = 1);
        for n in 1..=3 {
            instance.donate(n, "ann", 500);
        }
        instance.until_committed(3).await;
        assert!(instance.intake.has_credit());
        instance.cancel(2, "ann");
        instance.confirm(3, "ann");
        instance.settled().await;
    });
}

#[test]
fn an_open_breaker_stops_the_intake_and_closes_again() {
    story(async || {
        let durable = Durable::at_first(40, Plan::LoseRequest);
        let mut instance = Instance::start(&durable);
        for n in 1..=20 {
            instance.donate(n, &format!("user-{n}"), 500);
        }
        instance.until("open", |it| !it.intake.has_credit()).await;
        instance.settled().await;
        instance.until("closed", |it| it.intake.has_credit()).await;
        assert_eq!(durable.gateway.charges(), 20);
    });
}

#[test]
fn hundreds_of_pending_donations_of_one_user_do_not_keep_others_from_their_turn() {
    story(async || {
        let mut bobs = 0;
        let durable = Durable::new(move |call| {
            bobs += u32::from(call.donation.request.user_id.as_str() == "bob");
            match call.donation.request.user_id.as_str() {
                "bob" if bobs <= 9 => Plan::LoseRequest,
                "bob" => Plan::Execute,
                _ => Plan::Hang,
            }
        });
        let mut instance = start(&durable, |settings| settings.user_waiting_max = 1_000);
        for n in 1..=400 {
            instance.donate(n, "ann", 500 + u64::from(n));
        }
        instance.pass(Duration::from_secs(120)).await;
        instance.donate(1_000, "bob", 500);
        instance.until_last(1_000, SUCCEEDED).await;
    });
}

#[test]
fn a_campaign_that_cannot_be_read_keeps_its_donations_waiting() {
    story(async || {
        let durable = Durable::plain();
        durable.faults.first("campaign", 2_000, Fault::Refuse);
        let mut instance = Instance::start(&durable);
        instance.donate(1, "ann", 500);
        instance.pass(Duration::from_secs(300)).await;
        assert_eq!(instance.outcomes(), []);
        durable.faults.stop();
        instance.settled().await;
        assert_eq!(instance.events_of(id(1)), [SUCCEEDED]);
    });
}

#[test]
fn a_campaign_that_closes_is_seen_within_its_ttl_also_when_a_reading_fails() {
    story(async || {
        let durable = Durable::plain();
        let mut instance = Instance::start(&durable);
        instance.donate(1, "ann", 500);
        instance.until_committed(1).await;
        use almoner_actors::ports::{Done, Store};
        let campaign_id = CampaignId::parse("camp").unwrap();
        durable
            .store
            .put_campaign(CampaignChange::Closed(campaign_id), Done::new(|_| {}));
        instance.pass(Duration::from_secs(31)).await;
        durable.faults.first("campaign", 2, Fault::Refuse);
        instance.donate(2, "bob", 500);
        instance.settled().await;
        assert_eq!(
            instance.events_of(id(2)),
            ["donation.failed campaign_closed"]
        );
    });
}
