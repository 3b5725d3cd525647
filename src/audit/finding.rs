//! What is wrong: each finding names the donation or the intent, says what is the matter, and what to do.

use almoner_domain::donation::State;
use almoner_domain::ids::{CampaignId, DonationId};
use almoner_domain::money::{Currency, Money};

use super::report::CurrencyTotals;
use crate::gateway::GatewayAmount;

/// A difference between our books and the gateway's, or within ours. Its text is a sentence for a person.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Finding {
    /// More than one unreversed successful charge for one donation (I2).
    #[error(
        "the gateway charged this donation more than once: {charged} by this intent, beside {}",
        named(recorded_intent)
    )]
    ChargedTwice {
        /// The donation.
        donation_id: DonationId,
        /// The surplus intent.
        intent_id: Box<str>,
        /// The one that stands for the donation in the books, where they name it.
        recorded_intent: Option<Box<str>>,
        /// What it charged.
        charged: GatewayAmount,
    },
    /// Charged at the gateway, while the books say that it was not and will not be, or was not even sent.
    #[error("the gateway charged {charged}, but in the books the donation is {}", state.as_str())]
    ChargedAgainstBooks {
        /// The donation.
        donation_id: DonationId,
        /// The intent that charged.
        intent_id: Box<str>,
        /// Failed, cancelled, held or accepted.
        state: State,
        /// What it charged.
        charged: GatewayAmount,
    },
    /// Charged at the gateway for a donation that the books do not have.
    #[error("the gateway charged {charged} for a donation that the books do not know")]
    ChargeNotKnown {
        /// The donation as the intent names it.
        donation_id: Box<str>,
        /// The intent that charged.
        intent_id: Box<str>,
        /// What it charged.
        charged: GatewayAmount,
    },
    /// Succeeded here, and the gateway shows no charge.
    #[error(
        "the books say that {recorded} were charged by {}, but the gateway has no such charge",
        named(recorded_intent)
    )]
    NotAtGateway {
        /// The donation.
        donation_id: DonationId,
        /// The intent in the books, where they name it.
        recorded_intent: Option<Box<str>>,
        /// What the books say.
        recorded: Money,
    },
    /// Succeeded here with one intent, charged with another.
    #[error(
        "the gateway charged {charged} by this intent, and nothing by {}, which the books name",
        named(recorded_intent)
    )]
    OtherIntent {
        /// The donation.
        donation_id: DonationId,
        /// The intent that charged.
        intent_id: Box<str>,
        /// The intent in the books.
        recorded_intent: Option<Box<str>>,
        /// What it charged.
        charged: GatewayAmount,
    },
    /// Another amount here than at the gateway.
    #[error(
        "the gateway charged {charged}, but the donation is of {}",
        shown(recorded)
    )]
    OtherAmount {
        /// The donation.
        donation_id: DonationId,
        /// Its intent.
        intent_id: Box<str>,
        /// What the books say.
        recorded: Option<Money>,
        /// What was charged.
        charged: GatewayAmount,
    },
    /// Another currency here than at the gateway.
    #[error(
        "the gateway charged {charged}, but the donation is of {}: another currency",
        shown(recorded)
    )]
    OtherCurrency {
        /// The donation.
        donation_id: DonationId,
        /// Its intent.
        intent_id: Box<str>,
        /// What the books say.
        recorded: Option<Money>,
        /// What was charged.
        charged: GatewayAmount,
    },
    /// Given back at the gateway, and the books do not know.
    #[error("the gateway gave {refunded} back, but in the books the donation stands in full")]
    RefundNotKnown {
        /// The donation.
        donation_id: DonationId,
        /// Its intent.
        intent_id: Box<str>,
        /// What was given back.
        refunded: GatewayAmount,
    },
    /// A success that does not name its charge.
    #[error("the books say that it succeeded, but not by which charge")]
    NoChargeId {
        /// The donation.
        donation_id: DonationId,
        /// Its intent, where the books name it.
        intent_id: Option<Box<str>>,
    },
    /// Movements without their campaign's day.
    #[error("campaign {campaign_id} has no sum for {day}, but {} by movements", counted(*moved_minor, *movements, *currency))]
    DayMissing {
        /// The campaign.
        campaign_id: CampaignId,
        /// The currency.
        currency: Currency,
        /// The UTC day, `YYYY-MM-DD`.
        day: String,
        /// The movements' sum.
        moved_minor: i64,
        /// How many movements.
        movements: u64,
    },
    /// A campaign's day and its movements differ.
    #[error(
        "campaign {campaign_id} has {} for {day}, but {} by movements",
        counted(*recorded_minor, *recorded, *currency), counted(*moved_minor, *movements, *currency)
    )]
    DayDiffers {
        /// The campaign.
        campaign_id: CampaignId,
        /// The currency.
        currency: Currency,
        /// The UTC day, `YYYY-MM-DD`.
        day: String,
        /// The day's sum.
        recorded_minor: i64,
        /// How many movements the day counts.
        recorded: u64,
        /// The movements' sum.
        moved_minor: i64,
        /// How many movements.
        movements: u64,
    },
    /// The sums of one currency do not agree.
    #[error("the sums in {currency} differ: {}", totals.in_words(*currency))]
    TotalsDiffer {
        /// The currency.
        currency: Currency,
        /// Its sums.
        totals: CurrencyTotals,
    },
}

