//! One message that a user's front end sends.

use almoner_domain::ids::DonationId;
use almoner_domain::request::{DonationRequest, Request, encode};

/// A message to publish on the requests topic.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Planned {
    /// The record's key: the user's id.
    pub key: String,
    /// The record's value.
    pub value: Vec<u8>,
    /// Why it is sent.
    pub kind: Kind,
    /// The donation that it is about; none in garbage.
    pub id: Option<DonationId>,
    /// What it asks for, where that can be said: not in garbage, nor in what asks for the impossible, nor in answers.
    pub request: Option<DonationRequest>,
}

impl Planned {
    /// The same request again, of somebody who heard no end of it.
    #[must_use]
    pub fn repeat(request: &DonationRequest) -> Self {
        Self {
            key: request.user_id.as_str().to_owned(),
            value: encode(&Request::Donate(request.clone())),
            kind: Kind::Repeat,
            id: Some(request.id),
            request: Some(request.clone()),
        }
    }
}

/// Why a message is sent.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Kind {
    /// A new donation.
    First,
    /// A client asks again under the same id, since it heard nothing.
    Repeat,
    /// The same user gives the same to the same campaign within seconds, under a new id.
    DoubleClick {
        /// The donation that was meant once.
        of: DonationId,
    },
    /// It cannot be done.
    Bad(Bad),
    /// Yes to a suspected double.
    Confirm,
    /// No to a suspected double.
    Cancel,
}

/// What is wrong with a request that cannot be done.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Bad {
    /// Its amount is 0: it is rejected.
    ZeroAmount,
    /// Nobody knows its currency: it is rejected.
    UnknownCurrency,
    /// Its campaign takes nothing: it fails.
    ClosedCampaign,
    /// Nobody knows its campaign: it fails, unless such campaigns are accepted.
    UnknownCampaign,
    /// Nobody can read it: it is a dead letter.
    Garbage,
}
