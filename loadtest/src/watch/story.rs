//! For tests: a donation and what the service tells of it.

use std::sync::Arc;

use almoner_domain::donation::Donation;
use almoner_domain::ids::{CampaignId, DonationId, Place, UserId};
use almoner_domain::money::{Currency, Money};
use almoner_domain::outcome::{self, OutcomeView, Rejection, RejectionReason, Told};
use almoner_domain::request::{DonationRequest, Request, encode};

use crate::planned::{Kind, Planned};

/// One donation of a test.
pub(crate) struct Story {
    pub(crate) donation: Donation,
}

/// An outcome as it stands on the topic.
#[derive(Clone)]
pub(crate) struct Bytes(Vec<u8>);

impl Bytes {
    pub(crate) fn view(&self) -> OutcomeView<'_> {
        outcome::decode(&self.0).unwrap()
    }
}

impl Story {
    /// The nth donation, its request at offset n.
    pub(crate) fn new(n: u32) -> Self {
        let request = DonationRequest {
            id: DonationId(
                uuid::Builder::from_random_bytes(u128::from(n).to_be_bytes())
                    .into_uuid()
                    .into_bytes(),
            ),
            user_id: UserId::parse(&format!("user-{n}")).unwrap(),
            campaign_id: CampaignId::parse("campaign-1").unwrap(),
            amount: Money::new(
                1_000 + u64::from(n % 3),
                Currency::from_code(["EUR", "JPY"][n as usize % 2]).unwrap(),
            )
            .unwrap(),
            payment_method: "pm_card_visa".into(),
            gateway_customer: None,
            information: None,
        };
        Self {
            donation: Donation {
                request,
                place: place(n.into()),
                shard_offset: n.into(),
                recorded_at_ms: 0,
                accepted_at_ms: 0,
                body_version: 1,
                trace: None,
            },
        }
    }

    pub(crate) fn id(&self) -> DonationId {
        self.donation.request.id
    }

    pub(crate) fn planned(&self, kind: Kind) -> Planned {
        let request = self.donation.request.clone();
        let is_answer = matches!(kind, Kind::Confirm | Kind::Cancel);
        Planned {
            key: request.user_id.to_string(),
            value: encode(&Request::Donate(request.clone())),
            kind,
            id: Some(request.id),
            request: (!is_answer).then_some(request),
        }
    }

    /// The copy that answers the donation's own request.
    pub(crate) fn outcome(&self, told: &Told) -> Bytes {
        self.outcome_for(told, self.donation.place.offset)
    }

    pub(crate) fn outcome_for(&self, told: &Told, offset: i64) -> Bytes {
        Bytes(outcome::encode(&self.donation, told, &place(offset)).value)
    }

    pub(crate) fn rejection(
        &self,
        request_type: &str,
        reason: RejectionReason,
        offset: i64,
    ) -> Bytes {
        let rejection = Rejection {
            request_type: request_type.into(),
            donation_id: self.id(),
            user_id: self.donation.request.user_id.clone(),
            reason,
            field: None,
            detail: "".into(),
        };
        Bytes(rejection.encode(1, &place(offset), None).value)
    }
}

fn place(offset: i64) -> Place {
    Place {
        topic: Arc::from("donations.requests"),
        partition: 0,
        offset,
    }
}

/// What is told.
pub(crate) mod told {
    use almoner_domain::donation::{PendingKind, State};
    use almoner_domain::ids::DonationId;
    use almoner_domain::outcome::{Reason, Told, What};

    pub(crate) fn succeeded(sequence: u32) -> Told {
        let gateway_charge_id = "ch_1".into();
        told(
            sequence,
            State::Succeeded,
            What::Succeeded { gateway_charge_id },
        )
    }

    pub(crate) fn failed(sequence: u32) -> Told {
        failed_as(sequence, Reason::CardDeclined)
    }

    pub(crate) fn failed_as(sequence: u32, reason: Reason) -> Told {
        let decline_code = None;
        told(
            sequence,
            State::Failed,
            What::Failed {
                reason,
                decline_code,
            },
        )
    }

    pub(crate) fn cancelled(sequence: u32, reason: Reason) -> Told {
        told(sequence, State::Cancelled, What::Cancelled { reason })
    }

    pub(crate) fn held(sequence: u32) -> Told {
        let what = What::NeedsConfirmation {
            duplicate_of: DonationId([7; 16]),
            expires_at_ms: 9,
        };
        told(sequence, State::Held, what)
    }

    pub(crate) fn pending(sequence: u32) -> Told {
        let what = What::Pending {
            kind: PendingKind::Unknown,
            retry_at_ms: 9,
        };
        told(sequence, State::Unknown, what)
    }

    fn told(sequence: u32, status: State, what: What) -> Told {
        Told {
            sequence,
            occurred_at_ms: sequence.into(),
            status,
            attempts: 0,
            what,
        }
    }
}
