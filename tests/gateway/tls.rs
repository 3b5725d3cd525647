//! TLS to the gateway: with the authority that the configuration names, by HTTP/2 or HTTP/1.1 as ALPN chooses; and whom
//! we do not trust gets nothing.

#![allow(clippy::unwrap_used)]

use almoner::gateway::Options;
use almoner::simulator::{self, Running, Simulator};
use almoner_domain::answer::Answer;
use almoner_domain::donation::Call;

use crate::support::{RUNTIME, ask, call, gateway, options};
use crate::tls_front::TlsFront;

fn simulator() -> Running {
    let options = simulator::Options {
        api_key: "sk_test_gateway".to_owned(),
        ..simulator::Options::default()
    };
    Simulator::open(options)
        .unwrap()
        .serve(RUNTIME.handle())
        .unwrap()
}

/// A simulator behind TLS under this name, and options that trust it.
fn behind_tls(name: &str, alpn: &[&str]) -> (Running, TlsFront, Options) {
    let simulator = simulator();
    let front = TlsFront::start(RUNTIME.handle(), simulator.addr(), name, alpn);
    let mut options = options(&format!("https://{}", front.addr));
    options.ca_file = Some(front.ca_file());
    (simulator, front, options)
}

/// Charges twice; ALPN must have chosen this on every connection.
fn check(alpn: &[&str], http2_prior_knowledge: bool, chosen: &str) {
    let (simulator, front, mut options) = behind_tls("127.0.0.1", alpn);
    options.http2_prior_knowledge = http2_prior_knowledge;
    let gateway = gateway(&options);
    for n in 1..=2 {
        let answer = ask(&gateway, call(n, Call::Charge));
        assert_eq!(answer.class(), "succeeded", "{answer:?}");
    }
    assert_eq!(simulator.intents().len(), 2);
    let seen = front.chosen();
    assert!(
        !seen.is_empty() && seen.iter().all(|it| it == chosen),
        "{seen:?}"
    );
}

#[test]
fn over_tls_the_gateway_chooses_the_protocol() {
    check(&["h2", "http/1.1"], false, "h2");
    check(&["http/1.1"], false, "http/1.1");
    check(&["h2"], true, "h2");
    // One that knows no ALPN speaks HTTP/1.1.
    check(&[], false, "");
}

/// The charge is provably not sent, and the answer says why.
fn check_not_sent(options: &Options, simulator: &Running, why: &str) {
    let answer = ask(&gateway(options), call(1, Call::Charge));
    let Answer::NotSent(said) = &answer else {
        panic!("{answer:?}");
    };
    assert!(said.contains(why), "{said}");
    assert!(simulator.intents().is_empty());
}

#[test]
fn whom_we_do_not_trust_gets_nothing() {
    let (simulator, _front, mut options) = behind_tls("127.0.0.1", &["h2"]);
    options.ca_file = None;
    check_not_sent(&options, &simulator, "UnknownIssuer");
    let (_, other, _) = behind_tls("127.0.0.1", &["h2"]);
    options.ca_file = Some(other.ca_file());
    check_not_sent(&options, &simulator, "invalid peer certificate");
    let (simulator, _front, options) = behind_tls("gateway.example", &["h2"]);
    check_not_sent(&options, &simulator, "not valid for name");
}
