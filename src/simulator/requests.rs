//! Requests that change something: forms read and checked, before anything is executed. What is refused here is not
//! stored under a key.

use std::borrow::Cow;
use std::sync::Arc;

use smallvec::SmallVec;

use super::answer::ApiError;
use super::currency::Currency;
use super::event::{CancelReason, Metadata, RefundReason};
use super::form;

/// A request that changes something.
pub(crate) enum Operation {
    Create(Create),
    Confirm {
        id: Box<str>,
        confirm: ConfirmRequest,
    },
    Cancel {
        id: Box<str>,
        reason: CancelReason,
        expand: bool,
    },
    Refund(RefundRequest),
    CreateMethod {
        behaves_as: Box<str>,
    },
}

pub(crate) struct Create {
    pub(crate) amount: i64,
    pub(crate) currency: Currency,
    pub(crate) payment_method: Option<Arc<str>>,
    pub(crate) customer: Option<Box<str>>,
    pub(crate) transfer_group: Option<Box<str>>,
    pub(crate) description: Option<Box<str>>,
    pub(crate) receipt_email: Option<Box<str>>,
    pub(crate) metadata: Metadata,
    pub(crate) confirm: Option<ConfirmRequest>,
    pub(crate) expand: bool,
}

#[derive(Default)]
pub(crate) struct ConfirmRequest {
    pub(crate) payment_method: Option<Arc<str>>,
    pub(crate) off_session: bool,
    pub(crate) error_on_action: bool,
    pub(crate) expand: bool,
}

pub(crate) struct RefundRequest {
    pub(crate) payment_intent: Option<Box<str>>,
    pub(crate) charge: Option<Box<str>>,
    pub(crate) amount: Option<i64>,
    pub(crate) reason: Option<RefundReason>,
    pub(crate) metadata: Metadata,
}

type Pair<'a> = (Cow<'a, str>, Cow<'a, str>);

/// The entries of `metadata[…]` as they are met.
#[derive(Default)]
struct MetadataPairs<'a>(SmallVec<[Pair<'a>; 4]>);

pub(crate) fn create(body: &[u8]) -> Result<Operation, ApiError> {
    let (mut amount, mut currency, mut confirm) = (None, None, false);
    let (mut customer, mut transfer_group, mut description, mut receipt_email) =
        (None, None, None, None);
    let mut metadata = MetadataPairs::default();
    let mut confirmation = ConfirmRequest::default();
    let (mut off_session_given, mut expand) = (false, false);
    for pair in form::pairs(body) {
        let (name, value) = pair.map_err(not_a_form)?;
        match &*name {
            "amount" => amount = Some(integer("amount", &value)?),
            "currency" => currency = Some(read_currency(&value)?),
            "payment_method" => confirmation.payment_method = Some(Arc::from(&*value)),
            "customer" => customer = Some(value.into()),
            "transfer_group" => transfer_group = Some(value.into()),
            "description" => description = Some(value.into()),
            "receipt_email" => receipt_email = Some(value.into()),
            "confirm" => confirm = boolean("confirm", &value)?,
            "off_session" => {
                off_session_given = true;
                confirmation.off_session = off_session(&value)?;
            }
            "error_on_requires_action" => {
                confirmation.error_on_action = boolean("error_on_requires_action", &value)?;
            }
            "expand[]" | "expand[0]" => expand |= expands("latest_charge", &value)?,
            _ if metadata.takes(&name, &value)? => {}
            _ => accepted_only(&name, &value)?,
        }
    }
    if off_session_given && !confirm {
        let message = "`off_session` can only be used when `confirm=true`.";
        return Err(ApiError::invalid(message).param("off_session"));
    }
    if confirm && confirmation.payment_method.is_none() {
        return Err(ApiError::missing_parameter("payment_method"));
    }
    Ok(Operation::Create(Create {
        amount: amount.ok_or_else(|| ApiError::missing_parameter("amount"))?,
        currency: currency.ok_or_else(|| ApiError::missing_parameter("currency"))?,
        payment_method: confirmation.payment_method.clone(),
        customer,
        transfer_group,
        description,
        receipt_email,
        metadata: metadata.done(),
        confirm: confirm.then_some(confirmation),
        expand,
    }))
}

