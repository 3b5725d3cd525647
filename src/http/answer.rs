//! What is answered where there is no good answer: a code for programs and a sentence for people, as JSON.

use axum::Json;
use axum::http::header::RETRY_AFTER;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

/// Why a request got no good answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Refusal {
    /// The id in the path is none.
    MalformedId,
    /// `wait_ms` is none.
    BadWait,
    /// Nobody knows the donation, yet.
    UnknownDonation,
    /// As many wait as may.
    TooManyWaits,
    /// The store does not answer now.
    StoreUnavailable,
    /// The store cannot read this donation.
    StoreBroken,
    /// There is no such path.
    UnknownPath,
    /// The path knows other methods.
    WrongMethod,
}

#[derive(Serialize)]
struct Body {
    error: Error,
}

#[derive(Serialize)]
struct Error {
    code: &'static str,
    message: &'static str,
}

impl Refusal {
    fn parts(self) -> (StatusCode, &'static str, &'static str) {
        match self {
            Self::MalformedId => (
                StatusCode::BAD_REQUEST,
                "malformed_id",
                "The donation's id is no UUID; write the id that the request was published with.",
            ),
            Self::BadWait => (
                StatusCode::BAD_REQUEST,
                "invalid_wait_ms",
                "wait_ms is a whole number of milliseconds from 0 to 30000, given once; ask again after that for a longer wait.",
            ),
            Self::UnknownDonation => (
                StatusCode::NOT_FOUND,
                "not_found",
                "No donation with this id is known. If its request was just published, ask again, with wait_ms; \
                 if the request was rejected, the outcomes topic says so.",
            ),
            Self::TooManyWaits => (
                StatusCode::SERVICE_UNAVAILABLE,
                "too_many_waits",
                "Too many requests wait here already; ask again shortly, or without wait_ms.",
            ),
            Self::StoreUnavailable => (
                StatusCode::SERVICE_UNAVAILABLE,
                "store_unavailable",
                "The store does not answer now, so the donation's state is not known here; ask again shortly.",
            ),
            Self::StoreBroken => (
                StatusCode::INTERNAL_SERVER_ERROR,
                "store_error",
                "The store could not read this donation; the service's log says why.",
            ),
            Self::UnknownPath => (
                StatusCode::NOT_FOUND,
                "not_found",
                "There is nothing at this path.",
            ),
            Self::WrongMethod => (
                StatusCode::METHOD_NOT_ALLOWED,
                "method_not_allowed",
                "This path can only be read: use GET.",
            ),
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let (status, code, message) = self.parts();
        let body = Body {
            error: Error { code, message },
        };
        let mut response = (status, Json(body)).into_response();
        if status == StatusCode::SERVICE_UNAVAILABLE {
            let in_a_second = HeaderValue::from_static("1");
            response.headers_mut().insert(RETRY_AFTER, in_a_second);
        }
        response
    }
}
