//! A record of the outcomes topic, as the demo, the load tests and every consumer in Rust read it.

use almoner_domain::outcome::decode;

use super::bounds::within;
use super::explore::{Fate, Target, fate, golden};

fn target(value: &[u8]) -> Fate {
    let read = || within(value.len(), || decode(value));
    match (read(), read()) {
        (Ok(view), Ok(again)) => {
            assert_eq!(format!("{view:?}"), format!("{again:?}"));
            fate(&format!("read {} {:?}", view.event_type, view.status))
        }
        (Err(error), Err(_)) => fate(&format!("refused {error}")),
        _ => panic!("another fate the second time"),
    }
}

pub fn outcomes() -> Target {
    Target {
        seeds: [golden("outcome-"), golden("request-rejected")].concat(),
        words: vec![
            b"donation.succeeded",
            b"donation.pending",
            b"request.rejected",
            b"amount_minor",
            b"sequence",
            b"source",
            b"metadata",
            b"campaign_id",
        ],
        invent: None,
        inputs: 5_000,
        reaches: &[
            "refused",
            "read donation.succeeded",
            "read request.rejected",
        ],
        read: Box::new(target),
    }
}