pub(crate) fn confirm(id: &str, body: &[u8]) -> Result<Operation, ApiError> {
    let mut confirm = ConfirmRequest::default();
    for pair in form::pairs(body) {
        let (name, value) = pair.map_err(not_a_form)?;
        match &*name {
            "payment_method" => confirm.payment_method = Some(Arc::from(&*value)),
            "off_session" => confirm.off_session = off_session(&value)?,
            "error_on_requires_action" => {
                confirm.error_on_action = boolean("error_on_requires_action", &value)?;
            }
            "expand[]" | "expand[0]" => confirm.expand |= expands("latest_charge", &value)?,
            "receipt_email" => {}
            _ => accepted_only(&name, &value)?,
        }
    }
    Ok(Operation::Confirm {
        id: id.into(),
        confirm,
    })
}

pub(crate) fn cancel(id: &str, body: &[u8]) -> Result<Operation, ApiError> {
    let (mut reason, mut expand) = (CancelReason::Unnamed, false);
    for pair in form::pairs(body) {
        let (name, value) = pair.map_err(not_a_form)?;
        match (&*name, &*value) {
            ("cancellation_reason", "duplicate") => reason = CancelReason::Duplicate,
            ("cancellation_reason", "fraudulent") => reason = CancelReason::Fraudulent,
            ("cancellation_reason", "requested_by_customer") => {
                reason = CancelReason::RequestedByCustomer;
            }
            ("cancellation_reason", "abandoned") => reason = CancelReason::Abandoned,
            ("cancellation_reason", other) => {
                let known = "duplicate, fraudulent, requested_by_customer, or abandoned";
                return Err(not_one_of("cancellation_reason", other, known));
            }
            ("expand[]" | "expand[0]", value) => expand |= expands("latest_charge", value)?,
            _ => return Err(ApiError::unknown_parameter(&name)),
        }
    }
    Ok(Operation::Cancel {
        id: id.into(),
        reason,
        expand,
    })
}

pub(crate) fn refund(body: &[u8]) -> Result<Operation, ApiError> {
    let (mut payment_intent, mut charge, mut amount, mut reason) = (None, None, None, None);
    let mut metadata = MetadataPairs::default();
    for pair in form::pairs(body) {
        let (name, value) = pair.map_err(not_a_form)?;
        match (&*name, &*value) {
            ("payment_intent", id) => payment_intent = Some(id.into()),
            ("charge", id) => charge = Some(id.into()),
            ("amount", value) => amount = Some(integer("amount", value)?),
            ("reason", "duplicate") => reason = Some(RefundReason::Duplicate),
            ("reason", "fraudulent") => reason = Some(RefundReason::Fraudulent),
            ("reason", "requested_by_customer") => reason = Some(RefundReason::RequestedByCustomer),
            ("reason", other) => {
                let known = "duplicate, fraudulent or requested_by_customer";
                return Err(not_one_of("reason", other, known));
            }
            (name, value) if metadata.takes(name, value)? => {}
            _ => return Err(ApiError::unknown_parameter(&name)),
        }
    }
    if payment_intent.is_none() && charge.is_none() {
        let message = "One of the following params should be provided for this request: payment_intent or charge.";
        return Err(ApiError::invalid(message).code("parameter_missing"));
    }
    let metadata = metadata.done();
    Ok(Operation::Refund(RefundRequest {
        payment_intent,
        charge,
        amount,
        reason,
        metadata,
    }))
}

/// A method is made from one of Stripe's test tokens, or from a card's form, whose number is neither read nor kept.
pub(crate) fn create_method(body: &[u8]) -> Result<Operation, ApiError> {
    let (mut kind, mut token) = (None, None);
    for pair in form::pairs(body) {
        let (name, value) = pair.map_err(not_a_form)?;
        match &*name {
            "type" if value == "card" => kind = Some(()),
            "type" => return Err(not_one_of("type", &value, "card")),
            "card[token]" => token = Some(Box::from(value.strip_prefix("tok_").unwrap_or(&value))),
            name if name.starts_with("card[")
                || name.starts_with("billing_details[")
                || name.starts_with("metadata[") => {}
            _ => return Err(ApiError::unknown_parameter(&name)),
        }
    }
    kind.ok_or_else(|| ApiError::missing_parameter("type"))?;
    let behaves_as = token.unwrap_or_else(|| Box::from("visa"));
    Ok(Operation::CreateMethod { behaves_as })
}

