//! An answer's status, body and headers.

use bytes::Bytes;
use hyper::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};
use hyper::{Response, StatusCode};

use super::body::AnswerBody;

pub(crate) const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
const STRIPE_VERSION: HeaderName = HeaderName::from_static("stripe-version");
const REQUEST_ID: HeaderName = HeaderName::from_static("request-id");
const IDEMPOTENT_REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");
const SHOULD_RETRY: HeaderName = HeaderName::from_static("stripe-should-retry");
const LIMITED_REASON: HeaderName = HeaderName::from_static("stripe-rate-limited-reason");

const JSON: HeaderValue = HeaderValue::from_static("application/json");
const TRUE: HeaderValue = HeaderValue::from_static("true");
const FALSE: HeaderValue = HeaderValue::from_static("false");
const GLOBAL_RATE: HeaderValue = HeaderValue::from_static("global-rate");

/// The version that is answered to who names none: the one of the schema that the answers are checked against.
const VERSION: HeaderValue = HeaderValue::from_static("2026-08-26.dahlia");

/// An answer before it is sent.
pub(crate) struct Reply {
    status: u16,
    body: Bytes,
    replayed: bool,
    should_retry: Option<bool>,
    rate_limited: bool,
    retry_after_s: Option<u32>,
}

impl Reply {
    pub(crate) fn new(status: u16, body: Vec<u8>) -> Self {
        Self {
            status,
            body: body.into(),
            replayed: false,
            should_retry: None,
            rate_limited: false,
            retry_after_s: None,
        }
    }

    pub(crate) fn status(&self) -> u16 {
        self.status
    }

    pub(crate) fn replayed(self) -> Self {
        Self {
            replayed: true,
            ..self
        }
    }

    pub(crate) fn is_replay(&self) -> bool {
        self.replayed
    }

    pub(crate) fn should_retry(self, should: bool) -> Self {
        Self {
            should_retry: Some(should),
            ..self
        }
    }

    /// Tells of a rate limit, and when to come back if it says so.
    pub(crate) fn retry_after(self, seconds: Option<u32>) -> Self {
        Self {
            rate_limited: true,
            retry_after_s: seconds,
            ..self
        }
        .should_retry(true)
    }

    /// The response to a request with these headers, its body as `send` makes it.
    pub(crate) fn response(
        self,
        asked: &HeaderMap,
        request_id: &str,
        send: impl FnOnce(Bytes) -> AnswerBody,
    ) -> Response<AnswerBody> {
        let mut response = Response::new(send(self.body));
        *response.status_mut() =
            StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let headers = response.headers_mut();
        headers.reserve(6);
        headers.insert(CONTENT_TYPE, JSON);
        if let Ok(mut id) = HeaderValue::from_str(request_id) {
            id.set_sensitive(true); // never indexed by HTTP/2's header compression: each is sent once
            headers.insert(REQUEST_ID, id);
        }
        headers.insert(
            STRIPE_VERSION,
            asked.get(&STRIPE_VERSION).cloned().unwrap_or(VERSION),
        );
        if let Some(key) = asked.get(&IDEMPOTENCY_KEY) {
            headers.insert(IDEMPOTENCY_KEY, key.clone());
        }
        if self.replayed {
            headers.insert(IDEMPOTENT_REPLAYED, TRUE);
        }
        if let Some(should) = self.should_retry {
            headers.insert(SHOULD_RETRY, if should { TRUE } else { FALSE });
        }
        if self.rate_limited {
            headers.insert(LIMITED_REASON, GLOBAL_RATE);
        }
        if let Some(seconds) = self.retry_after_s {
            headers.insert(RETRY_AFTER, seconds.into());
        }
        response
    }
}
