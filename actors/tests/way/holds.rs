//! Suspected doubles: who is asked, and what an answer does.

use std::time::Duration;

use almoner_actors::memory::Plan;
use almoner_domain::request::Request;

use crate::faults::Fault;
use crate::support::{
    ASKED, Durable, Instance, START_MS, SUCCEEDED, donate, hold_answer, id, settings, story,
};

const LAPSED: &str = "donation.cancelled duplicate_expired";
const DECLINED: &str = "donation.cancelled duplicate_declined";
const ANSWERED: &str = "request.rejected already_answered";

/// Two donations alike, of which the second is held.
async fn held(durable: &Durable) -> Instance {
    let mut instance = Instance::start(durable);
    instance.donate(1, "ann", 500);
    instance.donate(2, "ann", 500);
    instance.until_committed(2).await;
    assert_eq!(instance.events_of(id(2)), [ASKED]);
    instance
}

/// A quarter of an hour passes on a quiet partition.
async fn quiet_quarter(instance: &mut Instance) {
    for _ in 0..35 {
        instance.pass(Duration::from_secs(30)).await;
        instance.at_end();
    }
}

#[test]
fn a_double_click_is_asked_and_its_answer_counts_once() {
    story(async || {
        let durable = Durable::plain();
        let mut instance = Instance::start(&durable);
        instance.donate(1, "ann", 500);
        instance.donate(2, "ann", 500);
        instance.donate(3, "ann", 500);
        instance.until_committed(3).await;
        assert_eq!(instance.events_of(id(2)), [ASKED]);
        instance.confirm(2, "ann");
        instance.cancel(3, "ann");
        instance.confirm(3, "ann");
        instance.confirm(2, "bob");
        instance.confirm(9, "ann");
        instance.until_committed(8).await;
        let wrong_user = "request.rejected wrong_user";
        assert_eq!(instance.events_of(id(2)), [ASKED, SUCCEEDED, wrong_user]);
        assert_eq!(instance.events_of(id(3)), [ASKED, DECLINED, ANSWERED]);
        assert_eq!(instance.events_of(id(9)), ["request.rejected not_found"]);
        assert_eq!(durable.gateway.charges(), 2);
        instance.settled().await;
    });
}

#[test]
fn a_hold_without_an_answer_lapses_on_a_quiet_partition() {
    story(async || {
        let durable = Durable::plain();
        let mut instance = held(&durable).await;
        instance.next_offset += 1; // the log ends with a marker, which is no record
        quiet_quarter(&mut instance).await;
        instance.until_last(2, LAPSED).await;
        assert_eq!(durable.gateway.charges(), 1);
        instance.cancel(2, "ann");
        instance.settled().await;
        assert_eq!(
            instance.events_of(id(2)),
            [ASKED, LAPSED, "request.rejected too_late"]
        );
    });
}

#[test]
fn a_wrong_answer_leaves_the_hold_as_it_was() {
    story(async || {
        let durable = Durable::plain();
        let mut instance = held(&durable).await;
        instance.confirm(2, "bob");
        instance.until_committed(3).await;
        quiet_quarter(&mut instance).await;
        instance.until_last(2, LAPSED).await;
        instance.settled().await;
    });
}

#[test]
fn an_answer_to_a_donation_that_is_not_held_leaves_it_pending() {
    story(async || {
        let durable = Durable::at_first(9, Plan::LoseRequest);
        let mut instance = Instance::start(&durable);
        instance.donate(1, "ann", 500);
        instance.until_committed(1).await;
        instance.confirm(1, "ann");
        instance.cancel(1, "ann");
        instance.until_committed(3).await;
        let not_held = "request.rejected not_held";
        let pending = "donation.pending unknown";
        assert_eq!(instance.events_of(id(1)), [pending, not_held, not_held]);
        instance.until_last(1, SUCCEEDED).await;
        instance.settled().await;
    });
}

