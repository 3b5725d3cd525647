//! The control: a client that takes a lost answer for a failure, and tries again under another key, is caught by the very
//! judgement that the stories rest on.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use almoner::store::sqlite::SqliteStore;
use almoner_domain::donation::{Donation, State};
use almoner_domain::ids::Place;
use almoner_domain::outcome::{self, Reason, Told as Event, What};
use almoner_domain::request::{self, DonationRequest, Record, Request, Rules};

use super::{CLEAR, donations};
use crate::support::{API_KEY, Mishap, Post, Proxy, Seen, Told, Weather, World, judge};

/// It gives up on a connection after so long.
const PATIENCE: Duration = Duration::from_secs(30);

#[test]
fn a_client_that_takes_lost_for_failed_is_caught() {
    let world = World::new(&[]);
    let half = Weather {
        per_mille: 500,
        mishaps: &[Mishap::Cut, Mishap::Reset],
    };
    let proxy = Proxy::start(world.gateway.addr(), 7, CLEAR, half);
    let posts = donations(0);
    let mut seen = Seen::default();
    for post in &posts {
        let request = donation_of(post);
        let first = charge(proxy.addr(), &request, "first");
        // The two sins: another key for what may have been charged, and "failed" for what is not known.
        let is_charged = first || charge(proxy.addr(), &request, "second");
        seen.outcomes.push(told(&request, is_charged));
    }
    drop(SqliteStore::open(&world.store()).unwrap()); // books without a line

    let verdict = judge(&world, &posts, &seen);
    assert!(!verdict.ok);
    let has = |part: &str| {
        verdict
            .findings
            .iter()
            .any(|finding| finding.contains(part))
    };
    assert!(has("the gateway charged it 2 times"), "{verdict:#?}");
    assert!(
        has("it was told to have failed, but the gateway charged it"),
        "{verdict:#?}"
    );
}

fn donation_of(post: &Post) -> DonationRequest {
    let record = Record {
        key: post.key.as_deref(),
        value: post.value.as_deref().unwrap(),
        schema_version: None,
    };
    match request::decode(&record, &Rules::default()).unwrap() {
        Request::Donate(donation) => donation,
        other => panic!("{other:?}"),
    }
}

/// Whether a charge was seen to succeed.
fn charge(gateway: SocketAddr, request: &DonationRequest, key: &str) -> bool {
    let (id, amount) = (request.id, request.amount.amount_minor());
    let body = format!(
        "amount={amount}&currency=eur&payment_method=pm_card_visa&payment_method_types[]=card&confirm=true&\
         metadata[donation_id]={id}"
    );
    let sent = format!(
        "POST /v1/payment_intents HTTP/1.1\r\nhost: gateway\r\nauthorization: Bearer {API_KEY}\r\n\
         idempotency-key: {id}:{key}\r\ncontent-type: application/x-www-form-urlencoded\r\n\
         content-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    );
    let mut stream = TcpStream::connect(gateway).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut answer = String::new();
    let read = stream
        .write_all(sent.as_bytes())
        .and_then(|()| stream.read_to_string(&mut answer));
    read.is_ok() && answer.starts_with("HTTP/1.1 200 ")
}

/// What it tells the user.
fn told(request: &DonationRequest, is_charged: bool) -> Told {
    let place = Place {
        topic: Arc::from("donations.requests"),
        partition: 0,
        offset: 0,
    };
    let donation = Donation {
        request: request.clone(),
        place: place.clone(),
        shard_offset: 0,
        recorded_at_ms: 0,
        accepted_at_ms: 0,
        body_version: 1,
        trace: None,
    };
    let (status, what) = if is_charged {
        let gateway_charge_id = "ch_naive".into();
        (State::Succeeded, What::Succeeded { gateway_charge_id })
    } else {
        let (reason, decline_code) = (Reason::CardDeclined, None);
        (
            State::Failed,
            What::Failed {
                reason,
                decline_code,
            },
        )
    };
    let event = Event {
        sequence: 1,
        occurred_at_ms: 0,
        status,
        attempts: 0,
        what,
    };
    let message = outcome::encode(&donation, &event, &place);
    Told {
        key: message.key.as_bytes().to_vec(),
        value: message.value,
    }
}
