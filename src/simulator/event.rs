//! What can happen in the simulator's world, as its journal records it. State is nothing but these, applied in order.

use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, de};
use serde_json::value::RawValue;

use super::answer::Answer;
use super::currency::{AMOUNT_MAX, Currency};
use super::decline::Decline;
use super::ids::{ChargeId, IntentId, RefundId};

/// One thing that happened. Amounts are in the currency's smallest unit, as Stripe counts them.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// A payment intent came to be. No money has moved.
    Created {
        /// The new intent.
        intent: IntentId,
        /// What it asks for.
        terms: Arc<Terms>,
        /// Set where the request was left indeterminate: before this time nobody can see the intent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        visible_from_ms: Option<i64>,
    },
    /// Money moved: the card was charged.
    Charged {
        /// The intent that has succeeded with it.
        intent: IntentId,
        /// The charge.
        charge: ChargeId,
        /// How much.
        amount: i64,
        /// Of what.
        currency: Currency,
        /// From which card.
        payment_method: Arc<str>,
    },
    /// The card refused; the method is detached from the intent.
    Declined {
        /// The intent, which can be confirmed again.
        intent: IntentId,
        /// The charge that failed.
        charge: ChargeId,
        /// The card that refused.
        payment_method: Arc<str>,
        /// Why.
        decline: Decline,
    },
    /// The card will answer later.
    Processing {
        /// The intent that waits for it.
        intent: IntentId,
        /// The charge that is pending.
        charge: ChargeId,
        /// The card.
        payment_method: Arc<str>,
        /// When it will have answered.
        until_ms: i64,
    },
    /// The user must act before the card can be charged.
    ActionRequired {
        /// The intent that waits for it.
        intent: IntentId,
        /// The card.
        payment_method: Arc<str>,
    },
    /// A confirm was left indeterminate (its caller was told 500) and will be carried out later.
    Deferred {
        /// The intent to be confirmed.
        intent: IntentId,
        /// The card to be charged.
        payment_method: Arc<str>,
        /// Whether the user is away.
        off_session: bool,
        /// When it will be carried out.
        due_ms: i64,
    },
    /// The deferred confirm's time has come; what it did follows in the same record.
    Resumed {
        /// The intent.
        intent: IntentId,
    },
    /// The intent will never charge any more.
    Canceled {
        /// The intent.
        intent: IntentId,
        /// Stripe's word for why.
        reason: CancelReason,
    },
    /// Money went back.
    Refunded {
        /// The refund.
        refund: RefundId,
        /// What is refunded, how much, and why.
        terms: Arc<RefundTerms>,
    },
    /// The answer to an idempotency key was stored, to be repeated for as long as the key lives.
    KeyStored {
        /// The key.
        key: Box<str>,
        /// A hash of the request's path and parameters.
        fingerprint: u64,
        /// The key's life counts from here.
        first_used_ms: i64,
        /// What is repeated.
        answer: Answer,
    },
}

/// What a payment intent asks for; fixed at its creation.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Terms {
    /// When it was created.
    pub created_ms: i64,
    /// How much, in the currency's smallest unit as Stripe counts it.
    #[serde(deserialize_with = "amount")]
    pub amount: i64,
    /// Of what.
    pub currency: Currency,
    /// The method it was created with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payment_method: Option<Arc<str>>,
    /// Whose method it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub customer: Option<Box<str>>,
    /// Groups charges with the transfers that they pay for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transfer_group: Option<Box<str>>,
    /// A sentence for the owner of the account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<Box<str>>,
    /// Where a receipt would go.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub receipt_email: Option<Box<str>>,
    /// What the caller attached.
    pub metadata: Metadata,
}

/// What a refund gives back.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RefundTerms {
    /// When it was created.
    pub created_ms: i64,
    /// The charge that it gives back.
    pub charge: ChargeId,
    /// How much.
    #[serde(deserialize_with = "amount")]
    pub amount: i64,
    /// Of what.
    pub currency: Currency,
    /// Stripe's word for why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<RefundReason>,
    /// What the caller attached.
    pub metadata: Metadata,
}

