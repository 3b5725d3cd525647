//! The gateway client against servers that fail in every way a network does: what was never sent is told from what may
//! have moved money, and nothing is ever sent twice.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod http2;
mod lister;
mod lists;
mod server;
mod stripe_mock;
mod support;
mod tls;
#[path = "../support/tls.rs"]
mod tls_front;

use std::net::TcpListener;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};
use std::time::Duration;

use almoner::gateway::{InvalidOptions, Options, StripeGateway};
use almoner_actors::ports::{Gateway, Inexpressible};
use almoner_domain::answer::{Answer, IntentStatus};
use almoner_domain::donation::Call;
use almoner_domain::money::{Currency, Money};
use server::{Peer, Server};
use support::{RUNTIME, ask, call, donation, gateway, http, intent, options, start, wait};

/// Charges at a server that runs `script` and expects an answer of this class, with at most one request sent.
fn check(script: impl Fn(&mut Peer) + Send + Sync + 'static, class: &str) -> Answer {
    check_with(&Server::start(script), |_| {}, class)
}

/// The same at a server that never comes to an end of its answer.
fn check_hanging(script: impl Fn(&mut Peer) + Send + Sync + 'static, class: &str) -> Answer {
    check_with(
        &Server::start(script),
        |options| options.timeout = SOON,
        class,
    )
}

fn check_with(server: &Server, change: impl Fn(&mut Options), class: &str) -> Answer {
    let mut options = options(&server.url());
    change(&mut options);
    let answer = ask(&gateway(&options), call(1, Call::Charge));
    assert_eq!(answer.class(), class, "{answer:?}");
    assert!(server.seen().len() <= 1, "{:?}", server.seen());
    answer
}

/// For what is waited for in vain.
const SOON: Duration = Duration::from_millis(300);

#[test]
fn each_status_of_an_intent_is_told() {
    for status in [
        "succeeded",
        "processing",
        "requires_action",
        "requires_payment_method",
        "requires_confirmation",
        "canceled",
    ] {
        let body = http("200 OK", &intent(1, status));
        check(
            move |peer| {
                peer.read();
                peer.write(&body);
                peer.wait_for_end();
            },
            status,
        );
    }
}

#[test]
fn a_request_carries_what_the_gateway_needs() {
    let server = Server::answering(|_| http("200 OK", &intent(1, "succeeded")));
    ask(&gateway(&options(&server.url())), call(1, Call::Charge));
    let [request] = &server.seen()[..] else {
        panic!("{:?}", server.seen());
    };
    assert_eq!(request.line, "POST /v1/payment_intents");
    let id = donation(1).request.id;
    assert_eq!(
        request.header("idempotency-key"),
        Some(&*format!("{id}:charge:1"))
    );
    assert_eq!(
        request.header("authorization"),
        Some("Bearer sk_test_gateway")
    );
    assert_eq!(request.header("stripe-version"), Some("2025-09-30.clover"));
    assert_eq!(request.header("host"), Some(&*server.addr.to_string()));
    assert!(
        request.body.starts_with("amount=1250&currency=eur&"),
        "{}",
        request.body
    );
}

#[test]
fn what_was_never_connected_was_never_sent() {
    let port = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let refused = ask(
        &gateway(&options(&format!("http://{port}"))),
        call(1, Call::Charge),
    );
    assert!(matches!(refused, Answer::NotSent(_)), "{refused:?}");
    let no_such_name = ask(
        &gateway(&options("http://gateway.invalid")),
        call(1, Call::Charge),
    );
    assert!(
        matches!(no_such_name, Answer::NotSent(_)),
        "{no_such_name:?}"
    );
}

#[test]
fn a_failed_tls_handshake_sent_nothing() {
    let garbage = Server::start(|peer| peer.write("HTTP/1.1 400 Bad Request\r\n\r\n"));
    let silent = Server::start(Peer::wait_for_end);
    for server in [garbage, silent] {
        let secure = |options: &mut Options| {
            options.base_url = format!("https://{}", server.addr);
            options.connect_timeout = SOON;
        };
        check_with(&server, secure, "not_sent");
    }
}

#[test]
fn no_answer_in_time_is_unknown() {
    check_hanging(
        |peer| {
            peer.read();
            peer.wait_for_end();
        },
        "lost",
    );
}

#[test]
fn a_connection_that_breaks_before_the_answer_is_unknown() {
    check(Peer::await_unread, "lost"); // reset
    check(
        |peer| {
            peer.read();
            peer.close();
        },
        "lost",
    );
}

#[test]
fn an_answer_that_breaks_off_is_unknown() {
    let whole = http("200 OK", &intent(1, "succeeded"));
    let head_end = whole.find("\r\n\r\n").unwrap() + 4;
    for at in [10, head_end - 2, head_end, head_end + 1, whole.len() - 1] {
        let cut = whole[..at].to_owned();
        check(
            move |peer| {
                peer.read();
                peer.write(&cut);
                peer.close();
            },
            "lost",
        );
    }
}

