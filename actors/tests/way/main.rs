//! The way of one donation through the actors, as stories in virtual time: everything in memory, nothing mocked of our
//! own code.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use almoner_actors::memory::Plan;
use almoner_actors::ports::LogRange;
use almoner_domain::answer::Answer;
use almoner_domain::donation::Call;
use almoner_domain::request::Request;

use support::{Durable, Instance, donate, hold_answer, id, story};

const SUCCEEDED: &str = "donation.succeeded";

#[test]
fn a_donation_is_charged_once_told_and_committed() {
    story(async || {
        let durable = Durable::new(|_| Plan::Execute);
        let mut instance = Instance::start(&durable);
        instance.publish(&Request::Donate(donate(1, "ann", 500)));
        instance.until("committed", |it| it.committed() == 1).await;
        assert_eq!(instance.events_of(id(1)), [SUCCEEDED]);
        assert_eq!(durable.gateway.charges_of(id(1)), 1);
        assert_eq!(instance.world.credits.in_flight(), 0);
    });
}

#[test]
fn a_repeat_is_told_the_same_and_charges_nothing() {
    story(async || {
        let durable = Durable::new(|_| Plan::Execute);
        let mut instance = Instance::start(&durable);
        for _ in 0..3 {
            instance.publish(&Request::Donate(donate(1, "ann", 500)));
        }
        instance.until("committed", |it| it.committed() == 3).await;
        instance.publish(&Request::Donate(donate(1, "ann", 500)));
        instance.until("committed", |it| it.committed() == 4).await;
        let offsets: Vec<i64> = instance.outcomes().iter().map(|seen| seen.offset).collect();
        assert_eq!(offsets, [0, 1, 2, 3]);
        assert_eq!(instance.events_of(id(1)), [SUCCEEDED; 4]);
        assert_eq!(durable.gateway.charges_of(id(1)), 1);
    });
}

#[test]
fn the_same_id_with_other_content_is_rejected() {
    story(async || {
        let durable = Durable::new(|_| Plan::Execute);
        let mut instance = Instance::start(&durable);
        instance.publish(&Request::Donate(donate(1, "ann", 500)));
        instance.until("committed", |it| it.committed() == 1).await;
        instance.publish(&Request::Donate(donate(1, "ann", 600)));
        instance.until("committed", |it| it.committed() == 2).await;
        assert_eq!(
            instance.events_of(id(1)),
            [SUCCEEDED, "request.rejected id_reused"]
        );
        assert_eq!(durable.gateway.charges_of(id(1)), 1);
    });
}

#[test]
fn a_double_click_is_asked_and_its_answer_counts_once() {
    story(async || {
        let durable = Durable::new(|_| Plan::Execute);
        let mut instance = Instance::start(&durable);
        instance.publish(&Request::Donate(donate(1, "ann", 500)));
        instance.publish(&Request::Donate(donate(2, "ann", 500)));
        instance.publish(&Request::Donate(donate(3, "ann", 500)));
        instance.until("both asked", |it| it.committed() == 3).await;
        assert_eq!(instance.events_of(id(2)), ["donation.needs_confirmation"]);
        instance.publish(&Request::Confirm(hold_answer(2, "ann")));
        instance.publish(&Request::Cancel(hold_answer(3, "ann")));
        instance.publish(&Request::Confirm(hold_answer(3, "ann")));
        instance.publish(&Request::Confirm(hold_answer(2, "bob")));
        instance.publish(&Request::Confirm(hold_answer(9, "ann")));
        instance.until("answered", |it| it.committed() == 8).await;
        assert_eq!(
            instance.events_of(id(2)),
            [
                "donation.needs_confirmation",
                SUCCEEDED,
                "request.rejected wrong_user"
            ]
        );
        assert_eq!(
            instance.events_of(id(3)),
            [
                "donation.needs_confirmation",
                "donation.cancelled duplicate_declined",
                "request.rejected already_answered"
            ]
        );
        assert_eq!(instance.events_of(id(9)), ["request.rejected not_found"]);
        assert_eq!(durable.gateway.charges(), 2);
    });
}

