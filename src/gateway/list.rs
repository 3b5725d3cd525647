//! The gateway's list of payment intents, all of them, page by page: what it has charged, for the audit.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use almoner_domain::money::{Currency, Money};
use hyper::StatusCode;
use serde::Deserialize;
use tokio::time::sleep;

use super::answers::{Reply, Useless};
use super::body::Version;
use super::currency::iso_minor;
use super::stripe::{Requests, Unsendable};
use super::transport::{Failure, Transport};
use super::{InvalidOptions, Options, PAGE_MAX_BYTES};

/// A page that fails is asked for so many times: reading changes nothing.
const FAILURES_MAX: u32 = 5;
/// A page is asked for so many times where the gateway only says "too many requests".
const RATE_LIMITED_MAX: u32 = 100;
/// The pause after the first failure; it doubles.
const PAUSE_FIRST: Duration = Duration::from_millis(200);
/// The longest pause that is not the gateway's own wish.
const PAUSE_LONGEST: Duration = Duration::from_secs(2);
/// The longest pause at the gateway's wish.
const PAUSE_WISHED_MAX: Duration = Duration::from_secs(60);

/// The list of the account's payment intents, the newest first. One page is in memory at a time.
///
/// It is read-after-write: what was charged before its first page is on it. What is created while it is read may be.
pub struct IntentList {
    requests: Requests,
    transport: Transport,
    api_version: &'static str,
    from_s: Option<i64>,
    after: Option<String>,
    is_over: bool,
}

/// A payment intent of the list, and the money that it moved.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct GatewayCharge {
    /// `pi_…`
    pub intent_id: String,
    /// The donation that it says it is for (`metadata.donation_id`), as it stands there.
    pub donation_id: Option<String>,
    /// When the gateway created it, in seconds since 1970.
    pub created_s: i64,
    /// ISO 4217, in lower case, as the gateway writes it.
    pub currency: String,
    /// What was charged, in the gateway's unit: 0 where no money moved.
    pub charged: u64,
    /// What was given back of it, in the gateway's unit.
    pub refunded: u64,
}

/// An amount as the gateway says it: in a currency's ISO 4217 minor unit, where it is money of ours.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum GatewayAmount {
    /// It has an ISO 4217 minor unit.
    Iso(Money),
    /// A currency that we do not know, or a fraction that the currency does not have.
    Foreign {
        /// In the gateway's unit.
        amount: u64,
        /// As the gateway writes it.
        currency: Box<str>,
    },
}

/// Why the list cannot be read.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ListError {
    /// 401.
    #[error("the gateway refuses the API key")]
    BadApiKey,
    /// 429.
    #[error("the gateway keeps saying that there are too many requests")]
    RateLimited {
        /// What the gateway asks for, in milliseconds.
        retry_after_ms: Option<u64>,
    },
    /// 5xx.
    #[error("the gateway answers with status {0}")]
    ServerError(u16),
    /// Any other status.
    #[error("the gateway refuses to list its payment intents, with status {0}")]
    Refused(u16),
    /// No connection, or no whole answer.
    #[error("the gateway cannot be reached: {0}")]
    Unreachable(String),
    /// Not a list as the gateway's documents have it.
    #[error("the gateway's list cannot be read: {0}")]
    Unreadable(String),
}

impl IntentList {
    /// The intents created since `from_s` (seconds since 1970), or all. Nothing is asked for yet.
    ///
    /// # Errors
    /// [`InvalidOptions`] says which option and what to do.
    pub fn new(options: &Options, from_s: Option<i64>) -> Result<Self, InvalidOptions> {
        let version = Version::speaking(&options.api_version)
            .ok_or_else(|| InvalidOptions::ApiVersion(options.api_version.clone()))?;
        Ok(Self {
            requests: Requests::new(&options.base_url, &options.api_key)?,
            transport: Transport::new(options)?,
            api_version: version.api_version,
            from_s,
            after: None,
            is_over: false,
        })
    }

    /// The next page; `None` after the last one. Runs on a tokio runtime. What may pass is asked for again.
    ///
    /// # Errors
    /// The page cannot be had: a part of the list proves nothing, so there is no way on.
    pub async fn next_page(&mut self) -> Result<Option<Vec<GatewayCharge>>, ListError> {
        if self.is_over {
            return Ok(None);
        }
        let (mut failed, mut limited) = (0, 0);
        loop {
            let error = match self.ask().await {
                Ok(charges) => return Ok(Some(charges)),
                Err(error) => error,
            };
            let times = match error {
                ListError::RateLimited { .. } => &mut limited,
                _ => &mut failed,
            };
            *times += 1;
            if *times >= error.tries_max() {
                return Err(error);
            }
            sleep(error.pause(*times)).await;
        }
    }

    async fn ask(&mut self) -> Result<Vec<GatewayCharge>, ListError> {
        let after = self.after.as_deref();
        let request = self
            .requests
            .page_of_all(self.api_version, self.from_s, after)?;
        let reply = self.transport.send(request, PAGE_MAX_BYTES).await?;
        let (charges, next) = charges(&reply, after)?;
        self.is_over = next.is_none();
        self.after = next;
        Ok(charges)
    }
}

impl GatewayCharge {
    /// Whether money was taken and not given back in whole.
    #[must_use]
    pub fn is_unreversed(&self) -> bool {
        self.charged > self.refunded
    }

    /// What was charged.
    #[must_use]
    pub fn amount(&self) -> GatewayAmount {
        self.of(self.charged)
    }

    /// What was given back.
    #[must_use]
    pub fn amount_refunded(&self) -> GatewayAmount {
        self.of(self.refunded)
    }