#[test]
fn an_answer_without_a_length_that_breaks_off_is_unknown() {
    let body = intent(1, "succeeded");
    let unmeasured =
        |body: &str| format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n{body}");
    for (sent, class) in [(&body[..], "succeeded"), (&body[..body.len() - 1], "lost")] {
        let answer = unmeasured(sent);
        check(
            move |peer| {
                peer.read();
                peer.write(&answer);
                peer.close();
            },
            class,
        );
    }
}

#[test]
fn an_answer_that_dawdles_is_unknown() {
    let whole = http("200 OK", &intent(1, "succeeded"));
    check_hanging(
        move |peer| {
            peer.read();
            peer.write(&whole[..whole.len() - 1]);
            peer.wait_for_end();
        },
        "lost",
    );
}

#[test]
fn an_answer_larger_than_any_intent_is_unknown() {
    let body = format!("{}{}", intent(1, "succeeded"), " ".repeat(2 << 20));
    let answer = check(
        move |peer| {
            peer.read();
            peer.write(&http("200 OK", &body));
            peer.wait_for_end();
        },
        "lost",
    );
    assert!(format!("{answer:?}").contains("broke off"), "{answer:?}");
}

#[test]
fn what_is_no_http_is_unknown_and_interim_answers_are_skipped() {
    check(
        |peer| {
            peer.read();
            peer.write("SSH-2.0-OpenSSH_9.6\r\n\r\n");
            peer.close();
        },
        "lost",
    );
    let whole = http("200 OK", &intent(1, "succeeded"));
    check(
        move |peer| {
            peer.read();
            peer.write("HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n");
            peer.write(&whole);
            peer.wait_for_end();
        },
        "succeeded",
    );
}

#[test]
fn a_redirect_is_not_followed() {
    check(
        |peer| {
            peer.read();
            peer.write("HTTP/1.1 307 Temporary Redirect\r\nlocation: /elsewhere\r\ncontent-length: 0\r\n\r\n");
            peer.wait_for_end();
        },
        "lost",
    );
}

#[test]
fn another_donations_intent_is_no_answer() {
    let other = http("200 OK", &intent(2, "succeeded"));
    let answer = check(
        move |peer| {
            peer.read();
            peer.write(&other);
            peer.wait_for_end();
        },
        "lost",
    );
    assert!(
        format!("{answer:?}").contains("not this donation's"),
        "{answer:?}"
    );
}

#[test]
fn a_connection_serves_one_call_after_another() {
    let server = Server::answering(|_| http("200 OK", &intent(1, "succeeded")));
    let gateway = gateway(&options(&server.url()));
    for n in 1..=10 {
        let answer = ask(&gateway, call(1, Call::Confirm { n }));
        assert_eq!(answer.class(), "succeeded", "{answer:?}");
    }
    assert!(server.seen().iter().all(|request| request.connection == 0));
}

#[test]
fn a_call_after_the_server_closed_an_idle_connection_goes_out_once_on_another() {
    let closed = Arc::new(Barrier::new(2));
    let meet = Arc::clone(&closed);
    let server = Server::start(move |peer| {
        peer.read();
        peer.write(&http("200 OK", &intent(1, "succeeded")));
        if peer.connection == 0 {
            peer.close(); // returns once the client has closed, too
            meet.wait();
        } else {
            peer.wait_for_end();
        }
    });
    let gateway = gateway(&options(&server.url()));
    assert_eq!(ask(&gateway, call(1, Call::Charge)).class(), "succeeded");
    closed.wait();
    let second = ask(&gateway, call(1, Call::Confirm { n: 1 }));
    assert_eq!(second.class(), "succeeded", "{second:?}");
    let connections: Vec<_> = server
        .seen()
        .iter()
        .map(|request| request.connection)
        .collect();
    assert_eq!(connections, [0, 1]);
}

/// The server closes right after each answer without having said so, in a race with the next call: whoever wins, no
/// call goes out twice, and what may have gone out is never called unsent.
#[test]
fn a_call_that_races_a_closing_connection_never_goes_out_twice() {
    let server = Server::start(|peer| {
        if peer.read().is_some() {
            peer.write(&http("200 OK", &intent(1, "succeeded")));
        }
    });
    let gateway = gateway(&options(&server.url()));
    for n in 1..=300 {
        let answer = ask(&gateway, call(1, Call::Confirm { n }));
        assert!(matches!(answer.class(), "succeeded" | "lost"), "{answer:?}");
        let key = format!("{}:confirm:{n}", donation(1).request.id);
        let seen = server.seen();
        let sent = seen
            .iter()
            .filter(|request| request.header("idempotency-key") == Some(&key))
            .count();
        assert!(sent <= 1, "call {n} went out {sent} times");
        assert!(
            sent == 1 || answer.class() == "lost",
            "call {n}: {answer:?}"
        );
    }
}

