//! The client of the payment gateway, which is Stripe or whatever speaks as it does. `CHARGES.md` is its protocol.
//!
//! One call is one request, never repeated here: who calls decides what follows, since a repeat needs the donation's
//! turn and its key's life. The list alone is read for many at once, page by page ([`lister`]): it moves nothing.

mod answers;
mod body;
pub mod currency;
#[cfg(test)]
mod fixtures;
mod form;
pub mod fuzz;
mod list;
mod lister;
mod outgoing;
mod probe;
mod stripe;
pub(crate) mod telemetry;
mod transport;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use almoner_actors::ports::{Done, Gateway, GatewayCall, Inexpressible};
use almoner_domain::answer::Answer;
use almoner_domain::donation::Call;
use almoner_domain::request::DonationRequest;
use secrecy::SecretString;
use tokio::runtime::Handle;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::Instant;

use answers::{Expected, Useless};
use body::{Charged, VERSIONS, Version};
use lister::Lister;
use stripe::{Outgoing, Prepared, Requests, Unsendable};
use telemetry::Telemetry;
use transport::{Failure, Transport};

pub(crate) use transport::trust;

pub use list::{GatewayAmount, GatewayCharge, IntentList, ListError};

/// The largest answer that is read: an intent has a few kilobytes.
const ANSWER_MAX_BYTES: usize = 1 << 20;

/// The largest page that is read: a hundred intents, some of which others may have given much metadata.
const PAGE_MAX_BYTES: usize = 8 << 20;

/// How the gateway is reached.
#[derive(Clone, Debug)]
pub struct Options {
    /// Scheme, host, port, and a path before `/v1` if there is one.
    pub base_url: String,
    /// The secret key of the gateway's account.
    pub api_key: SecretString,
    /// The version of the gateway's API for new donations: one of [`api_versions`]. A donation keeps its own.
    pub api_version: String,
    /// How long a whole request may take, its answer included.
    pub timeout: Duration,
    /// How long connecting may take, TLS included; part of `timeout`.
    pub connect_timeout: Duration,
    /// How many connections are open at most with HTTP/1.1; more requests at once wait.
    pub connections_max: usize,
    /// Whether HTTP/2 is spoken without asking first. Otherwise HTTP/1.1, or over TLS what the gateway chooses.
    pub http2_prior_knowledge: bool,
    /// How many connections there are with `http2_prior_knowledge`.
    pub connections_h2: usize,
    /// A PEM file with the certificates of the authorities that the gateway's own is trusted by, in place of the public
    /// ones.
    pub ca_file: Option<PathBuf>,
}

/// Options with which there can be no client.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum InvalidOptions {
    /// Not an address. It is not shown: it may hold a password.
    #[error(
        "the gateway's base_url is no address that can be used; give http:// or https://, host, port and maybe a \
         path, without user, password or query"
    )]
    BaseUrl,
    /// The key is not shown.
    #[error(
        "the gateway's API key is empty or has characters that no header can carry; check for line breaks"
    )]
    ApiKey,
    /// Bodies are frozen for a version of the API, so it cannot be any.
    #[error("this release does not speak version {0:?} of the gateway's API; choose one of {known:?}", known = api_versions())]
    ApiVersion(String),
    /// Nobody could be trusted.
    #[error("the gateway's ca_file {0}")]
    CaFile(String),
    /// Nothing could ever be sent.
    #[error("the timeouts and the number of connections must be more than 0")]
    Nothing,
}

/// The versions of the gateway's API that this release speaks, the newest last.
#[must_use]
pub fn api_versions() -> Vec<&'static str> {
    VERSIONS.iter().map(|version| version.api_version).collect()
}

/// The gateway over HTTP.
pub struct StripeGateway {
    client: Arc<Client>,
    lister: Lister,
    /// As many wait as the gateway actor lets be in flight.
    asked: UnboundedSender<Asked>,
}

/// A call, and whom to tell.
type Asked = (GatewayCall, Done<Answer>);

