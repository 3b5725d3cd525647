//! Objects as Stripe writes them in JSON.

pub(crate) mod intent;

use std::fmt::Display;

use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

use super::answer::ErrorKind;
use super::decline::Decline;
use super::event::{RefundReason, RefundTerms};
use super::ids::{ChargeId, IntentId, RefundId};
use super::intents::{Intent, Status, Version};

/// A value that is written as its text.
struct Text<T>(T);

impl<T: Display> Serialize for Text<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

#[derive(Serialize)]
struct Empty {}

/// A refusal of the card, with the intent where it is an answer of its own.
#[derive(Serialize)]
pub(crate) struct CardError<'a> {
    r#type: ErrorKind,
    code: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    decline_code: Option<&'static str>,
    message: &'static str,
    charge: ChargeId,
    doc_url: Text<DocUrl>,
    payment_method: MethodObject<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    payment_intent: Option<Box<RawValue>>,
}

struct DocUrl(&'static str);

impl Display for DocUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "https://stripe.com/docs/error-codes/{}",
            self.0.replace('_', "-")
        )
    }
}

/// A charge: a try on the card.
#[derive(Serialize)]
pub(crate) struct ChargeObject<'a> {
    id: ChargeId,
    object: &'static str,
    amount: i64,
    amount_captured: i64,
    amount_refunded: i64,
    application: Option<()>,
    application_fee: Option<()>,
    application_fee_amount: Option<()>,
    balance_transaction: Option<()>,
    billing_details: BillingDetails,
    captured: bool,
    created: i64,
    currency: &'a str,
    customer: Option<&'a str>,
    description: Option<&'a str>,
    disputed: bool,
    failure_code: Option<&'static str>,
    failure_message: Option<&'static str>,
    livemode: bool,
    metadata: &'a RawValue,
    outcome: Option<Outcome>,
    paid: bool,
    payment_intent: IntentId,
    payment_method: &'a str,
    payment_method_details: MethodDetails,
    receipt_email: Option<&'a str>,
    receipt_number: Option<()>,
    receipt_url: Option<()>,
    refunded: bool,
    status: &'static str,
    transfer_group: Option<&'a str>,
}

#[derive(Serialize)]
struct Outcome {
    network_status: &'static str,
    reason: Option<&'static str>,
    seller_message: &'static str,
    r#type: &'static str,
}

#[derive(Serialize)]
struct BillingDetails {
    address: Address,
    email: Option<()>,
    name: Option<()>,
    phone: Option<()>,
    tax_id: Option<()>,
}

#[derive(Serialize)]
struct Address {
    city: Option<()>,
    country: Option<()>,
    line1: Option<()>,
    line2: Option<()>,
    postal_code: Option<()>,
    state: Option<()>,
}

#[derive(Serialize)]
struct MethodDetails {
    card: Card,
    r#type: &'static str,
}

#[derive(Serialize)]
struct Card {
    brand: &'static str,
    country: &'static str,
    exp_month: u8,
    exp_year: u16,
    funding: &'static str,
    last4: &'static str,
}

/// A payment method. Every simulated card looks like Stripe's test Visa.
#[derive(Serialize)]
pub(crate) struct MethodObject<'a> {
    id: &'a str,
    object: &'static str,
    allow_redisplay: &'static str,
    billing_details: BillingDetails,
    card: Card,
    created: i64,
    customer: Option<&'a str>,
    livemode: bool,
    metadata: Empty,
    r#type: &'static str,
}

/// A refund.
#[derive(Serialize)]
pub(crate) struct RefundObject<'a> {
    id: RefundId,
    object: &'static str,
    amount: i64,
    balance_transaction: Option<()>,
    charge: ChargeId,
    created: i64,
    currency: &'a str,
    metadata: &'a RawValue,
    payment_intent: IntentId,
    reason: Option<RefundReason>,
    receipt_number: Option<()>,
    source_transfer_reversal: Option<()>,
    status: &'static str,
    transfer_reversal: Option<()>,
}

const CARD: Card = Card {
    brand: "visa",
    country: "US",
    exp_month: 12,
    exp_year: 2034,
    funding: "credit",
    last4: "4242",
};

