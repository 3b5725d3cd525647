//! What the store keeps as MessagePack: a row that was damaged is refused, or read as something that the state machine
//! can go on with.

use almoner::app::settings_of;
use almoner::config::Config;
use almoner_domain::answer::{Answer, Intent, IntentStatus};
use almoner_domain::donation::{Donation, Event, Now, PendingKind, Progress, Verdict};
use almoner_domain::ids::{CampaignId, DonationId, Place, UserId};
use almoner_domain::money::{Currency, Money};
use almoner_domain::outcome::{self, Told};
use almoner_domain::request::{DonationRequest, Information};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::bounds::within_bytes;
use super::explore::{Fate, Target, fate, golden_blob};

/// For a list whose length is claimed, serde reserves a megabyte at the most; a progress has two lists.
const BYTES_MAX: u64 = 3 << 20;

/// What it was read as; written and read again, it is the same.
fn read<T: DeserializeOwned + Serialize + PartialEq + std::fmt::Debug>(
    bytes: &[u8],
) -> Result<T, Fate> {
    let value: T = within_bytes(BYTES_MAX, || rmp_serde::from_slice(bytes))
        .map_err(|error| fate(&format!("refused {error}")))?;
    let again = rmp_serde::to_vec_named(&value).unwrap();
    assert_eq!(rmp_serde::from_slice::<T>(&again).as_ref().unwrap(), &value);
    Ok(value)
}

fn progress(bytes: &[u8]) -> Fate {
    let progress = match read::<Progress>(bytes) {
        Ok(progress) => progress,
        Err(refused) => return refused,
    };
    let donation = donation();
    let rules = settings_of(&Config::default(), 1).rules;
    let now = Now {
        wall_ms: 1_795_262_400_000,
        stream_ms: 1_795_262_400_000,
    };
    let moves = events(&progress).into_iter().map(|event| {
        match donation.on(progress.clone(), event, now, &rules) {
            Ok(transition) => {
                let kept = rmp_serde::to_vec_named(&transition.progress).unwrap();
                assert_eq!(
                    rmp_serde::from_slice::<Progress>(&kept).unwrap(),
                    transition.progress
                );
                format!("{:?}", transition.next).chars().take(8).collect()
            }
            Err(_) => "no".to_owned(),
        }
    });
    let moves: Vec<String> = moves.collect();
    fate(&format!("read {:?} {}", progress.state, moves.join(" ")))
}

fn events(progress: &Progress) -> Vec<Event> {
    let intent = |status| Intent {
        id: "pi_1".into(),
        status,
        created_s: i64::MAX,
        charge_id: None,
    };
    let answers = [
        Answer::Intent(intent(IntentStatus::Succeeded)),
        Answer::Intent(intent(IntentStatus::Canceled)),
        Answer::Intent(intent(IntentStatus::RequiresPaymentMethod)),
        Answer::Listed(Vec::new()),
        Answer::Listed(vec![intent(IntentStatus::Succeeded)]),
        Answer::Declined {
            code: "card_declined".into(),
            decline_code: None,
            intent: None,
        },
        Answer::Declined {
            code: "processing_error".into(),
            decline_code: None,
            intent: Some(intent(IntentStatus::RequiresPaymentMethod)),
        },
        Answer::RateLimited {
            retry_after_ms: Some(u64::MAX),
        },
        Answer::ServerError {
            status: 500,
            replayed: true,
        },
        Answer::KeyInUse,
        Answer::Refunded,
        Answer::Lost("cut".into()),
    ];
    let answered = answers.into_iter().map(|answer| Event::Answered {
        send: progress.send,
        answer,
    });
    let others = [
        Event::Judged(Verdict::Charge),
        Event::Judged(Verdict::Queue),
        Event::Due,
        Event::TakenOver,
        Event::SetAside {
            kind: PendingKind::Quarantined,
            due_ms: i64::MAX,
        },
        Event::UserConfirmed,
        Event::UserDeclined,
        Event::HoldLapsed,
    ];
    answered.chain(others).collect()
}

fn told(bytes: &[u8]) -> Fate {
    match read::<Told>(bytes) {
        Ok(told) => {
            let donation = donation();
            let message = outcome::encode(&donation, &told, &donation.place);
            let view = outcome::decode(&message.value).unwrap();
            assert_eq!(view.sequence, Some(told.sequence));
            fate(&format!("read {}", view.event_type))
        }
        Err(refused) => refused,
    }
}

fn information(bytes: &[u8]) -> Fate {
    read::<Information>(bytes).map_or_else(|refused| refused, |_| "read".into())
}

pub fn donation() -> Donation {
    Donation {
        request: DonationRequest {
            id: DonationId([7; 16]),
            user_id: UserId::parse("user_1").unwrap(),
            campaign_id: CampaignId::parse("campaign_1").unwrap(),
            amount: Money::new(1_250, Currency::from_code("EUR").unwrap()).unwrap(),
            payment_method: "pm_1".into(),
            gateway_customer: None,
            information: None,
        },
        place: Place {
            topic: "donations.requests".into(),
            partition: 0,
            offset: 0,
        },
        shard_offset: 0,
        recorded_at_ms: 1_795_262_000_000,
        accepted_at_ms: 1_795_262_000_000,
        body_version: 1,
        trace: None,
    }
}

/// What a progress can hold beyond the golden one.
fn progresses() -> Vec<Vec<u8>> {
    let mut all = vec![Progress::new(), Progress::first_sent(1_795_262_300_000)];
    let mut worn = Progress::first_sent(1_795_262_300_000);
    (worn.attempts, worn.generation, worn.send, worn.fruitless) =
        (u8::MAX, u8::MAX, u16::MAX, u16::MAX);
    (worn.confirms, worn.cancels, worn.discards, worn.sequence) =
        (u16::MAX, u16::MAX, u16::MAX, u32::MAX);
    let mut pinned = worn.clone();
    pinned.intent = Some("pi_1".into());
    all.extend([worn, pinned]);
    all.iter()
        .map(|progress| rmp_serde::to_vec_named(progress).unwrap())
        .collect()
}

pub fn blobs_of_progress() -> Target {
    Target {
        seeds: [golden_blob("progress"), progresses()].concat(),
        words: vec![
            b"Charge",
            b"Fetch",
            b"\x81\xa7Confirm\x81\xa1n\xcd\xff\xff",
            b"List",
            b"held",
            b"Held",
            b"Unknown",
            b"Retrying",
            b"Succeeded",
            b"\xcd\xff\xff",
            b"\xcc\xff",
            b"\xce\xff\xff\xff\xff",
            b"\xc2",
            b"\xc3",
        ],
        invent: None,
        inputs: 10_000,
        reaches: &["refused", "read Accepted", "read Charging"],
        read: Box::new(progress),
    }
}

pub fn blobs_of_what_was_told() -> Target {
    Target {
        seeds: golden_blob("told"),
        words: vec![
            b"Succeeded",
            b"Failed",
            b"card_declined",
            b"expired",
            b"\x81\xa7Pending",
        ],
        invent: None,
        inputs: 5_000,
        reaches: &["refused", "read donation."],
        read: Box::new(told),
    }
}

pub fn blobs_of_information() -> Target {
    Target {
        seeds: golden_blob("information"),
        words: vec![b"metadata", b"message", b"\x92\xa1k\xa1v"],
        invent: None,
        inputs: 5_000,
        reaches: &["refused", "read"],
        read: Box::new(information),
    }
}