/// An amount as an intent can have one: sums of such do not overflow.
fn amount<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i64, D::Error> {
    let amount = i64::deserialize(deserializer)?;
    if (0..=AMOUNT_MAX).contains(&amount) {
        Ok(amount)
    } else {
        Err(de::Error::invalid_value(
            de::Unexpected::Signed(amount),
            &"an amount",
        ))
    }
}

/// Why an intent was cancelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CancelReason {
    /// The caller gave no reason.
    Unnamed,
    /// It would have been a second one.
    Duplicate,
    /// Taken for fraud.
    Fraudulent,
    /// The user asked for it.
    RequestedByCustomer,
    /// The user went away.
    Abandoned,
    /// The gateway did it, after too many confirms.
    Automatic,
}

/// Why a charge was refunded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RefundReason {
    /// It was a second one.
    Duplicate,
    /// Taken for fraud.
    Fraudulent,
    /// The user asked for it.
    RequestedByCustomer,
}

/// Texts under names, kept as the JSON object that every answer repeats.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Metadata(Box<RawValue>);

impl Event {
    /// The intent that it happened to.
    pub fn intent(&self) -> Option<IntentId> {
        match self {
            Self::Created { intent, .. }
            | Self::Charged { intent, .. }
            | Self::Declined { intent, .. }
            | Self::Processing { intent, .. }
            | Self::ActionRequired { intent, .. }
            | Self::Deferred { intent, .. }
            | Self::Resumed { intent }
            | Self::Canceled { intent, .. } => Some(*intent),
            Self::Refunded { terms, .. } => Some(terms.charge.intent),
            Self::KeyStored { .. } => None,
        }
    }
}

impl Metadata {
    /// Writes the pairs as one object; an empty value leaves its name out, as Stripe does.
    pub(crate) fn new<'a>(pairs: impl Iterator<Item = (&'a str, &'a str)>) -> Self {
        let mut json = String::with_capacity(192);
        for (name, value) in pairs.filter(|(_, value)| !value.is_empty()) {
            json.push(if json.is_empty() { '{' } else { ',' });
            push_text(&mut json, name);
            json.push(':');
            push_text(&mut json, value);
        }
        json.push_str(if json.is_empty() { "{}" } else { "}" });
        Self(RawValue::from_string(json).unwrap_or_else(|_| RawValue::NULL.to_owned()))
    }

    /// The value under this name.
    pub fn get(&self, name: &str) -> Option<String> {
        let mut all: std::collections::HashMap<String, String> =
            serde_json::from_str(self.0.get()).ok()?;
        all.remove(name)
    }

    /// The JSON object.
    pub fn json(&self) -> &str {
        self.0.get()
    }

    pub(crate) fn raw(&self) -> &RawValue {
        &self.0
    }
}

/// Appends the text as JSON writes it.
pub(crate) fn push_text(json: &mut String, text: &str) {
    let plain = |byte: &u8| matches!(byte, b' ' | b'!' | b'#'..=b'[' | b']'..=b'~');
    if text.as_bytes().iter().all(plain) {
        json.push('"');
        json.push_str(text);
        json.push('"');
    } else {
        json.push_str(&serde_json::Value::from(text).to_string());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_is_an_object_of_texts() {
        let pairs = [
            ("donation_id", "d-1"),
            ("note", "say \"é\"\n"),
            ("empty", ""),
        ];
        let metadata = Metadata::new(pairs.into_iter());
        assert_eq!(metadata.get("donation_id").as_deref(), Some("d-1"));
        assert_eq!(metadata.get("note").as_deref(), Some("say \"é\"\n"));
        assert_eq!(metadata.get("empty"), None);
        assert_eq!(Metadata::new(std::iter::empty()).json(), "{}");
    }
}