const BILLING_DETAILS: BillingDetails = BillingDetails {
    address: Address {
        city: None,
        country: None,
        line1: None,
        line2: None,
        postal_code: None,
        state: None,
    },
    email: None,
    name: None,
    phone: None,
    tax_id: None,
};

/// The refusal that the intent's version ended in, with the intent itself.
pub(crate) fn declined(of: &Intent, version: u16) -> Option<CardError<'_>> {
    let at = of.at(version);
    let error = card_error(of, at, at.decline?)?;
    let payment_intent = intent::embedded(of, version);
    Some(CardError {
        payment_intent,
        ..error
    })
}

pub(super) fn card_error<'a>(
    of: &'a Intent,
    at: &Version,
    decline: Decline,
) -> Option<CardError<'a>> {
    let nth = at.charges.checked_sub(1)?;
    let (code, decline_code, message) = decline.words();
    Some(CardError {
        r#type: ErrorKind::CardError,
        code,
        decline_code,
        message,
        charge: ChargeId { intent: of.id, nth },
        doc_url: Text(DocUrl(code)),
        payment_method: method(&of.charge(nth)?.method, of.terms.created_ms / 1000),
        payment_intent: None,
    })
}

/// The intent's so-many-th charge, as it stood in this version.
pub(crate) fn charge<'a>(of: &'a Intent, at: &Version, nth: u8) -> Option<ChargeObject<'a>> {
    let (it, terms) = (of.charge(nth)?, &*of.terms);
    let is_latest = nth + 1 == at.charges;
    let status = match it.decline {
        Some(_) => "failed",
        None if is_latest && at.status == Status::Processing => "pending",
        None => "succeeded",
    };
    let paid = status == "succeeded";
    let words = it.decline.map(Decline::words);
    let outcome = match words {
        Some((code, decline_code, _)) => Some(Outcome {
            network_status: "declined_by_network",
            reason: Some(decline_code.unwrap_or(code)),
            seller_message: "The bank did not return any further details with this decline.",
            r#type: "issuer_declined",
        }),
        None => paid.then_some(Outcome {
            network_status: "approved_by_network",
            reason: None,
            seller_message: "Payment complete.",
            r#type: "authorized",
        }),
    };
    let refunded = if paid { at.refunded } else { 0 };
    Some(ChargeObject {
        id: ChargeId { intent: of.id, nth },
        object: "charge",
        amount: terms.amount,
        amount_captured: if paid { terms.amount } else { 0 },
        amount_refunded: refunded,
        application: None,
        application_fee: None,
        application_fee_amount: None,
        balance_transaction: None,
        billing_details: BILLING_DETAILS,
        captured: paid,
        created: it.created_ms / 1000,
        currency: terms.currency.as_str(),
        customer: terms.customer.as_deref(),
        description: terms.description.as_deref(),
        disputed: false,
        failure_code: words.map(|(code, ..)| code),
        failure_message: words.map(|(_, _, message)| message),
        livemode: false,
        metadata: terms.metadata.raw(),
        outcome,
        paid,
        payment_intent: of.id,
        payment_method: &it.method,
        payment_method_details: MethodDetails {
            card: CARD,
            r#type: "card",
        },
        receipt_email: terms.receipt_email.as_deref(),
        receipt_number: None,
        receipt_url: None,
        refunded: paid && refunded == terms.amount,
        status,
        transfer_group: terms.transfer_group.as_deref(),
    })
}

/// The method of this name.
pub(crate) fn method(id: &str, created_s: i64) -> MethodObject<'_> {
    MethodObject {
        id,
        object: "payment_method",
        allow_redisplay: "unspecified",
        billing_details: BILLING_DETAILS,
        card: CARD,
        created: created_s,
        customer: None,
        livemode: false,
        metadata: Empty {},
        r#type: "card",
    }
}

/// The refund.
pub(crate) fn refund(id: RefundId, terms: &RefundTerms) -> RefundObject<'_> {
    RefundObject {
        id,
        object: "refund",
        amount: terms.amount,
        balance_transaction: None,
        charge: terms.charge,
        created: terms.created_ms / 1000,
        currency: terms.currency.as_str(),
        metadata: terms.metadata.raw(),
        payment_intent: terms.charge.intent,
        reason: terms.reason,
        receipt_number: None,
        source_transfer_reversal: None,
        status: "succeeded",
        transfer_reversal: None,
    }
}