#[test]
fn answers_to_a_donation_in_flight_are_heard_when_it_has_come_down() {
    story(async || {
        let durable = Durable::counted(|n, _| if n == 2 { Plan::Hang } else { Plan::Execute });
        let mut instance = held(&durable).await;
        instance.confirm(2, "ann");
        instance.until_calls(2).await;
        instance.confirm(2, "ann");
        instance.cancel(2, "ann");
        instance.donate(2, "ann", 500);
        instance.pass(Duration::from_secs(3)).await;
        assert_eq!(instance.events_of(id(2)), [ASKED]);
        durable.gateway.let_go();
        instance.settled().await;
        let told = [ASKED, SUCCEEDED, ANSWERED, ANSWERED, SUCCEEDED];
        assert_eq!(instance.events_of(id(2)), told);
        assert_eq!(durable.gateway.charges(), 2);
    });
}

#[test]
fn the_winning_answer_read_again_is_told_its_outcome_again() {
    story(async || {
        let durable = Durable::plain();
        let mut instance = held(&durable).await;
        durable.faults.plan(|touch| match touch.port {
            "mark" => Fault::Refuse, // nothing more is committed
            _ => Fault::None,
        });
        instance.cancel(2, "ann");
        instance.confirm(2, "ann");
        instance.until_last(2, ANSWERED).await;
        let durable = instance.die();
        durable.faults.stop();
        let mut instance = Instance::start_with(&durable, settings(), durable.log(4));
        assert_eq!(instance.next_offset, 2);
        instance.cancel(2, "ann");
        instance.confirm(2, "ann");
        instance.settled().await;
        let told = [ASKED, DECLINED, ANSWERED, DECLINED, ANSWERED];
        assert_eq!(instance.events_of(id(2)), told);
        assert_eq!(durable.gateway.charges(), 1);
    });
}

#[test]
fn an_answer_counts_by_its_record_however_late_it_is_read() {
    story(async || {
        let durable = Durable::plain();
        let mut instance = Instance::start(&durable);
        let minute = 60_000;
        instance.backlog(&[
            (START_MS, Request::Donate(donate(1, "ann", 500))),
            (START_MS + 1, Request::Donate(donate(2, "ann", 500))),
            (START_MS + 2, Request::Donate(donate(3, "ann", 500))),
            (
                START_MS + 14 * minute,
                Request::Confirm(hold_answer(2, "ann")),
            ),
            (
                START_MS + 16 * minute,
                Request::Confirm(hold_answer(3, "ann")),
            ),
        ]);
        instance.settled().await;
        assert_eq!(instance.events_of(id(2)), [ASKED, SUCCEEDED]);
        let mut events = instance.events_of(id(3));
        events.sort();
        assert_eq!(events, [LAPSED, ASKED, "request.rejected too_late"]);
        assert_eq!(durable.gateway.charges(), 2);
    });
}

#[test]
fn in_a_backlog_doubles_are_judged_by_their_records() {
    story(async || {
        let durable = Durable::plain();
        let mut instance = Instance::start(&durable);
        instance.backlog(&[(START_MS, Request::Donate(donate(1, "ann", 500)))]);
        instance.until_committed(1).await;
        instance.backlog(&[
            (START_MS + 50_000, Request::Donate(donate(2, "ann", 500))),
            (START_MS + 200_000, Request::Donate(donate(3, "bob", 500))),
        ]);
        instance.until_committed(3).await;
        assert_eq!(instance.events_of(id(2)), [ASKED]);
        instance.cancel(2, "ann");
        instance.backlog(&[(START_MS + 400_000, Request::Donate(donate(4, "bob", 500)))]);
        instance.settled().await;
        assert_eq!(instance.events_of(id(4)), [SUCCEEDED], "minutes apart");
    });
}

#[test]
fn a_confirmed_hold_goes_through_the_limits_and_the_campaigns_checks() {
    story(async || {
        let durable = Durable::plain();
        let mut instance = Instance::start_with(
            &durable,
            almoner_actors::world::Settings {
                user_per_minute_max: 1,
                ..settings()
            },
            durable.log(0),
        );
        instance.donate(1, "ann", 500);
        instance.donate(2, "ann", 500);
        instance.until_committed(2).await;
        instance.confirm(2, "ann");
        instance.settled().await;
        let blocked = "donation.failed velocity_blocked";
        assert_eq!(instance.events_of(id(2)), [ASKED, blocked]);
        assert_eq!(durable.gateway.charges(), 1);
    });
}