impl Finding {
    /// Which kind it is, for programs: a word that never changes.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::ChargedTwice { .. } => "charged_twice",
            Self::ChargedAgainstBooks { state, .. } => match state {
                State::Failed => "charged_but_failed",
                State::Cancelled => "charged_but_cancelled",
                State::Held => "charged_but_held",
                _ => "charged_but_not_sent",
            },
            Self::ChargeNotKnown { .. } => "charge_not_known",
            Self::NotAtGateway { .. } => "not_at_gateway",
            Self::OtherIntent { .. } => "other_intent",
            Self::OtherAmount { .. } => "other_amount",
            Self::OtherCurrency { .. } => "other_currency",
            Self::RefundNotKnown { .. } => "refund_not_known",
            Self::NoChargeId { .. } => "no_charge_id",
            Self::DayMissing { .. } => "day_missing",
            Self::DayDiffers { .. } => "day_differs",
            Self::TotalsDiffer { .. } => "totals_differ",
        }
    }

    /// The donation that it is about.
    #[must_use]
    pub fn donation_id(&self) -> Option<String> {
        match self {
            Self::ChargeNotKnown { donation_id, .. } => Some(donation_id.to_string()),
            Self::ChargedTwice { donation_id, .. }
            | Self::ChargedAgainstBooks { donation_id, .. }
            | Self::NotAtGateway { donation_id, .. }
            | Self::OtherIntent { donation_id, .. }
            | Self::OtherAmount { donation_id, .. }
            | Self::OtherCurrency { donation_id, .. }
            | Self::RefundNotKnown { donation_id, .. }
            | Self::NoChargeId { donation_id, .. } => Some(donation_id.to_string()),
            Self::DayMissing { .. } | Self::DayDiffers { .. } | Self::TotalsDiffer { .. } => None,
        }
    }

    /// The gateway's intent that it is about.
    #[must_use]
    pub fn intent_id(&self) -> Option<&str> {
        match self {
            Self::ChargedTwice { intent_id, .. }
            | Self::ChargedAgainstBooks { intent_id, .. }
            | Self::ChargeNotKnown { intent_id, .. }
            | Self::OtherIntent { intent_id, .. }
            | Self::OtherAmount { intent_id, .. }
            | Self::OtherCurrency { intent_id, .. }
            | Self::RefundNotKnown { intent_id, .. } => Some(intent_id),
            Self::NoChargeId { intent_id, .. } => intent_id.as_deref(),
            Self::NotAtGateway {
                recorded_intent, ..
            } => recorded_intent.as_deref(),
            Self::DayMissing { .. } | Self::DayDiffers { .. } | Self::TotalsDiffer { .. } => None,
        }
    }

    /// What a person should do about it.
    #[must_use]
    pub fn todo(&self) -> &'static str {
        match self {
            Self::ChargedTwice { .. } => {
                "refund this intent at the gateway; the user was charged twice, so report it as a defect"
            }
            Self::ChargedAgainstBooks { .. } => {
                "the user was told that nothing was charged: refund this intent at the gateway, then look for the \
                 sends of the donation in the store, and report it as a defect"
            }
            Self::ChargeNotKnown { .. } => {
                "check that store and gateway account belong together (another store's charges, a restored backup?); \
                 if they do, look for its request on the topic, and refund the intent if there is none"
            }
            Self::NotAtGateway { .. } => {
                "check that store and gateway account belong together; if they do, look the intent up at the gateway, \
                 and do not pay this amount out"
            }
            Self::OtherIntent { .. } => {
                "look both intents up at the gateway; if only this one charged, the books name the wrong one: report it"
            }
            Self::OtherAmount { .. } | Self::OtherCurrency { .. } => {
                "compare the request on the topic, the donation in the store and the intent; refund what is too much, \
                 and do not pay the difference out"
            }
            Self::RefundNotKnown { .. } => {
                "somebody refunded it past the runtime: take the amount from what the campaign is paid"
            }
            Self::NoChargeId { .. } => {
                "look the charge up at the gateway by its intent; refunds and disputes will name the charge"
            }
            Self::DayMissing { .. } | Self::DayDiffers { .. } => {
                "compare the gateway's charges of that campaign and day with both; do not pay the day out before they \
                 agree, and report it as a defect"
            }
            Self::TotalsDiffer { .. } => {
                "the findings with an id explain it; where there is none, the store was changed from outside: compare \
                 it with a backup"
            }
        }
    }
}