    /// What was charged and not given back; `None` where that is nothing, or no money of ours.
    #[must_use]
    pub fn unreversed(&self) -> Option<Money> {
        self.money(self.charged.saturating_sub(self.refunded))
    }

    fn money(&self, amount: u64) -> Option<Money> {
        let currency = Currency::from_code(&self.currency.to_ascii_uppercase())?;
        Money::new(iso_minor(amount, currency)?, currency)
    }

    fn of(&self, amount: u64) -> GatewayAmount {
        match self.money(amount) {
            Some(money) => GatewayAmount::Iso(money),
            None => GatewayAmount::Foreign {
                amount,
                currency: self.currency.as_str().into(),
            },
        }
    }
}

impl fmt::Display for GatewayAmount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Iso(money) => money.fmt(f),
            Self::Foreign { amount, currency } => {
                write!(f, "{amount} {currency} in the gateway's unit")
            }
        }
    }
}

impl ListError {
    /// How often a page is asked for at most, where this is the answer.
    fn tries_max(&self) -> u32 {
        match self {
            Self::RateLimited { .. } => RATE_LIMITED_MAX,
            Self::ServerError(_) | Self::Unreachable(_) => FAILURES_MAX,
            Self::BadApiKey | Self::Refused(_) | Self::Unreadable(_) => 1,
        }
    }

    /// How long to wait after this was the answer for so many times.
    fn pause(&self, times: u32) -> Duration {
        let doubled = PAUSE_FIRST.saturating_mul(1 << times.saturating_sub(1).min(10));
        self.wished_pause()
            .unwrap_or_else(|| doubled.min(PAUSE_LONGEST))
    }

    /// How long the gateway wishes us to wait; a minute at the most, since a person waits.
    pub(crate) fn wished_pause(&self) -> Option<Duration> {
        match self {
            Self::RateLimited {
                retry_after_ms: Some(ms),
            } => Some(Duration::from_millis(*ms).min(PAUSE_WISHED_MAX)),
            _ => None,
        }
    }
}

impl From<Failure> for ListError {
    fn from(failure: Failure) -> Self {
        Self::Unreachable(failure.to_string())
    }
}

impl From<Useless> for ListError {
    fn from(useless: Useless) -> Self {
        Self::Unreadable(useless.to_string())
    }
}

impl From<Unsendable> for ListError {
    fn from(unsendable: Unsendable) -> Self {
        Self::Unreadable(unsendable.to_string())
    }
}

#[derive(Deserialize)]
pub(super) struct WirePage<'a> {
    #[serde(borrow)]
    object: Cow<'a, str>,
    #[serde(borrow)]
    data: Vec<WireIntent<'a>>,
    has_more: bool,
}

/// Of an intent what moved money; nothing of it is optional, since a field left out would look like no money.
#[derive(Deserialize)]
struct WireIntent<'a> {
    #[serde(borrow)]
    id: Cow<'a, str>,
    amount_received: u64,
    created: i64,
    #[serde(borrow)]
    currency: Cow<'a, str>,
    #[serde(borrow)]
    latest_charge: Option<WireCharge<'a>>,
    #[serde(borrow)]
    metadata: WireMetadata<'a>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum WireCharge<'a> {
    Whole {
        amount_refunded: u64,
    },
    #[expect(dead_code, reason = "it is told apart, not read")]
    Id(#[serde(borrow)] Cow<'a, str>),
}

#[derive(Deserialize)]
struct WireMetadata<'a> {
    #[serde(borrow, default)]
    donation_id: Option<Cow<'a, str>>,
}

pub(super) fn read(reply: &Reply) -> Result<WirePage<'_>, ListError> {
    match reply.status {
        StatusCode::OK => {}
        StatusCode::UNAUTHORIZED => return Err(ListError::BadApiKey),
        StatusCode::TOO_MANY_REQUESTS => {
            return Err(ListError::RateLimited {
                retry_after_ms: reply.retry_after_ms(),
            });
        }
        status if status.is_server_error() => {
            return Err(ListError::ServerError(status.as_u16()));
        }
        status => return Err(ListError::Refused(status.as_u16())),
    }
    let page: WirePage<'_> = reply.json()?;
    if page.object != "list" {
        return Err(ListError::Unreadable("not a list".into()));
    }
    Ok(page)
}

/// What the page that follows `after` shows, and after which intent the next one starts; `None` at the end.
pub(super) fn charges(
    reply: &Reply,
    after: Option<&str>,
) -> Result<(Vec<GatewayCharge>, Option<String>), ListError> {
    let page = read(reply)?;
    let next = match (page.has_more, page.data.last()) {
        (false, _) => None,
        (true, Some(last)) if Some(&*last.id) != after => Some(last.id.to_string()),
        // It would never end.
        (true, _) => return Err(ListError::Unreadable("it does not go on".into())),
    };
    let charges: Result<_, _> = page.data.into_iter().map(WireIntent::into_charge).collect();
    Ok((charges?, next))
}

impl WireIntent<'_> {
    fn into_charge(self) -> Result<GatewayCharge, ListError> {
        let refunded = match self.latest_charge {
            _ if self.amount_received == 0 => 0,
            Some(WireCharge::Whole { amount_refunded }) => amount_refunded,
            _ => {
                let what = format!("{} has money but does not show its charge", self.id);
                return Err(ListError::Unreadable(what));
            }
        };
        Ok(GatewayCharge {
            intent_id: self.id.into_owned(),
            donation_id: self.metadata.donation_id.map(Cow::into_owned),
            created_s: self.created,
            currency: self.currency.into_owned(),
            charged: self.amount_received,
            refunded,
        })
    }
}