impl<'a> MetadataPairs<'a> {
    /// Takes the pair if it is an entry of the metadata.
    fn takes(&mut self, name: &str, value: &str) -> Result<bool, ApiError> {
        if name == "metadata" && value.is_empty() {
            return Ok(true);
        }
        let Some(name) = name
            .strip_prefix("metadata[")
            .and_then(|rest| rest.strip_suffix(']'))
        else {
            return Ok(false);
        };
        let too_long = |what: &str, max: usize| {
            ApiError::invalid(format!("Metadata {what} can have up to {max} characters."))
                .param("metadata")
        };
        if name.chars().count() > 40 {
            return Err(too_long("keys", 40));
        }
        if value.chars().count() > 500 {
            return Err(too_long("values", 500));
        }
        self.0.retain(|(known, _)| known != name);
        self.0
            .push((name.to_owned().into(), value.to_owned().into()));
        if self.0.len() > 50 {
            return Err(ApiError::invalid("Metadata can have up to 50 keys.").param("metadata"));
        }
        Ok(true)
    }

    fn done(self) -> Metadata {
        Metadata::new(self.0.iter().map(|(name, value)| (&**name, &**value)))
    }
}

/// Parameters that change nothing here, where they ask for what the simulator does anyway.
fn accepted_only(name: &str, value: &str) -> Result<(), ApiError> {
    match (name, value) {
        ("payment_method_types[]" | "payment_method_types[0]", "card")
        | ("capture_method", "automatic" | "automatic_async")
        | ("confirmation_method", "automatic")
        | ("automatic_payment_methods[enabled]", "true" | "false")
        | ("automatic_payment_methods[allow_redirects]", "always" | "never")
        | ("setup_future_usage", "off_session" | "on_session")
        | ("return_url" | "statement_descriptor" | "statement_descriptor_suffix", _) => Ok(()),
        ("payment_method_types[]" | "payment_method_types[0]", other) => Err(ApiError::invalid(format!(
            "The payment method type \"{other}\" is invalid. Please ensure the provided type is activated."
        ))
        .param("payment_method_types")),
        ("capture_method" | "confirmation_method", other) => {
            Err(not_one_of(name, other, "automatic (the simulator knows no other)"))
        }
        _ => Err(ApiError::unknown_parameter(name)),
    }
}

pub(crate) fn integer(name: &str, value: &str) -> Result<i64, ApiError> {
    value.parse().map_err(|_| {
        ApiError::invalid(format!("Invalid integer: {value}"))
            .code("parameter_invalid_integer")
            .param(name.to_owned())
    })
}

/// Whether a query, which may have no other parameters, asks to expand this.
pub(crate) fn expanded(query: &[u8], what: &str) -> Result<bool, ApiError> {
    let mut expand = false;
    for pair in form::pairs(query) {
        let (name, value) = pair.map_err(not_a_form)?;
        match &*name {
            "expand[]" | "expand[0]" => expand |= expands(what, &value)?,
            "client_secret" => {}
            _ => return Err(ApiError::unknown_parameter(&name)),
        }
    }
    Ok(expand)
}

/// Whether this value of `expand[]` names what can be expanded.
pub(crate) fn expands(what: &str, value: &str) -> Result<bool, ApiError> {
    if value == what {
        return Ok(true);
    }
    let message =
        format!("This property cannot be expanded ({value}) by the simulator; it knows: {what}.");
    Err(ApiError::invalid(message).param("expand"))
}

pub(crate) fn not_a_form(error: form::NotAForm) -> ApiError {
    ApiError::invalid(error.to_string())
}

fn boolean(name: &str, value: &str) -> Result<bool, ApiError> {
    match value {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err(ApiError::invalid(format!("Invalid boolean: {value}")).param(name.to_owned())),
    }
}

/// Stripe takes `true`, `false`, `one_off` and `recurring`.
fn off_session(value: &str) -> Result<bool, ApiError> {
    match value {
        "one_off" | "recurring" => Ok(true),
        _ => boolean("off_session", value),
    }
}

fn read_currency(value: &str) -> Result<Currency, ApiError> {
    Currency::read(value).ok_or_else(|| {
        ApiError::invalid(format!(
            "Invalid currency: {value}. Stripe does not support this currency."
        ))
        .param("currency")
    })
}

fn not_one_of(name: &str, value: &str, known: &str) -> ApiError {
    ApiError::invalid(format!(
        "Invalid {name}: must be one of {known}; got {value}"
    ))
    .param(name.to_owned())
}
