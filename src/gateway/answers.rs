//! What the gateway said → what it means: `CHARGES.md`, "The answers", row by row, as a pure function.

mod refund;
mod retry_after;
mod wire;

use almoner_domain::answer::{Answer, Intent, IntentStatus, Refused};
use almoner_domain::donation::Call;
use almoner_domain::ids::DonationId;
use bytes::Bytes;
use hyper::header::CONTENT_TYPE;
use hyper::{HeaderMap, StatusCode};
use serde::Deserialize;

use super::body::Charged;
pub(super) use retry_after::retry_after_ms;
pub(super) use wire::WireIntent;
use wire::{ErrorBody, Page, WireError};

/// One whole answer over HTTP.
#[derive(Debug)]
pub struct Reply {
    /// Its status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body, whole.
    pub body: Bytes,
}

/// What the call was about: an intent that says otherwise is not taken for its answer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Expected<'a> {
    pub call: &'a Call,
    pub donation: DonationId,
    pub charged: Charged,
    /// The intent that the call named, if it named one.
    pub intent: Option<&'a str>,
}

/// An answer that tells nothing that could be relied on: money may have moved.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub(super) enum Useless {
    /// Not an answer that the gateway's documents know.
    #[error("unreadable answer with status {status}: {why}")]
    Unreadable { status: u16, why: String },
    /// An intent of another donation, or of another amount.
    #[error("the answer shows an intent that is not this donation's: {0}")]
    NotOurs(String),
}

/// The codes of a 400 or 404 that say that the method (or its customer) cannot be charged.
const METHOD_CODES: [&str; 2] = [
    "payment_intent_incompatible_payment_method",
    "payment_method_unexpected_state",
];

/// What the gateway says, in words alone, of a method that was detached, used up, or is another customer's.
const METHOD_MESSAGES: [&str; 2] = [
    "may not be used again",
    "does not have a payment method with the ID",
];

const AMOUNT_CODES: [&str; 2] = ["amount_too_small", "amount_too_large"];

/// A 409 that was not executed: another send of the key, or another call on the intent, runs.
const BUSY_CODES: [&str; 2] = ["idempotency_key_in_use", "lock_timeout"];

