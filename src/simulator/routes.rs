//! Which endpoint a method and a path name.

use hyper::Method;

use super::answer::ApiError;
use super::stats::Endpoint;

/// An endpoint, and the id that stands in the path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Route<'a> {
    pub(crate) endpoint: Endpoint,
    pub(crate) id: &'a str,
}

pub(crate) fn route<'a>(method: &Method, path: &'a str) -> Route<'a> {
    let mut segments = path.strip_prefix("/v1/").unwrap_or_default().split('/');
    let mut next = || segments.next().unwrap_or_default();
    let (object, id, verb, more) = (next(), next(), next(), next());
    let endpoint = if !more.is_empty() {
        Endpoint::Unknown
    } else if *method == Method::POST {
        match (object, id, verb) {
            ("payment_intents", "", "") => Endpoint::CreateIntent,
            ("payment_intents", _, "confirm") => Endpoint::ConfirmIntent,
            ("payment_intents", _, "cancel") => Endpoint::CancelIntent,
            ("refunds", "", "") => Endpoint::CreateRefund,
            ("payment_methods", "", "") => Endpoint::CreateMethod,
            _ => Endpoint::Unknown,
        }
    } else if *method == Method::GET {
        match (object, id, verb) {
            ("payment_intents", "", "") => Endpoint::ListIntents,
            ("payment_intents", "search", "") => Endpoint::SearchIntents,
            ("payment_intents", _, "") => Endpoint::FetchIntent,
            ("refunds", "", "") => Endpoint::ListRefunds,
            ("refunds", _, "") => Endpoint::FetchRefund,
            ("charges", id, "") if !id.is_empty() => Endpoint::FetchCharge,
            ("payment_methods", id, "") if !id.is_empty() => Endpoint::FetchMethod,
            _ => Endpoint::Unknown,
        }
    } else {
        Endpoint::Unknown
    };
    Route { endpoint, id }
}

/// Stripe's 404 for what it does not know.
pub(crate) fn unrecognized(method: &Method, path: &str) -> ApiError {
    let message = format!(
        "Unrecognized request URL ({method}: {path}). If you are trying to list objects, remove the trailing slash. \
         The simulator knows payment intents, refunds, charges and payment methods."
    );
    ApiError::invalid(message).status(404)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(method: Method, path: &str, endpoint: Endpoint) {
        assert_eq!(route(&method, path).endpoint, endpoint, "{method} {path}");
    }

    #[test]
    fn paths_name_endpoints() {
        check(Method::POST, "/v1/payment_intents", Endpoint::CreateIntent);
        check(
            Method::POST,
            "/v1/payment_intents/pi_1/confirm",
            Endpoint::ConfirmIntent,
        );
        check(
            Method::POST,
            "/v1/payment_intents/pi_1/confirm/x",
            Endpoint::Unknown,
        );
        check(Method::POST, "/v1/payment_intents/pi_1", Endpoint::Unknown);
        check(
            Method::GET,
            "/v1/payment_intents/pi_1",
            Endpoint::FetchIntent,
        );
        check(
            Method::GET,
            "/v1/payment_intents/search",
            Endpoint::SearchIntents,
        );
        check(Method::GET, "/v1/refunds", Endpoint::ListRefunds);
        check(Method::GET, "/v1/charges", Endpoint::Unknown);
        check(
            Method::DELETE,
            "/v1/payment_intents/pi_1",
            Endpoint::Unknown,
        );
        check(Method::GET, "/payment_intents", Endpoint::Unknown);
        assert_eq!(route(&Method::GET, "/v1/charges/ch_1").id, "ch_1");
    }
}
