//! Donations to charge, answers to give, and how a call is made and waited for.

#![allow(clippy::unwrap_used)]

use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use almoner::gateway::{Options, StripeGateway};
use almoner_actors::ports::{Done, Gateway, GatewayCall};
use almoner_domain::answer::Answer;
use almoner_domain::donation::{Call, Donation};
use almoner_domain::ids::{CampaignId, DonationId, Place, UserId};
use almoner_domain::money::{Currency, Money};
use almoner_domain::request::DonationRequest;
use secrecy::SecretString;
use tokio::runtime::Runtime;

/// A call that takes longer than this is stuck.
const STUCK: Duration = Duration::from_secs(180);

pub static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Runtime::new().unwrap());

pub fn options(base_url: &str) -> Options {
    Options {
        base_url: base_url.to_owned(),
        api_key: SecretString::from("sk_test_gateway"),
        api_version: "2025-09-30.clover".to_owned(),
        timeout: Duration::from_secs(30),
        connect_timeout: Duration::from_secs(10),
        connections_max: 64,
        http2_prior_knowledge: false,
        connections_h2: 4,
        ca_file: None,
    }
}

pub fn gateway(options: &Options) -> StripeGateway {
    StripeGateway::new(options, RUNTIME.handle().clone()).unwrap()
}

/// The nth donation: 12.50 EUR.
pub fn donation(n: u128) -> Donation {
    let id = DonationId((0x018f_6b2e_5c1a_7abc_8def_0000_0000_0000_u128 + n).to_be_bytes());
    Donation {
        request: DonationRequest {
            id,
            user_id: UserId::parse("user_1").unwrap(),
            campaign_id: CampaignId::parse("campaign_1").unwrap(),
            amount: Money::new(1_250, Currency::from_code("EUR").unwrap()).unwrap(),
            payment_method: "pm_card_visa".into(),
            gateway_customer: None,
            information: None,
        },
        place: Place {
            topic: "donations.requests".into(),
            partition: 0,
            offset: 0,
        },
        shard_offset: 0,
        recorded_at_ms: 0,
        accepted_at_ms: 0,
        body_version: 1,
        trace: None,
    }
}

/// A call for the nth donation, whose pinned intent is `pi_1`.
pub fn call(n: u128, call: Call) -> GatewayCall {
    GatewayCall {
        donation: Arc::new(donation(n)),
        call,
        intent: Some("pi_1".into()),
        listed_s: (1_795_000_000, 1_795_300_000),
        permit: None,
    }
}

/// Makes the call; its answers come out of the receiver, which ends when nobody can answer any more.
pub fn start(gateway: &StripeGateway, call: GatewayCall) -> Receiver<Answer> {
    let (sender, answers) = channel();
    gateway.call(call, Done::new(move |answer| sender.send(answer).unwrap()));
    answers
}

/// The call's answer: exactly one.
pub fn wait(answers: &Receiver<Answer>) -> Answer {
    let answer = answers.recv_timeout(STUCK).unwrap();
    assert!(answers.recv_timeout(STUCK).is_err(), "answered twice");
    answer
}

pub fn ask(gateway: &StripeGateway, call: GatewayCall) -> Answer {
    wait(&start(gateway, call))
}

/// The nth donation's intent as the gateway shows it.
pub fn intent(n: u128, status: &str) -> String {
    let id = donation(n).request.id;
    format!(
        r#"{{"id":"pi_1","object":"payment_intent","amount":1250,"created":1795262400,"currency":"eur",
        "latest_charge":"ch_1","metadata":{{"donation_id":"{id}"}},"status":"{status}"}}"#
    )
}

/// A whole answer over HTTP/1.1.
pub fn http(status: &str, body: &str) -> String {
    format!(
        "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
}
