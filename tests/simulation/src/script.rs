//! A history before it happens: who asks for what and when, what breaks and when, and how the weather is. It is data, so
//! that a history can be shrunk by leaving out what does not matter.

mod generate;

use std::collections::BTreeSet;
use std::fmt;

use almoner_domain::ids::{CampaignId, DonationId, UserId};
use almoner_domain::money::{Currency, Money};
use almoner_domain::request::{self, DonationRequest, HoldAnswer, Request};

pub use generate::generate;

/// All that decides a history.
#[derive(Clone, Debug)]
pub struct Script {
    /// The seed of the dice.
    pub seed: u64,
    /// What holds all the time.
    pub weather: Weather,
    /// What happens, in the order of time.
    pub events: Vec<Event>,
    /// The only places at which ports fail, once a history was shrunk that far.
    pub sites_only: Option<BTreeSet<Site>>,
}

/// A place at which a port may fail: the `n`th time that `step` happens to `what`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Site {
    /// The port's call.
    pub step: &'static str,
    /// The donation, message or shard, as a number.
    pub what: u64,
    /// From 0.
    pub n: u32,
}

/// What holds all the time.
#[derive(Clone, Debug)]
pub struct Weather {
    /// Wall clock at the beginning, milliseconds since 1970.
    pub start_ms: i64,
    /// Partitions of the requests topic.
    pub partitions: u32,
    /// Processes at once.
    pub slots: usize,
    /// How far each process's wall clock is off.
    pub skews_ms: [i64; 2],
    /// How many of a thousand calls of a port fail, come late or are answered late.
    pub port_faults_permille: u64,
    /// How many of a thousand calls of a port make their caller crash.
    pub crashes_permille: u64,
    /// How many of a thousand calls at the gateway have another end than an answered charge.
    pub gateway_faults_permille: u64,
    /// Keys live as long as Stripe's, and all that follows from that takes days; else an hour.
    pub is_long: bool,
    /// Ports and gateway go on failing for so long after the last event.
    pub tail_ms: i64,
    /// The gateway breaks its word: what a 500 left open is settled later than it promises.
    pub is_gateway_late: bool,
}

/// One thing that happens.
#[derive(Clone, Debug)]
pub struct Event {
    /// Since the beginning.
    pub at_ms: i64,
    /// What.
    pub what: What,
}

/// What can happen.
#[derive(Clone, Debug)]
pub enum What {
    /// A record is appended to the requests topic.
    Write(Ask),
    /// A process dies at once, and another one starts in its place.
    Kill {
        /// Which.
        slot: usize,
        /// When another one starts.
        back_after_ms: i64,
    },
    /// A process is suspended and goes on.
    Freeze {
        /// Which.
        slot: usize,
        /// For so long.
        for_ms: i64,
    },
    /// The broker gives the partition to somebody else, and its owner hears of it later.
    Lose {
        /// Which.
        partition: u32,
        /// When its owner hears.
        told_after_ms: i64,
    },
    /// The partition goes from one owner to the next, as planned.
    HandOver {
        /// Which.
        partition: u32,
    },
    /// A commit of the store fails, and it takes nothing until it is open again.
    StoreDown {
        /// For so long.
        for_ms: i64,
    },
    /// The broker takes no outcome and no commit.
    BrokerDown {
        /// For so long.
        for_ms: i64,
    },
    /// A partition has no leader for a while: nothing is read, told or committed there. After that the consumer fetches the last
    /// records once more, and of the group's commits the last ones are gone.
    LeaderChange {
        /// Which.
        partition: u32,
        /// For so long.
        for_ms: i64,
        /// Records that are fetched twice.
        twice: i64,
        /// By so much the next owner reads on too early.
        forgotten: i64,
    },
    /// A second process starts on the store of the only one: the lock of the folder did not hold.
    Twin {
        /// It ends after this long.
        for_ms: i64,
    },
    /// The topic gets one partition more. Nobody goes on until a person has put that right.
    PartitionAdded {
        /// After this long.
        for_ms: i64,
    },
    /// The store is copied.
    Backup,
    /// All processes end, and the copy takes the store's place: an empty one, if there is none.
    Restore {
        /// When they start again.
        back_after_ms: i64,
    },
    /// The gateway cannot be reached, or answers nothing of use.
    GatewayDown {
        /// For so long.
        for_ms: i64,
    },
    /// The log drops what a partition has, if its consumer is stopped.
    Retention {
        /// Which.
        partition: u32,
    },
    /// A campaign closes, or opens again.
    Campaign {
        /// Its id.
        id: &'static str,
        /// Its version, from 2.
        version: u64,
        /// Whether it takes donations.
        is_open: bool,
    },
}

/// What is written to the requests topic.
#[derive(Clone, Debug)]
pub struct Ask {
    /// What is asked for.
    pub body: Body,
    /// The partition, where it is not its user's: another partitioner, or a mistake.
    pub partition: Option<u32>,
}

/// What stands in a record.
#[derive(Clone, Debug)]
pub enum Body {
    /// A request.
    Request(Request),
    /// A donation with a card's number for a payment method.
    CardNumber(DonationRequest),
    /// Bytes that are no request.
    Garbage(&'static [u8]),
}

/// A card's number, as a careless front end may send it. It shows nowhere.
pub const CARD_NUMBER: &str = "4242424242424242";

impl Ask {
    /// The record's key.
    #[must_use]
    pub fn key(&self) -> Vec<u8> {
        match &self.body {
            Body::Request(request) => request.user_id().as_str().into(),
            Body::CardNumber(request) => request.user_id.as_str().into(),
            Body::Garbage(_) => b"ann".to_vec(),
        }
    }

