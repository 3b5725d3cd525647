//! Answers as recipes: which object in which version, or which error. They are rendered when sent, so a stored answer
//! costs 40 bytes instead of 1.5 KB, and a replay is the same bytes, since an object's version never changes.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::ids::{ChargeId, IntentId, RefundId};

/// What is answered to a request that was executed.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// 200 with an intent.
    Intent {
        /// Which.
        intent: IntentId,
        /// As it stood after so many changes.
        version: u16,
        /// Whether `latest_charge` is answered whole.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        expand: bool,
    },
    /// 402: the card refused; the intent is part of the error.
    Declined {
        /// Which.
        intent: IntentId,
        /// As it stood after so many changes.
        version: u16,
    },
    /// 200 with a refund.
    Refund {
        /// Which.
        refund: RefundId,
    },
    /// 200 with a payment method.
    Method {
        /// Which.
        id: Box<str>,
        /// When it was made.
        created_s: i64,
    },
    /// An error.
    Error(Box<ApiError>),
}

/// An error as Stripe answers it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ApiError {
    /// The HTTP status.
    pub status: u16,
    /// Stripe's `type`.
    pub kind: ErrorKind,
    /// Stripe's `code`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<Cow<'static, str>>,
    /// The sentence for a person.
    pub message: Cow<'static, str>,
    /// The parameter that is at fault.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub param: Option<Cow<'static, str>>,
    /// The charge that it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub charge: Option<Box<ChargeId>>,
    /// The intent that it is about, in this version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub intent: Option<Box<(IntentId, u16)>>,
}

/// Stripe's `type` of an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorKind {
    /// Something went wrong at the gateway.
    ApiError,
    /// The card refused.
    CardError,
    /// A key was used for something else.
    IdempotencyError,
    /// The request is at fault.
    InvalidRequestError,
}

impl Answer {
    /// The HTTP status.
    pub fn status(&self) -> u16 {
        match self {
            Self::Intent { .. } | Self::Refund { .. } | Self::Method { .. } => 200,
            Self::Declined { .. } => 402,
            Self::Error(error) => error.status,
        }
    }
}

impl From<ApiError> for Answer {
    fn from(error: ApiError) -> Self {
        Self::Error(Box::new(error))
    }
}

impl ApiError {
    /// A 400 that names no parameter.
    pub(crate) fn invalid(message: impl Into<Cow<'static, str>>) -> Self {
        Self {
            status: 400,
            kind: ErrorKind::InvalidRequestError,
            code: None,
            message: message.into(),
            param: None,
            charge: None,
            intent: None,
        }
    }

    pub(crate) fn code(self, code: &'static str) -> Self {
        Self {
            code: Some(Cow::Borrowed(code)),
            ..self
        }
    }

    pub(crate) fn param(self, param: impl Into<Cow<'static, str>>) -> Self {
        Self {
            param: Some(param.into()),
            ..self
        }
    }

    pub(crate) fn status(self, status: u16) -> Self {
        Self { status, ..self }
    }

    /// There is no such object: 404 if the path names it, 400 if a parameter does.
    pub(crate) fn missing(what: &str, id: &str, param: &'static str, status: u16) -> Self {
        Self::invalid(format!("No such {what}: '{id}'"))
            .code("resource_missing")
            .param(param)
            .status(status)
    }

    pub(crate) fn unknown_parameter(name: &str) -> Self {
        Self::invalid(format!("Received unknown parameter: {name}"))
            .code("parameter_unknown")
            .param(name.to_owned())
    }

    pub(crate) fn missing_parameter(name: &'static str) -> Self {
        Self::invalid(format!("Missing required param: {name}."))
            .code("parameter_missing")
            .param(name)
    }

    /// The intent's state does not allow it.
    pub(crate) fn unexpected_state(message: String, intent: IntentId, version: u16) -> Self {
        Self {
            intent: Some(Box::new((intent, version))),
            ..Self::invalid(message).code("payment_intent_unexpected_state")
        }
    }

    /// Whether money moved is not said.
    pub(crate) fn internal() -> Self {
        Self {
            status: 500,
            kind: ErrorKind::ApiError,
            ..Self::invalid(
                "An unknown error occurred on our side. The outcome of this request is indeterminate.",
            )
        }
    }

    pub(crate) fn rate_limited() -> Self {
        Self::invalid(
            "Request rate limit exceeded. Learn more about rate limits here https://stripe.com/docs/rate-limits.",
        )
        .code("rate_limit")
        .status(429)
    }

    pub(crate) fn key_in_use(key: &str) -> Self {
        Self::invalid(format!(
            "There is currently another in-progress request using this Idempotent Key (that probably means you \
             submitted twice, and the other request is still going through): {key}. Please try again later."
        ))
        .code("idempotency_key_in_use")
        .status(409)
    }

    pub(crate) fn key_reused(key: &str) -> Self {
        Self {
            kind: ErrorKind::IdempotencyError,
            ..Self::invalid(format!(
                "Keys for idempotent requests can only be used with the same parameters they were first used with. \
                 Try using a key other than '{key}' if you meant to execute a different request."
            ))
        }
    }
}