#[test]
fn a_hold_without_an_answer_lapses() {
    story(async || {
        let durable = Durable::new(|_| Plan::Execute);
        let mut instance = Instance::start(&durable);
        instance.publish(&Request::Donate(donate(1, "ann", 500)));
        instance.publish(&Request::Donate(donate(2, "ann", 500)));
        instance.until("asked", |it| it.committed() == 2).await;
        for _ in 0..40 {
            tokio::time::sleep(std::time::Duration::from_secs(30)).await;
            let now_ms = instance.world.clock.wall_ms();
            use almoner_actors::ports::Intake;
            instance
                .intake
                .at_end(support::SHARD, instance.next_offset, now_ms);
        }
        let lapsed = "donation.cancelled duplicate_expired";
        instance
            .until("lapsed", |it| {
                it.events_of(id(2))
                    .last()
                    .is_some_and(|last| last == lapsed)
            })
            .await;
        assert_eq!(durable.gateway.charges(), 1);
    });
}

#[test]
fn an_unknown_campaign_a_closed_one_and_a_wrong_amount_are_refused_before_any_charge() {
    story(async || {
        let durable = Durable::new(|_| Plan::Execute);
        let mut instance = Instance::start(&durable);
        for (n, campaign, amount) in [(1, "nobody", 5), (2, "shut", 5), (3, "camp", 1_000_001)] {
            let mut request = donate(n, "ann", amount);
            request.campaign_id = almoner_domain::ids::CampaignId::parse(campaign).unwrap();
            instance.publish(&Request::Donate(request));
        }
        instance.until("committed", |it| it.committed() == 3).await;
        assert_eq!(
            instance.events_of(id(1)),
            ["donation.failed campaign_not_found"]
        );
        assert_eq!(
            instance.events_of(id(2)),
            ["donation.failed campaign_closed"]
        );
        assert_eq!(
            instance.events_of(id(3)),
            ["donation.failed amount_out_of_bounds"]
        );
        assert_eq!(durable.gateway.calls(), 0);
    });
}

#[test]
fn a_lost_answer_is_asked_with_the_same_key() {
    story(async || {
        let mut lost = 0;
        let durable = Durable::new(move |_| {
            lost += 1;
            if lost <= 3 {
                Plan::LoseAnswer
            } else {
                Plan::Execute
            }
        });
        let mut instance = Instance::start(&durable);
        instance.publish(&Request::Donate(donate(1, "ann", 500)));
        instance
            .until("told", |it| {
                it.events_of(id(1))
                    .last()
                    .is_some_and(|last| last == SUCCEEDED)
            })
            .await;
        assert_eq!(durable.gateway.charges_of(id(1)), 1);
        instance.until("committed", |it| it.committed() == 1).await;
    });
}

#[test]
fn a_long_outage_makes_it_pending_and_then_it_succeeds() {
    story(async || {
        let mut calls = 0;
        let durable = Durable::new(move |_| {
            calls += 1;
            if calls <= 9 {
                Plan::LoseRequest
            } else {
                Plan::Execute
            }
        });
        let mut instance = Instance::start(&durable);
        instance.publish(&Request::Donate(donate(1, "ann", 500)));
        instance.until("pending", |it| it.committed() == 1).await;
        assert_eq!(instance.events_of(id(1)), ["donation.pending unknown"]);
        assert_eq!(instance.world.credits.in_flight(), 0);
        instance
            .until("told", |it| {
                it.events_of(id(1))
                    .last()
                    .is_some_and(|last| last == SUCCEEDED)
            })
            .await;
        assert_eq!(durable.gateway.charges_of(id(1)), 1);
    });
}