    /// The record's value.
    #[must_use]
    pub fn value(&self) -> Vec<u8> {
        match &self.body {
            Body::Request(request) => request::encode(request),
            Body::CardNumber(request) => {
                let payment_method = CARD_NUMBER.into();
                request::encode(&Request::Donate(DonationRequest {
                    payment_method,
                    ..request.clone()
                }))
            }
            Body::Garbage(bytes) => bytes.to_vec(),
        }
    }
}

impl What {
    /// A short name, for the count of what was injected.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Write(_) => "record",
            Self::Kill { .. } => "process killed",
            Self::Freeze { .. } => "process suspended",
            Self::Lose { .. } => "partition lost",
            Self::HandOver { .. } => "partition handed over",
            Self::StoreDown { .. } => "store down",
            Self::BrokerDown { .. } => "broker down",
            Self::LeaderChange { .. } => "leader changed",
            Self::Twin { .. } => "second process on the store",
            Self::PartitionAdded { .. } => "partition added",
            Self::Backup => "backup",
            Self::Restore { .. } => "older store restored",
            Self::GatewayDown { .. } => "gateway down",
            Self::Retention { .. } => "retention",
            Self::Campaign { .. } => "campaign changed",
        }
    }
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Write(ask) => {
                match &ask.body {
                    Body::Request(Request::Donate(it)) => write!(
                        f,
                        "{} gives {} to {}: {}",
                        it.user_id, it.amount, it.campaign_id, it.id
                    )?,
                    Body::Request(Request::Confirm(it)) => {
                        write!(f, "{} confirms {}", it.user_id, it.id)?
                    }
                    Body::Request(Request::Cancel(it)) => {
                        write!(f, "{} cancels {}", it.user_id, it.id)?
                    }
                    Body::CardNumber(it) => {
                        write!(f, "{} sends a card's number: {}", it.user_id, it.id)?
                    }
                    Body::Garbage(bytes) => {
                        write!(f, "somebody sends what nobody can read: {bytes:02x?}")?
                    }
                }
                ask.partition
                    .map_or(Ok(()), |at| write!(f, ", to partition {at} by mistake"))
            }
            Self::Kill {
                slot,
                back_after_ms,
            } => write!(
                f,
                "process {slot} dies, and is back after {back_after_ms} ms"
            ),
            Self::Freeze { slot, for_ms } => {
                write!(f, "process {slot} is suspended for {for_ms} ms")
            }
            Self::Lose {
                partition,
                told_after_ms,
            } => {
                write!(
                    f,
                    "partition {partition} is taken away; its owner hears of it after {told_after_ms} ms"
                )
            }
            Self::HandOver { partition } => write!(f, "partition {partition} is handed over"),
            Self::StoreDown { for_ms } => write!(
                f,
                "a commit of the store fails; it is open again after {for_ms} ms"
            ),
            Self::BrokerDown { for_ms } => {
                write!(f, "the broker acknowledges nothing for {for_ms} ms")
            }
            Self::LeaderChange {
                partition,
                for_ms,
                twice,
                forgotten,
            } => write!(
                f,
                "partition {partition} has no leader for {for_ms} ms; then {twice} records are fetched twice, and {forgotten} \
                 commits are forgotten"
            ),
            Self::Twin { for_ms } => {
                write!(f, "a second process runs on the store for {for_ms} ms")
            }
            Self::PartitionAdded { for_ms } => {
                write!(f, "the topic has a partition more for {for_ms} ms")
            }
            Self::Backup => f.write_str("the store is copied"),
            Self::Restore { back_after_ms } => write!(
                f,
                "the copy takes the store's place; processes start after {back_after_ms} ms"
            ),
            Self::GatewayDown { for_ms } => write!(f, "the gateway is down for {for_ms} ms"),
            Self::Retention { partition } => {
                write!(
                    f,
                    "retention drops what partition {partition} has, if nobody reads it"
                )
            }
            Self::Campaign {
                id, is_open: true, ..
            } => write!(f, "campaign {id} opens"),
            Self::Campaign { id, .. } => write!(f, "campaign {id} closes"),
        }
    }
}

/// The id of the nth donation.
#[must_use]
pub fn id(n: u32) -> DonationId {
    DonationId(u128::from(n).to_be_bytes())
}

/// The euro: the currency of every campaign here.
#[must_use]
pub fn euro() -> Currency {
    Currency::from_code("EUR").unwrap()
}

/// The nth donation.
#[must_use]
pub fn donation(n: u32, user: &str, campaign: &str, amount_minor: u64) -> DonationRequest {
    DonationRequest {
        id: id(n),
        user_id: UserId::parse(user).unwrap(),
        campaign_id: CampaignId::parse(campaign).unwrap(),
        amount: Money::new(amount_minor, euro()).unwrap(),
        payment_method: "pm_card_visa".into(),
        gateway_customer: None,
        information: None,
    }
}

/// An answer to a hold of the nth donation.
#[must_use]
pub fn hold_answer(n: u32, user: &str) -> HoldAnswer {
    HoldAnswer {
        id: id(n),
        user_id: UserId::parse(user).unwrap(),
    }
}
