//! The calls as the gateway's API has them: which address, which key, which bytes.

use almoner_actors::ports::GatewayCall;
use almoner_domain::donation::Call;
use hyper::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderName, HeaderValue, USER_AGENT};
use hyper::http::uri::{Authority, PathAndQuery, Scheme};
use hyper::{HeaderMap, Method, Request, Uri};
use secrecy::{ExposeSecret, SecretString};

use super::InvalidOptions;
use super::answers::is_id;
use super::body::{Charged, Version};
use super::form::Form;
use super::outgoing::OutgoingBody;

/// How many intents a page of the list shows; the gateway's most.
const PAGE: u8 = 100;

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
const STRIPE_VERSION: HeaderName = HeaderName::from_static("stripe-version");
const FORM: HeaderValue = HeaderValue::from_static("application/x-www-form-urlencoded");
const JSON: HeaderValue = HeaderValue::from_static("application/json");
const CLIENT: HeaderValue =
    HeaderValue::from_static(concat!("almoner/", env!("CARGO_PKG_VERSION")));

/// A request as it goes out.
pub(super) type Outgoing = Request<OutgoingBody>;

/// The call cannot be made, and nothing was sent: a defect of ours, or a donation of a newer release.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unsendable {
    #[error("body version {0} is unknown to this release; run the one that accepted the donation")]
    BodyVersion(u16),
    #[error("the gateway cannot express the donation's amount any more")]
    Inexpressible,
    #[error("the call needs an intent of the gateway's")]
    NoIntent,
    #[error("not a header or an address: {0}")]
    Malformed(#[from] hyper::http::Error),
}

/// What every request has, parsed once.
pub(super) struct Requests {
    scheme: Scheme,
    authority: Authority,
    /// `/v1/payment_intents`, with what the base address has before it.
    path: String,
    intents: Uri,
    /// `/v1/refunds`, likewise.
    refunds: Uri,
    authorization: HeaderValue,
}

/// A call whose donation can be expressed, ready to be written down.
#[derive(Clone, Copy)]
pub(super) struct Prepared<'a> {
    pub call: &'a GatewayCall,
    pub version: &'static Version,
    pub charged: Charged,
}

impl<'a> Prepared<'a> {
    pub(super) fn new(call: &'a GatewayCall) -> Result<Self, Unsendable> {
        let donation = &call.donation;
        Ok(Self {
            call,
            version: Version::numbered(donation.body_version)
                .ok_or(Unsendable::BodyVersion(donation.body_version))?,
            charged: Charged::new(donation.request.amount)
                .map_err(|_| Unsendable::Inexpressible)?,
        })
    }

    /// The intent that the call is about, where it is about one.
    pub(super) fn intent(&self) -> Option<&'a str> {
        match &self.call.call {
            Call::Discard { intent, .. } | Call::Reverse { intent } => Some(intent),
            Call::Fetch | Call::Confirm { .. } | Call::Cancel { .. } => self.call.intent.as_deref(),
            Call::Charge | Call::List | Call::CreateIntent { .. } => None,
        }
    }
}

impl Requests {
    pub(super) fn new(base_url: &str, api_key: &SecretString) -> Result<Self, InvalidOptions> {
        let malformed = InvalidOptions::BaseUrl;
        let base: Uri = base_url.parse().map_err(|_| malformed.clone())?;
        let parts = base.into_parts();
        let (Some(scheme), Some(authority)) = (parts.scheme, parts.authority) else {
            return Err(malformed);
        };
        let prefix = parts.path_and_query.as_ref().map_or("", |at| at.path());
        let has_query = parts
            .path_and_query
            .as_ref()
            .and_then(|at| at.query())
            .is_some();
        let is_http = scheme == Scheme::HTTP || scheme == Scheme::HTTPS;
        if !is_http || has_query || authority.as_str().contains('@') {
            return Err(malformed);
        }
        let prefix = prefix.trim_end_matches('/');
        let path = format!("{prefix}/v1/payment_intents");
        let mut authorization =
            HeaderValue::try_from(format!("Bearer {}", api_key.expose_secret()))
                .map_err(|_| InvalidOptions::ApiKey)?;
        if api_key.expose_secret().is_empty() {
            return Err(InvalidOptions::ApiKey);
        }
        authorization.set_sensitive(true);
        let at = |path: &str| {
            Uri::builder()
                .scheme(scheme.clone())
                .authority(authority.clone())
                .path_and_query(path)
                .build()
                .map_err(|_| malformed.clone())
        };
        let intents = at(&path)?;
        let refunds = at(&format!("{prefix}/v1/refunds"))?;
        Ok(Self {
            scheme,
            authority,
            path,
            intents,
            refunds,
            authorization,
        })
    }