/// The findings of an audit, as many as a person can use.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Findings {
    /// The findings.
    pub kept: Vec<Finding>,
    /// How many more there were.
    pub left_out: u64,
}

impl Findings {
    /// So many are kept; a store held against another one's gateway has millions.
    pub const KEPT_MAX: usize = 10_000;

    /// Whether nothing was found.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.kept.is_empty() && self.left_out == 0
    }

    /// How many there are, those left out included.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.kept.len() as u64 + self.left_out
    }

    pub(super) fn push(&mut self, finding: Finding) {
        if self.kept.len() < Self::KEPT_MAX {
            self.kept.push(finding);
        } else {
            self.leave_out();
        }
    }

    pub(super) fn leave_out(&mut self) {
        self.left_out += 1;
    }

    /// The same order for the same findings: by kind, then by donation and intent.
    pub(super) fn sorted(mut self) -> Self {
        self.kept.sort_by_cached_key(|it| {
            let intent_id = it.intent_id().map(str::to_owned);
            (it.rank(), it.donation_id(), intent_id, it.to_string())
        });
        self
    }
}

impl Finding {
    /// Where the intent belongs that the books name for the donation: an audit does not remember its name.
    pub(super) fn recorded_intent(&mut self) -> Option<(DonationId, &mut Option<Box<str>>)> {
        match self {
            Self::ChargedTwice {
                donation_id,
                recorded_intent,
                ..
            }
            | Self::NotAtGateway {
                donation_id,
                recorded_intent,
                ..
            }
            | Self::OtherIntent {
                donation_id,
                recorded_intent,
                ..
            } => Some((*donation_id, recorded_intent)),
            _ => None,
        }
    }

    /// What hurts most comes first.
    fn rank(&self) -> u8 {
        match self {
            Self::ChargedTwice { .. } => 0,
            Self::ChargedAgainstBooks { .. } => 1,
            Self::ChargeNotKnown { .. } => 2,
            Self::NotAtGateway { .. } => 3,
            Self::OtherIntent { .. } => 4,
            Self::OtherCurrency { .. } => 5,
            Self::OtherAmount { .. } => 6,
            Self::RefundNotKnown { .. } => 7,
            Self::NoChargeId { .. } => 8,
            Self::DayMissing { .. } => 9,
            Self::DayDiffers { .. } => 10,
            Self::TotalsDiffer { .. } => 11,
        }
    }
}

fn shown(money: &Option<Money>) -> String {
    money.map_or_else(|| "nothing".to_owned(), |money| money.to_string())
}

fn named(intent_id: &Option<Box<str>>) -> &str {
    intent_id.as_deref().unwrap_or("its own intent")
}

fn counted(amount_minor: i64, count: u64, currency: Currency) -> String {
    let amount = super::text::amount(i128::from(amount_minor), currency);
    format!("{amount} {currency} ({count})")
}
