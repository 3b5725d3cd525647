//! What happens to nearly all donations, and to what cannot be one.

use almoner_actors::memory::Plan;
use almoner_domain::request::Request;

use crate::support::{Durable, Instance, SUCCEEDED, donate, id, story};

#[test]
fn a_donation_is_charged_once_told_and_committed() {
    story(async || {
        let durable = Durable::plain();
        let mut instance = Instance::start(&durable);
        instance.donate(1, "ann", 500);
        instance.until("committed", |it| it.committed() == 1).await;
        assert_eq!(instance.events_of(id(1)), [SUCCEEDED]);
        assert_eq!(durable.gateway.charges_of(id(1)), 1);
        assert_eq!(instance.world.credits.in_flight(), 0);
    });
}

#[test]
fn an_unknown_campaign_a_closed_one_and_a_wrong_amount_are_refused_before_any_charge() {
    story(async || {
        let durable = Durable::plain();
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
fn what_cannot_be_read_is_a_dead_letter_and_stops_nothing() {
    story(async || {
        let durable = Durable::plain();
        let mut instance = Instance::start(&durable);
        instance.publish_at(0, b"ann", b"\xc1 no MessagePack");
        instance.next_offset = 1;
        instance.donate(1, "ann", 500);
        instance.until("committed", |it| it.committed() == 2).await;
        assert_eq!(durable.outcomes.published().dead_letters.len(), 1);
        assert_eq!(instance.events_of(id(1)), [SUCCEEDED]);
    });
}

#[test]
fn a_broker_that_does_not_acknowledge_holds_the_offset_back() {
    story(async || {
        let durable = Durable::plain();
        durable.outcomes.refuse_next(5);
        let mut instance = Instance::start(&durable);
        instance.donate(1, "ann", 500);
        tokio::time::sleep(std::time::Duration::from_secs(1)).await;
        assert_eq!(instance.committed(), 0);
        instance.until("committed", |it| it.committed() == 1).await;
        assert_eq!(instance.events_of(id(1)), [SUCCEEDED]);
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
        instance.donate(1, "ann", 500);
        instance.donate(2, "ann", 600);
        instance.donate(3, "bob", 700);
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