/// The answer to any call but a list.
pub(super) fn read(expected: &Expected<'_>, reply: &Reply) -> Result<Answer, Useless> {
    match reply.status {
        StatusCode::OK if matches!(expected.call, Call::Reverse { .. }) => {
            refund::read(expected, reply)
        }
        StatusCode::OK => expected
            .judge(&reply.json::<WireIntent<'_>>()?, reply)
            .map(Answer::Intent),
        _ => {
            let carried = |error: &WireError<'_>| expected.judge_carried(error, reply);
            read_error(expected.call, &carried, reply)
        }
    }
}

/// One page of the list: gives every intent on it to `take`. Returns the id of the last one, after which the next page
/// starts; `None` at the end.
///
/// # Errors
/// The answer to the whole call, where there is no page.
pub(super) fn read_page(
    reply: &Reply,
    mut take: impl FnMut(&WireIntent<'_>),
) -> Result<Result<Option<String>, Answer>, Useless> {
    if reply.status != StatusCode::OK {
        // It speaks of no donation: no intent that it may carry is taken for somebody's answer.
        return read_error(&Call::List, &|_: &WireError<'_>| Ok(None), reply).map(Err);
    }
    let page: Page<'_> = reply.json()?;
    if page.object.as_str() != "list" {
        return Err(reply.unreadable("not a list"));
    }
    let next_after = match (page.has_more, page.data.last()) {
        (false, _) => None,
        (true, Some(last)) => Some(last.id.as_str().to_owned()),
        (true, None) => return Err(reply.unreadable("an empty page that is not the last")),
    };
    page.data.iter().for_each(&mut take);
    Ok(Ok(next_after))
}

/// The intent that an error carries, if it is the one that the call was about.
type Carried<'a> = &'a dyn Fn(&WireError<'_>) -> Result<Option<Intent>, Useless>;

/// Any status but 200.
fn read_error(call: &Call, carried: Carried<'_>, reply: &Reply) -> Result<Answer, Useless> {
    match reply.status.as_u16() {
        // These say by themselves that nothing was executed, whoever on the way said it, and in whatever form.
        401 => Ok(Answer::BadApiKey),
        429 => Ok(Answer::RateLimited {
            retry_after_ms: reply.retry_after_ms(),
        }),
        status @ 500..=599 => Ok(Answer::ServerError {
            status,
            replayed: reply.was_replayed(),
        }),
        // Nothing is promised of what was executed: timeouts, and failures of what the gateway depends on.
        408 | 424 | 425 | 499 => Err(reply.unreadable("not a listed answer")),
        402 => read_decline(call, carried, reply),
        status @ 400..=499 => {
            let body: ErrorBody<'_> = reply.json()?;
            read_refusal(call, carried, reply, status, &body.error)
        }
        _ => Err(reply.unreadable("not a listed answer")),
    }
}

fn read_decline(call: &Call, carried: Carried<'_>, reply: &Reply) -> Result<Answer, Useless> {
    if !call.moves_money() {
        return Err(reply.unreadable("a decline of a call that asks no card"));
    }
    let body: ErrorBody<'_> = reply.json()?;
    let error = &body.error;
    Ok(Answer::Declined {
        code: error.kept_code(),
        decline_code: error.decline_code.as_ref().map(wire::Text::kept),
        intent: carried(error)?,
    })
}

fn read_refusal(
    call: &Call,
    carried: Carried<'_>,
    reply: &Reply,
    status: u16,
    error: &WireError<'_>,
) -> Result<Answer, Useless> {
    let code = error.code().unwrap_or_default();
    let is_about_key = error.kind.as_str() == "idempotency_error";
    match status {
        409 if is_about_key || BUSY_CODES.contains(&code) => Ok(Answer::KeyInUse),
        409 => Err(reply.unreadable("a conflict that is not listed")),
        403 => Ok(Answer::Forbidden),
        400 if is_about_key => Ok(Answer::KeyMismatch),
        _ => {
            // The call came too late or too early for the intent: in what state it is, is the answer.
            if code == "payment_intent_unexpected_state"
                && let Some(intent) = carried(error)?
            {
                return Ok(Answer::Intent(intent));
            }
            if matches!(call, Call::Reverse { .. }) && code == refund::DONE_BEFORE {
                return Ok(Answer::Refunded);
            }
            Ok(match refused(call, status, error) {
                Some(refused) => Answer::Refused(refused),
                None => Answer::OurDefect {
                    status,
                    what: error.named(),
                },
            })
        }
    }
}

/// The known kinds of a 400 or 404 after which the donation can never be charged.
fn refused(call: &Call, status: u16, error: &WireError<'_>) -> Option<Refused> {
    let names_method = matches!(
        call,
        Call::Charge | Call::CreateIntent { .. } | Call::Confirm { .. }
    );
    if !names_method || !matches!(status, 400 | 404) {
        return None;
    }
    let code = error.code().unwrap_or_default();
    let param = error.param.as_ref().map(wire::Text::as_str);
    let message = error.message.as_ref().map_or("", wire::Text::as_str);
    let is_method_missing =
        code == "resource_missing" && matches!(param, Some("payment_method" | "customer"));
    if is_method_missing
        || METHOD_CODES.contains(&code)
        || METHOD_MESSAGES.iter().any(|known| message.contains(known))
    {
        Some(Refused::PaymentMethod)
    } else if AMOUNT_CODES.contains(&code) {
        Some(Refused::Amount)
    } else {
        None
    }
}

impl Expected<'_> {
    /// Whether an intent says that it is this donation's.
    fn is_named_by(&self, intent: &WireIntent<'_>) -> bool {
        let mut buffer = uuid::Uuid::encode_buffer();
        let own = self.donation.as_uuid();
        intent.donation_id() == Some(own.hyphenated().encode_lower(&mut buffer))
    }

    /// The intent that an error carries.
    fn judge_carried(
        &self,
        error: &WireError<'_>,
        reply: &Reply,
    ) -> Result<Option<Intent>, Useless> {
        error
            .payment_intent
            .as_ref()
            .map(|intent| self.judge(intent, reply))
            .transpose()
    }

    /// The intent, if it is the donation's own, of its amount, and the one that was named.
    pub(super) fn judge(&self, wire: &WireIntent<'_>, reply: &Reply) -> Result<Intent, Useless> {
        let id = wire.id.as_str();
        if wire.object.as_str() != "payment_intent" || !is_id(id) {
            return Err(reply.unreadable("not a payment intent"));
        }
        let not_ours = |what: &str| Err(Useless::NotOurs(format!("{id} has another {what}")));
        if self.intent.is_some_and(|named| named != id) {
            return not_ours("id than the one that was named");
        }
        if !self.is_named_by(wire) {
            return not_ours("metadata.donation_id, or none");
        }
        if wire.amount != self.charged.amount {
            return not_ours("amount");
        }
        if !wire
            .currency
            .as_str()
            .eq_ignore_ascii_case(self.charged.currency)
        {
            return not_ours("currency");
        }
        let Some(status) = IntentStatus::parse(wire.status.as_str()) else {
            return Err(reply.unreadable("a status of the intent that is not listed"));
        };
        Ok(Intent {
            id: id.into(),
            status,
            created_s: wire.created,
            // The money moved whatever this says: then the intent names it.
            charge_id: (wire.latest_charge.as_ref().map(wire::Text::as_str))
                .filter(|id| is_id(id))
                .map(Into::into),
        })
    }
}

/// Whether this can be an id of the gateway's: what stands in addresses and keys needs no encoding then.
pub fn is_id(text: &str) -> bool {
    (1..=255).contains(&text.len())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

impl Reply {
    /// The body as JSON; an error never quotes it.
    pub(super) fn json<'a, T: Deserialize<'a>>(&'a self) -> Result<T, Useless> {
        let is_json = self
            .headers
            .get(CONTENT_TYPE)
            .and_then(|value| value.as_bytes().get(..16))
            .is_some_and(|kind| kind.eq_ignore_ascii_case(b"application/json"));
        if !is_json {
            return Err(self.unreadable("not JSON by its content type"));
        }
        // Checked as a whole: text by text it takes longer.
        let body = std::str::from_utf8(&self.body).map_err(|_| self.unreadable("not UTF-8"))?;
        serde_json::from_str(body).map_err(|error| {
            // The category and the place alone: serde's own text may quote what the gateway sent.
            let (line, column) = (error.line(), error.column());
            self.unreadable(&format!("{:?} at {line}:{column}", error.classify()))
        })
    }

    /// What `Retry-After` asks for, in milliseconds.
    pub(super) fn retry_after_ms(&self) -> Option<u64> {
        retry_after::retry_after_ms(&self.headers)
    }

    fn was_replayed(&self) -> bool {
        self.headers
            .get("idempotent-replayed")
            .is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"true"))
    }

    fn unreadable(&self, why: &str) -> Useless {
        Useless::Unreadable {
            status: self.status.as_u16(),
            why: why.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests;
