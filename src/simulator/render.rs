//! Turns answers into the bytes of a body.

use serde::Serialize;
use serde_json::value::RawValue;

use super::answer::{Answer, ApiError, ErrorKind};
use super::ids::{ChargeId, RefundId};
use super::method::{Behaviour, behaviour};
use super::objects::{self, intent};
use super::world::World;

#[derive(Serialize)]
struct Failure<T> {
    error: T,
}

#[derive(Serialize)]
struct ErrorObject<'a> {
    r#type: ErrorKind,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<&'a str>,
    message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    param: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    charge: Option<ChargeId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    payment_intent: Option<Box<RawValue>>,
}

impl World {
    /// The body of an answer.
    pub(crate) fn render(&self, answer: &Answer) -> Vec<u8> {
        let body = match answer {
            Answer::Intent {
                intent,
                version,
                expand,
            } => self.peek(*intent, |it| {
                intent::written(it, *version, *expand).into_bytes()
            }),
            Answer::Declined { intent, version } => self
                .peek(*intent, |it| {
                    objects::declined(it, *version).map(|error| json(&Failure { error }))
                })
                .flatten(),
            Answer::Refund { refund } => self.rendered_refund(*refund),
            Answer::Method { id, created_s } => Some(json(&objects::method(id, *created_s))),
            Answer::Error(error) => Some(self.rendered_error(error)),
        };
        body.unwrap_or_else(|| self.rendered_error(&ApiError::internal()))
    }

    /// The intent as it is now.
    pub(crate) fn rendered_intent(
        &self,
        id: &str,
        expand: bool,
        now_ms: i64,
    ) -> Result<Vec<u8>, ApiError> {
        let render = |id| {
            self.look(id, now_ms, |it| {
                intent::written(it, it.version(), expand).into_bytes()
            })
        };
        let body = id.parse().ok().and_then(render);
        body.ok_or_else(|| ApiError::missing("payment_intent", id, "intent", 404))
    }

    /// The charge as it is now.
    pub(crate) fn rendered_charge(&self, id: &str, now_ms: i64) -> Result<Vec<u8>, ApiError> {
        let render = |id: ChargeId| {
            self.look(id.intent, now_ms, |it| {
                objects::charge(it, it.now(), id.nth).map(|it| json(&it))
            })
        };
        let body = id.parse().ok().and_then(render).flatten();
        body.ok_or_else(|| ApiError::missing("charge", id, "id", 404))
    }

    /// The refund with this id.
    pub(crate) fn found_refund(&self, id: &str) -> Result<Vec<u8>, ApiError> {
        let body = id.parse().ok().and_then(|id| self.rendered_refund(id));
        body.ok_or_else(|| ApiError::missing("refund", id, "id", 404))
    }

    /// The method with this id: every name that behaves somehow is one.
    pub(crate) fn rendered_method(&self, id: &str, now_ms: i64) -> Result<Vec<u8>, ApiError> {
        match behaviour(id) {
            Behaviour::Missing => Err(ApiError::missing(
                "PaymentMethod",
                id,
                "payment_method",
                404,
            )),
            _ => Ok(json(&objects::method(id, now_ms / 1000))),
        }
    }

    fn rendered_refund(&self, id: RefundId) -> Option<Vec<u8>> {
        self.refund(id)
            .map(|terms| json(&objects::refund(id, &terms)))
    }

    fn rendered_error(&self, error: &ApiError) -> Vec<u8> {
        let with_intent = error.intent.as_deref().and_then(|(id, version)| {
            self.peek(*id, |it| error_body(error, intent::embedded(it, *version)))
        });
        with_intent.unwrap_or_else(|| error_body(error, None))
    }
}

fn error_body(error: &ApiError, payment_intent: Option<Box<RawValue>>) -> Vec<u8> {
    json(&Failure {
        error: ErrorObject {
            r#type: error.kind,
            code: error.code.as_deref(),
            message: &error.message,
            param: error.param.as_deref(),
            charge: error.charge.as_deref().copied(),
            payment_intent,
        },
    })
}

/// JSON as text.
pub(crate) fn json_text<T: Serialize>(value: &T) -> String {
    serde_json::to_string(value).unwrap_or_default() // nothing that is written here can fail, as in `json`
}

/// JSON, in a buffer that mostly needs not grow.
pub(crate) fn json<T: Serialize>(value: &T) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(2048);
    // Nothing that is written here can fail: no map with keys other than texts, no input or output.
    if serde_json::to_writer(&mut bytes, value).is_err() {
        bytes.clear();
    }
    bytes
}