    /// The one request of any call but a list.
    pub(super) fn one(&self, prepared: &Prepared<'_>) -> Result<Outgoing, Unsendable> {
        let Prepared {
            call,
            version,
            charged,
        } = *prepared;
        let request = &call.donation.request;
        match &call.call {
            Call::Charge => {
                let body = version.charge(request, charged);
                self.post(prepared, self.intents.clone(), body)
            }
            Call::CreateIntent { .. } => {
                let body = version.intent(request, charged);
                self.post(prepared, self.intents.clone(), body)
            }
            Call::Confirm { .. } => {
                let uri = self.intent(prepared, "/confirm")?;
                self.post(prepared, uri, version.confirm(request))
            }
            Call::Cancel { .. } | Call::Discard { .. } => {
                let uri = self.intent(prepared, "/cancel")?;
                self.post(prepared, uri, String::new())
            }
            Call::Reverse { intent } if is_id(intent) => {
                let body = version.reversal(request, intent);
                self.post(prepared, self.refunds.clone(), body)
            }
            Call::Reverse { .. } => Err(Unsendable::NoIntent),
            Call::Fetch => Ok(self.get(version.api_version, self.intent(prepared, "")?)),
            Call::List => self.page(version, call.listed_s, None),
        }
    }

    /// One page of the list: of the intents created in this range (seconds since 1970, both ends included), the newest
    /// first, those after `after`.
    pub(super) fn page(
        &self,
        version: &Version,
        (from_s, to_s): (i64, i64),
        after: Option<&str>,
    ) -> Result<Outgoing, Unsendable> {
        let mut query = Form::new();
        query.add_plain("limit", PAGE);
        query.add_plain("created%5Bgte%5D", from_s);
        query.add_plain("created%5Blte%5D", to_s);
        if let Some(after) = after {
            query.add("starting_after", after);
        }
        let uri = self.at(format!("{}?{}", self.path, query.into_string()))?;
        Ok(self.get(version.api_version, uri))
    }

    /// One page of the account's intents with their charges, whoever made them: of those created since `from_s`, the
    /// newest first, those after `after`.
    pub(super) fn page_of_all(
        &self,
        api_version: &'static str,
        from_s: Option<i64>,
        after: Option<&str>,
    ) -> Result<Outgoing, Unsendable> {
        let mut query = Form::new();
        query.add_plain("limit", PAGE);
        query.add("expand%5B%5D", "data.latest_charge");
        if let Some(from_s) = from_s {
            query.add_plain("created%5Bgte%5D", from_s);
        }
        if let Some(after) = after {
            query.add("starting_after", after);
        }
        let uri = self.at(format!("{}?{}", self.path, query.into_string()))?;
        Ok(self.get(api_version, uri))
    }

    /// A list of one intent: it moves nothing, and only a key of the account is shown it.
    pub(super) fn page_of_one(&self, api_version: &'static str) -> Result<Outgoing, Unsendable> {
        let uri = self.at(format!("{}?limit=1", self.path))?;
        Ok(self.get(api_version, uri))
    }

    fn intent(&self, prepared: &Prepared<'_>, action: &str) -> Result<Uri, Unsendable> {
        let intent = prepared
            .intent()
            .filter(|intent| is_id(intent))
            .ok_or(Unsendable::NoIntent)?;
        self.at(format!("{}/{intent}{action}", self.path))
    }

    fn at(&self, path: String) -> Result<Uri, Unsendable> {
        let path = PathAndQuery::from_maybe_shared(path).map_err(hyper::http::Error::from)?;
        Ok(Uri::builder()
            .scheme(self.scheme.clone())
            .authority(self.authority.clone())
            .path_and_query(path)
            .build()?)
    }

    fn get(&self, api_version: &'static str, uri: Uri) -> Outgoing {
        self.request(api_version, Method::GET, uri, OutgoingBody::default())
    }

    fn post(
        &self,
        prepared: &Prepared<'_>,
        uri: Uri,
        body: String,
    ) -> Result<Outgoing, Unsendable> {
        let api_version = prepared.version.api_version;
        let body = OutgoingBody::new(prepared.call.permit.clone(), body.into());
        let mut request = self.request(api_version, Method::POST, uri, body);
        let headers = request.headers_mut();
        headers.insert(CONTENT_TYPE, FORM);
        let call = prepared.call;
        if let Some(key) = call.call.key(call.donation.request.id) {
            let mut key = HeaderValue::try_from(key).map_err(hyper::http::Error::from)?;
            key.set_sensitive(true); // never indexed by HTTP/2's header compression: each is sent once
            headers.insert(IDEMPOTENCY_KEY, key);
        }
        Ok(request)
    }

    fn request(
        &self,
        api_version: &'static str,
        method: Method,
        uri: Uri,
        body: OutgoingBody,
    ) -> Outgoing {
        let mut headers = HeaderMap::with_capacity(8);
        headers.insert(AUTHORIZATION, self.authorization.clone());
        headers.insert(STRIPE_VERSION, HeaderValue::from_static(api_version));
        headers.insert(ACCEPT, JSON);
        headers.insert(USER_AGENT, CLIENT);
        let mut request = Request::new(body);
        *request.method_mut() = method;
        *request.uri_mut() = uri;
        *request.headers_mut() = headers;
        request
    }
}

#[cfg(test)]
mod tests;