#[test]
fn soft_declines_are_confirmed_again_until_the_attempts_are_exhausted() {
    story(async || {
        let durable = Durable::new(|call| match call.call {
            Call::Charge | Call::Confirm { .. } => Plan::Decline {
                code: "processing_error",
            },
            _ => Plan::Execute,
        });
        let mut instance = Instance::start(&durable);
        instance.publish(&Request::Donate(donate(1, "ann", 500)));
        let last = "donation.failed attempts_exhausted";
        instance
            .until("failed", |it| {
                it.events_of(id(1)).last().is_some_and(|it| it == last)
            })
            .await;
        assert_eq!(durable.gateway.charges(), 0);
        assert_eq!(
            durable.gateway.calls(),
            6,
            "a charge, four confirms, a cancel"
        );
    });
}

#[test]
fn one_users_charges_go_one_at_a_time_and_others_pass() {
    story(async || {
        let durable = Durable::new(|call| match call.donation.request.user_id.as_str() {
            "ann" => Plan::Hang,
            _ => Plan::Execute,
        });
        let mut instance = Instance::start(&durable);
        instance.publish(&Request::Donate(donate(1, "ann", 500)));
        instance.publish(&Request::Donate(donate(2, "ann", 600)));
        instance.publish(&Request::Donate(donate(3, "bob", 700)));
        instance
            .until("bob", |it| it.events_of(id(3)) == [SUCCEEDED])
            .await;
        assert_eq!(durable.gateway.calls(), 2, "ann's first and bob's");
        durable.gateway.let_go();
        instance
            .until("ann's second is sent", |_| durable.gateway.calls() == 3)
            .await;
        durable.gateway.let_go();
        instance.until("committed", |it| it.committed() == 3).await;
    });
}

#[test]
fn what_was_in_flight_at_a_crash_is_taken_over_with_the_same_key() {
    story(async || {
        let mut calls = 0;
        let durable = Durable::new(move |_| {
            calls += 1;
            if calls == 1 {
                Plan::Hang
            } else {
                Plan::Execute
            }
        });
        let mut instance = Instance::start(&durable);
        instance.publish(&Request::Donate(donate(1, "ann", 500)));
        instance
            .until("on the wire", |_| durable.gateway.calls() == 1)
            .await;
        let durable = instance.die();
        let mut instance = Instance::start(&durable);
        instance.publish(&Request::Donate(donate(1, "ann", 500)));
        instance.until("committed", |it| it.committed() == 1).await;
        durable.gateway.let_go();
        instance
            .until("told", |it| it.events_of(id(1)) == [SUCCEEDED])
            .await;
        assert_eq!(durable.gateway.charges_of(id(1)), 1);
    });
}

#[test]
fn what_the_log_has_lost_is_finished_from_the_store() {
    story(async || {
        let mut calls = 0;
        let durable = Durable::new(move |_| {
            calls += 1;
            if calls == 1 {
                Plan::Hang
            } else {
                Plan::Execute
            }
        });
        let mut instance = Instance::start(&durable);
        instance.publish(&Request::Donate(donate(1, "ann", 500)));
        instance
            .until("on the wire", |_| durable.gateway.calls() == 1)
            .await;
        let durable = instance.die();
        let instance = Instance::start(&durable);
        instance
            .until("told", |it| it.events_of(id(1)) == [SUCCEEDED])
            .await;
        assert_eq!(durable.gateway.charges_of(id(1)), 1);
    });
}

#[test]
fn a_window_survives_a_restart() {
    story(async || {
        let durable = Durable::new(|_| Plan::Execute);
        let mut instance = Instance::start(&durable);
        instance.publish(&Request::Donate(donate(1, "ann", 500)));
        instance.until("committed", |it| it.committed() == 1).await;
        let durable = instance.die();
        let log = LogRange {
            committed: Some(1),
            low: 0,
            high: 1,
        };
        let mut instance = Instance::start_with(&durable, support::settings(), log);
        instance.publish(&Request::Donate(donate(2, "ann", 500)));
        instance.until("committed", |it| it.committed() == 2).await;
        assert_eq!(instance.events_of(id(2)), ["donation.needs_confirmation"]);
    });
}