#[test]
fn no_more_connections_are_open_than_allowed() {
    let (open, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (counted, peak) = (Arc::clone(&open), Arc::clone(&most));
    let server = Server::start(move |peer| {
        peak.fetch_max(counted.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        while peer.read().is_some() {
            peer.write(&http("200 OK", &intent(1, "succeeded")));
        }
        counted.fetch_sub(1, Ordering::SeqCst);
    });
    let gateway = gateway(&Options {
        connections_max: 3,
        ..options(&server.url())
    });
    let calls: Vec<_> = (1..=200)
        .map(|n| start(&gateway, call(1, Call::Confirm { n })))
        .collect();
    for answers in &calls {
        assert_eq!(wait(answers).class(), "succeeded");
    }
    assert_eq!(server.seen().len(), 200);
    let most = most.load(Ordering::SeqCst);
    assert!((1..=3).contains(&most), "{most} connections");
}

#[test]
fn a_call_that_dies_with_its_runtime_is_answered_still() {
    let server = Server::start(|peer| {
        peer.read();
        peer.wait_for_end();
    });
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let gateway = StripeGateway::new(&options(&server.url()), runtime.handle().clone()).unwrap();
    let answers = start(&gateway, call(1, Call::Charge));
    while server.seen().is_empty() {
        std::thread::yield_now();
    }
    runtime.shutdown_background();
    let answer = wait(&answers);
    assert!(matches!(answer, Answer::Lost(_)), "{answer:?}");
}

#[test]
fn what_this_release_cannot_write_is_not_sent() {
    let server = Server::answering(|_| http("200 OK", &intent(1, "succeeded")));
    let gateway = gateway(&options(&server.url()));
    let mut of_tomorrow = donation(1);
    of_tomorrow.body_version = 99;
    let mut unpinned = call(1, Call::Fetch);
    unpinned.intent = None;
    let mut strange = call(1, Call::Charge);
    strange.donation = Arc::new(of_tomorrow);
    for call in [strange, unpinned] {
        let answer = ask(&gateway, call);
        assert!(
            matches!(answer, Answer::OurDefect { status: 0, .. }),
            "{answer:?}"
        );
    }
    assert!(server.seen().is_empty());
}

#[test]
fn a_donation_is_frozen_unless_the_gateway_cannot_express_it() {
    let gateway = gateway(&options("http://127.0.0.1:1"));
    let frozen = |minor, code| {
        let mut request = donation(1).request;
        request.amount = Money::new(minor, Currency::from_code(code).unwrap()).unwrap();
        gateway.freeze(&request)
    };
    assert_eq!(frozen(1_250, "EUR"), Ok(1));
    assert_eq!(frozen(5_124, "KWD"), Err(Inexpressible::Amount));
    assert_eq!(frozen(100, "IRR"), Err(Inexpressible::Currency));
    assert_eq!(frozen(100_000_000, "EUR"), Err(Inexpressible::Amount));
}

#[test]
fn options_that_cannot_work_are_refused_and_show_no_secret() {
    let refused = |options: &Options| StripeGateway::new(options, RUNTIME.handle().clone()).err();
    let good = options("https://api.stripe.com");
    assert_eq!(refused(&good), None);
    let with = |change: fn(&mut Options)| {
        let mut options = good.clone();
        change(&mut options);
        refused(&options)
    };
    assert_eq!(
        with(|o| o.base_url = "http://u:secret@g".into()),
        Some(InvalidOptions::BaseUrl)
    );
    assert_eq!(
        with(|o| o.api_key = "a\nsecret".into()),
        Some(InvalidOptions::ApiKey)
    );
    assert_eq!(
        with(|o| o.connections_max = 0),
        Some(InvalidOptions::Nothing)
    );
    assert_eq!(
        with(|o| o.timeout = Duration::ZERO),
        Some(InvalidOptions::Nothing)
    );
    let unknown = with(|o| o.api_version = "2012-02-23".into()).unwrap();
    assert!(
        unknown.to_string().contains("2025-09-30.clover"),
        "{unknown}"
    );
    assert!(!format!("{good:?}").contains("sk_test"), "{good:?}");
}

#[test]
fn intents_that_succeeded_bring_their_charge_and_day() {
    let server = Server::answering(|_| http("200 OK", &intent(1, "succeeded")));
    let answer = ask(&gateway(&options(&server.url())), call(1, Call::Charge));
    let Answer::Intent(intent) = answer else {
        panic!("{answer:?}");
    };
    assert_eq!(&*intent.id, "pi_1");
    assert_eq!(intent.status, IntentStatus::Succeeded);
    assert_eq!(intent.created_s, 1_795_262_400);
    assert_eq!(intent.charge_id.as_deref(), Some("ch_1"));
}