struct Client {
    requests: Requests,
    transport: Transport,
    telemetry: Telemetry,
    version: &'static Version,
}

impl StripeGateway {
    /// A client whose calls run on `handle`'s runtime. Nothing is connected before the first call.
    ///
    /// # Errors
    /// [`InvalidOptions`] says which option and what to do.
    pub fn new(options: &Options, handle: Handle) -> Result<Self, InvalidOptions> {
        let version = Version::speaking(&options.api_version)
            .ok_or_else(|| InvalidOptions::ApiVersion(options.api_version.clone()))?;
        let nothing = options.timeout.is_zero()
            || options.connect_timeout.is_zero()
            || options.connections_max == 0
            || options.connections_h2 == 0;
        if nothing {
            return Err(InvalidOptions::Nothing);
        }
        let client = Arc::new(Client {
            requests: Requests::new(&options.base_url, &options.api_key)?,
            transport: Transport::new(options)?,
            telemetry: Telemetry::new(),
            version,
        });
        let (asked, calls) = unbounded_channel();
        handle.spawn(take_calls(Arc::clone(&client), handle.clone(), calls));
        Ok(Self {
            lister: Lister::new(Arc::clone(&client), &handle),
            client,
            asked,
        })
    }
}

impl Gateway for StripeGateway {
    fn freeze(&self, request: &DonationRequest) -> Result<u16, Inexpressible> {
        Charged::new(request.amount).map(|_| self.client.version.number)
    }

    fn call(&self, call: GatewayCall, done: Done<Answer>) {
        if call.call == Call::List {
            return self.lister.ask(call, done);
        }
        // It fails only when the runtime has ended; the completion, dropped then, says so.
        let _ = self.asked.send((call, done));
    }
}

/// Begins the calls, on the runtime itself: begun from the actors' threads, each would wake it anew, and go out alone.
async fn take_calls(client: Arc<Client>, handle: Handle, mut calls: UnboundedReceiver<Asked>) {
    while let Some((call, done)) = calls.recv().await {
        let client = Arc::clone(&client);
        handle.spawn(async move {
            let began = Instant::now();
            let answer = client.answer(&call).await;
            client
                .telemetry
                .answered(&call.call, &answer, began.elapsed());
            done.call(answer);
        });
    }
}

/// Why a call has no answer of the gateway's.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
enum NoAnswer {
    Unsendable(#[from] Unsendable),
    Failed(#[from] Failure),
    Useless(#[from] Useless),
}

impl Client {
    async fn answer(&self, call: &GatewayCall) -> Answer {
        self.try_answer(call)
            .await
            .unwrap_or_else(|none| self.instead(call, none))
    }

    async fn try_answer(&self, call: &GatewayCall) -> Result<Answer, NoAnswer> {
        let prepared = Prepared::new(call)?;
        let expected = Expected {
            call: &call.call,
            donation: call.donation.request.id,
            charged: prepared.charged,
            intent: prepared.intent(),
        };
        let request: Outgoing = self.requests.one(&prepared)?;
        let reply = self.transport.send(request, ANSWER_MAX_BYTES).await?;
        Ok(answers::read(&expected, &reply)?)
    }

    /// The answer in place of none.
    fn instead(&self, call: &GatewayCall, none: NoAnswer) -> Answer {
        if let NoAnswer::Useless(Useless::NotOurs(_)) = &none {
            self.telemetry.not_ours();
            tracing::error!(
                donation = %call.donation.request.id,
                call = call.call.name(),
                "{none}; until a person has looked, its outcome counts as unknown"
            );
        }
        none.into_answer()
    }
}

impl NoAnswer {
    fn into_answer(self) -> Answer {
        let why = self.to_string().into();
        match self {
            Self::Unsendable(_) => Answer::OurDefect {
                status: 0,
                what: why,
            },
            Self::Failed(Failure::NotSent(_)) => Answer::NotSent(why),
            Self::Failed(Failure::Lost(_)) | Self::Useless(_) => Answer::Lost(why),
        }
    }
}
