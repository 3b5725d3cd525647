//! Objects as Stripe writes them in JSON.

use std::fmt::Display;

use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

use super::answer::ErrorKind;
use super::decline::Decline;
use super::event::{CancelReason, RefundReason, RefundTerms};
use super::ids::{ChargeId, IntentId, RefundId};
use super::intents::{Intent, Status, Version};
use super::mix;

/// A value that is written as its text.
struct Text<T>(T);

impl<T: Display> Serialize for Text<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

#[derive(Serialize)]
struct Empty {}

/// A payment intent in one of its versions.
#[derive(Serialize)]
pub(crate) struct IntentObject<'a> {
    id: IntentId,
    object: &'static str,
    amount: i64,
    amount_capturable: i64,
    amount_details: AmountDetails,
    amount_received: i64,
    application: Option<()>,
    application_fee_amount: Option<()>,
    automatic_payment_methods: Option<()>,
    canceled_at: Option<i64>,
    cancellation_reason: Option<&'static str>,
    capture_method: &'static str,
    client_secret: Text<ClientSecret>,
    confirmation_method: &'static str,
    created: i64,
    currency: &'a str,
    customer: Option<&'a str>,
    description: Option<&'a str>,
    last_payment_error: Option<CardError<'a>>,
    latest_charge: Option<MaybeExpanded<'a>>,
    livemode: bool,
    metadata: &'a RawValue,
    next_action: Option<NextAction>,
    on_behalf_of: Option<()>,
    payment_method: Option<&'a str>,
    payment_method_options: MethodOptions,
    payment_method_types: [&'static str; 1],
    processing: Option<()>,
    receipt_email: Option<&'a str>,
    review: Option<()>,
    setup_future_usage: Option<()>,
    shipping: Option<()>,
    statement_descriptor: Option<()>,
    statement_descriptor_suffix: Option<()>,
    status: &'static str,
    transfer_data: Option<()>,
    transfer_group: Option<&'a str>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum MaybeExpanded<'a> {
    Id(ChargeId),
    Object(Box<ChargeObject<'a>>),
}

#[derive(Serialize)]
struct AmountDetails {
    tip: Empty,
}

#[derive(Serialize)]
struct MethodOptions {
    card: CardOptions,
}

#[derive(Serialize)]
struct CardOptions {
    installments: Option<()>,
    mandate_options: Option<()>,
    network: Option<()>,
    request_three_d_secure: &'static str,
}

#[derive(Serialize)]
struct NextAction {
    r#type: &'static str,
    use_stripe_sdk: Empty,
}

struct ClientSecret(IntentId);

impl Display for ClientSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let IntentId { tag, n } = self.0;
        write!(
            f,
            "{}_secret_{:016x}",
            self.0,
            mix::mix(u64::from(tag) << 32 ^ n)
        )
    }
}

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
    payment_intent: Option<Box<IntentObject<'a>>>,
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

/// The intent in one of its versions; with `expand`, `latest_charge` is the whole charge.
pub(crate) fn intent(of: &Intent, version: u16, expand: bool) -> IntentObject<'_> {
    let (at, terms) = (of.at(version), &*of.terms);
    let latest = at.charges.checked_sub(1);
    let latest_charge = latest.and_then(|nth| {
        let id = ChargeId { intent: of.id, nth };
        if expand {
            charge(of, at, nth).map(|it| MaybeExpanded::Object(Box::new(it)))
        } else {
            Some(MaybeExpanded::Id(id))
        }
    });
    IntentObject {
        id: of.id,
        object: "payment_intent",
        amount: terms.amount,
        amount_capturable: 0,
        amount_details: AmountDetails { tip: Empty {} },
        amount_received: if at.status == Status::Succeeded {
            terms.amount
        } else {
            0
        },
        application: None,
        application_fee_amount: None,
        automatic_payment_methods: None,
        canceled_at: at.canceled.map(|(at_ms, _)| at_ms / 1000),
        cancellation_reason: at.canceled.and_then(|(_, reason)| reason_of(reason)),
        capture_method: "automatic",
        client_secret: Text(ClientSecret(of.id)),
        confirmation_method: "automatic",
        created: terms.created_ms / 1000,
        currency: terms.currency.as_str(),
        customer: terms.customer.as_deref(),
        description: terms.description.as_deref(),
        last_payment_error: at.decline.and_then(|decline| card_error(of, at, decline)),
        latest_charge,
        livemode: false,
        metadata: terms.metadata.raw(),
        next_action: (at.status == Status::RequiresAction).then_some(NextAction {
            r#type: "use_stripe_sdk",
            use_stripe_sdk: Empty {},
        }),
        on_behalf_of: None,
        payment_method: at.method.as_deref(),
        payment_method_options: MethodOptions {
            card: CardOptions {
                installments: None,
                mandate_options: None,
                network: None,
                request_three_d_secure: "automatic",
            },
        },
        payment_method_types: ["card"],
        processing: None,
        receipt_email: terms.receipt_email.as_deref(),
        review: None,
        setup_future_usage: None,
        shipping: None,
        statement_descriptor: None,
        statement_descriptor_suffix: None,
        status: at.status.as_str(),
        transfer_data: None,
        transfer_group: terms.transfer_group.as_deref(),
    }
}

/// The refusal that the intent's version ended in, with the intent itself.
pub(crate) fn declined(of: &Intent, version: u16) -> Option<CardError<'_>> {
    let at = of.at(version);
    let error = card_error(of, at, at.decline?)?;
    let payment_intent = Some(Box::new(intent(of, version, false)));
    Some(CardError {
        payment_intent,
        ..error
    })
}

fn card_error<'a>(of: &'a Intent, at: &Version, decline: Decline) -> Option<CardError<'a>> {
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

fn reason_of(reason: CancelReason) -> Option<&'static str> {
    match reason {
        CancelReason::Unnamed => None,
        CancelReason::Duplicate => Some("duplicate"),
        CancelReason::Fraudulent => Some("fraudulent"),
        CancelReason::RequestedByCustomer => Some("requested_by_customer"),
        CancelReason::Abandoned => Some("abandoned"),
        CancelReason::Automatic => Some("automatic"),
    }
}
