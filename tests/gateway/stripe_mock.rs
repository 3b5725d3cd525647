//! An outside judge: stripe-mock, which holds every request against the gateway's published description and answers
//! 400 to a parameter that is unknown, missing or of the wrong kind. It knows no metadata, so its intents are nobody's.

#![allow(clippy::unwrap_used)]

use almoner_domain::answer::Answer;
use almoner_domain::donation::Call;

use crate::support::{ask, call, donation, gateway, options};

#[test]
fn every_call_is_valid_by_the_published_description() {
    let Ok(addr) = std::env::var("STRIPE_MOCK_ADDR") else {
        eprintln!(
            "left out: stripe-mock does not run; start it and set STRIPE_MOCK_ADDR=host:port"
        );
        return;
    };
    let gateway = gateway(&options(&format!("http://{addr}")));
    let calls = [
        Call::Charge,
        Call::CreateIntent { n: 1 },
        Call::Fetch,
        Call::Confirm { n: 1 },
        Call::Cancel { n: 1 },
        Call::List,
        Call::Discard {
            intent: "pi_2".into(),
            n: 1,
        },
    ];
    for kind in calls {
        let mut saved = donation(1);
        saved.request.gateway_customer = Some("cus_1".into());
        let mut call = call(1, kind.clone());
        call.donation = saved.into();
        let answer = ask(&gateway, call);
        match &answer {
            Answer::Intent(_) | Answer::Listed(_) => {}
            Answer::Lost(why) if why.contains("not this donation's") => {}
            _ => panic!("{kind:?}: {answer:?}"),
        }
    }
}