#[test]
fn a_planned_handover_drains_and_sets_aside_what_is_on_the_wire() {
    story(async || {
        use almoner_actors::ports::{Done, Intake};
        let mut calls = 0;
        let durable = Durable::new(move |_| {
            calls += 1;
            if calls == 1 {
                Plan::Hang
            } else {
                Plan::Execute
            }
        });
        let mut instance = Instance::start(&durable);
        instance.publish(&Request::Donate(donate(1, "ann", 500)));
        instance.publish(&Request::Donate(donate(2, "ann", 600)));
        instance
            .until("on the wire", |_| durable.gateway.calls() == 1)
            .await;
        let (done, mut drained) = tokio::sync::oneshot::channel();
        instance.intake.revoke(
            &[support::SHARD],
            Done::new(move |()| {
                let _ = done.send(());
            }),
        );
        for _ in 0..600 {
            if drained.try_recv().is_ok() {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
        assert_eq!(instance.events_of(id(1)), ["donation.pending drained"]);
        assert_eq!(
            instance.events_of(id(2)),
            [""; 0],
            "not accepted: the new owner reads it again"
        );
        assert_eq!(instance.committed(), 1);
        assert_eq!(durable.gateway.calls(), 1, "a handover repeats no send");
        assert_eq!(instance.world.credits.in_flight(), 0);
        let log = LogRange {
            committed: Some(1),
            low: 0,
            high: 2,
        };
        let mut instance = Instance::start_with(&durable, support::settings(), log);
        instance.publish(&Request::Donate(donate(2, "ann", 600)));
        instance
            .until("both", |it| {
                it.events_of(id(1))
                    .last()
                    .is_some_and(|last| last == SUCCEEDED)
            })
            .await;
        instance
            .until("both", |it| it.events_of(id(2)) == [SUCCEEDED])
            .await;
        durable.gateway.let_go();
        assert_eq!(durable.gateway.charges_of(id(1)), 1);
    });
}

#[test]
fn what_cannot_be_read_is_a_dead_letter_and_stops_nothing() {
    story(async || {
        let durable = Durable::new(|_| Plan::Execute);
        let mut instance = Instance::start(&durable);
        instance.publish_at(0, b"ann", b"\xc1 no MessagePack");
        instance.next_offset = 1;
        instance.publish(&Request::Donate(donate(1, "ann", 500)));
        instance.until("committed", |it| it.committed() == 2).await;
        assert_eq!(durable.outcomes.published().dead_letters.len(), 1);
        assert_eq!(instance.events_of(id(1)), [SUCCEEDED]);
    });
}

#[test]
fn a_broker_that_does_not_acknowledge_holds_the_offset_back() {
    story(async || {
        let durable = Durable::new(|_| Plan::Execute);
        durable.outcomes.refuse_next(5);
        let mut instance = Instance::start(&durable);
        instance.publish(&Request::Donate(donate(1, "ann", 500)));
        tokio::time::sleep(std::time::Duration::from_secs(1)).await;
        assert_eq!(instance.committed(), 0);
        instance.until("committed", |it| it.committed() == 1).await;
        assert_eq!(instance.events_of(id(1)), [SUCCEEDED]);
    });
}

#[test]
fn a_gateway_that_refuses_our_key_leaves_donations_waiting() {
    story(async || {
        let mut calls = 0;
        let durable = Durable::new(move |_| {
            calls += 1;
            if calls <= 3 {
                Plan::Say(Answer::BadApiKey)
            } else {
                Plan::Execute
            }
        });
        let mut instance = Instance::start(&durable);
        instance.publish(&Request::Donate(donate(1, "ann", 500)));
        instance
            .until("told", |it| {
                it.events_of(id(1))
                    .last()
                    .is_some_and(|last| last == SUCCEEDED)
            })
            .await;
        assert_eq!(durable.gateway.charges_of(id(1)), 1);
    });
}
