//! The gateway simulator: Stripe's payment API with its bad days, for the demo, the tests and load tests.
//!
//! It behaves as Stripe's documents say: idempotency keys that store the first answer (500s included) for a day and
//! then execute anew, lists that are read-after-write, searches that lag, intents that charge at most once, requests
//! that are carried out after their callers gave up. What it did stands in a journal that survives being killed. It
//! is the outside world: it shares no code with the product that it judges, but for how bytes are handed to the kernel.
//!
//! A card's behaviour is read from its payment method's name; every other `pm_…` is charged.
//!
//! | payment method | behaves |
//! |---|---|
//! | `pm_card_visa`, any other `pm_…` | is charged |
//! | `pm_card_chargeDeclined`, `pm_decline_…` | 402 `card_declined`, `generic_decline` |
//! | `…chargeDeclinedInsufficientFunds`, `…LostCard`, `…StolenCard`, `…Fraudulent`, `…VelocityLimitExceeded` | 402 `card_declined` with that decline code |
//! | `…chargeDeclinedExpiredCard`, `…IncorrectCvc`, `…ProcessingError` | 402 `expired_card`, `incorrect_cvc`, `processing_error` |
//! | `…chargeDeclinedIssuerNotAvailable`, `…TryAgainLater` | 402 `card_declined` with `issuer_not_available`, `try_again_later` |
//! | `…authenticationRequired` | off session 402 `authentication_required`, else `requires_action` |
//! | `pm_soft_{n}_…` | 402 `processing_error` n times on an intent, then is charged |
//! | `pm_processing_{ms}_…` | `processing` for so long (1,000 without a number), then is charged |
//! | `pm_action_…` | `requires_action` |
//! | `pm_missing…`, what does not begin with `pm_` | 400 `resource_missing`, parameter `payment_method` |
//! | customer `cus_missing…` | 400 `resource_missing`, parameter `customer` |
//!
//! `…` before a word is any beginning such as `pm_card_` or `pm_card_visa_`.

mod answer;
mod body;
mod clock;
mod currency;
mod decline;
mod event;
mod execute;
mod faults;
mod form;
pub mod fuzz;
mod ids;
mod intents;
mod journal;
mod keys;
mod list;
mod method;
mod mix;
mod objects;
mod render;
mod reply;
mod request_log;
mod requests;
mod routes;
mod server;
mod service;
mod stats;
mod views;
mod world;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;

use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::JoinHandle;

pub use answer::{Answer, ApiError, ErrorKind};
pub use clock::Clock;
pub use currency::Currency;
pub use decline::Decline;
pub use event::{CancelReason, Event, Metadata, RefundReason, RefundTerms, Terms};
pub use faults::{Profile, ProfileError};
pub use ids::{ChargeId, IntentId, RefundId, UnknownId};
pub use intents::Status;
pub use journal::{Journal, JournalError, Record, Records};
pub use request_log::{LoggedRequest, RequestLogError, requests_of_log};
pub use stats::Stats;
pub use views::{IntentView, intents_of_journal};

use request_log::RequestLog;
use service::{Behaviour, Service};
use world::World;

/// How a simulator is to behave.
#[derive(Clone)]
pub struct Options {
    /// Where it listens; port 0 takes a free one.
    pub listen: SocketAddr,
    /// The folder of its journal; without one it forgets everything when it ends.
    pub data: Option<PathBuf>,
    /// The file of its request log, if there is to be one.
    pub request_log: Option<PathBuf>,
    /// What goes wrong.
    pub profile: Profile,
    /// Decides which requests it goes wrong for.
    pub seed: u64,
    /// How long every answer takes at least.
    pub latency_ms: u32,
    /// The only bearer key it takes.
    pub api_key: String,
    /// How long an idempotency key lives, from its first use.
    pub key_lifetime_s: u32,
    /// What was left indeterminate or comes late is carried out within this.
    pub reconcile_bound_ms: u32,
    /// How far searches lag behind.
    pub search_lag_ms: u32,
    /// Beyond so many requests in a second it answers 429; 0 for no limit.
    pub requests_per_second_max: u32,
    /// An intent whose card refused so many times cancels itself at the next confirm; at most 99.
    pub confirms_max: u8,
    /// Its time.
    pub clock: Clock,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            data: None,
            request_log: None,
            profile: Profile::none(),
            seed: 1,
            latency_ms: 0,
            api_key: "sk_test_almoner".to_owned(),
            key_lifetime_s: 24 * 60 * 60,
            reconcile_bound_ms: 5_000,
            search_lag_ms: 1_000,
            requests_per_second_max: 0,
            confirms_max: 10,
            clock: Clock::System,
        }
    }
}

/// Why a simulator cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Its journal.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// Its request log.
    #[error(transparent)]
    RequestLog(#[from] RequestLogError),
    /// Its faults.
    #[error(transparent)]
    Profile(#[from] ProfileError),
}

/// A simulator cannot listen.
#[derive(Debug, thiserror::Error)]
#[error("the gateway simulator cannot listen on {listen}: {source}; is the port in use?")]
pub struct ListenError {
    /// Where.
    listen: SocketAddr,
    /// Why.
    source: std::io::Error,
}

/// A simulator that has read its journal and does not listen yet.
pub struct Simulator {
    listen: SocketAddr,
    world: World,
    behaviour: Behaviour,
}

impl Simulator {
    /// Reads the journal, if there is one.
    ///
    /// # Errors
    /// The journal cannot be read or is in use, or the profile's rates cannot be.
    pub fn open(options: Options) -> Result<Self, OpenError> {
        options.profile.check()?;
        let new_tag = mix::mix(options.seed) as u32;
        let world = World::open(
            options.data.as_deref(),
            options.clock,
            new_tag,
            i64::from(options.key_lifetime_s) * 1000,
            options.confirms_max.min(99),
        )?;
        let request_log = options.request_log.as_deref();
        let behaviour = Behaviour {
            request_log: request_log.map(RequestLog::open).transpose()?,
            profile: options.profile,
            seed: options.seed,
            latency_ms: options.latency_ms,
            authorization: format!("Bearer {}", options.api_key),
            reconcile_bound_ms: options.reconcile_bound_ms,
            search_lag_ms: options.search_lag_ms,
            requests_per_second_max: options.requests_per_second_max,
        };
        Ok(Self {
            listen: options.listen,
            world,
            behaviour,
        })
    }

    /// Listens, and answers on this runtime.
    ///
    /// # Errors
    /// The address cannot be listened on.
    pub fn serve(self, handle: &Handle) -> Result<Running, ListenError> {
        let failed = |source| ListenError {
            listen: self.listen,
            source,
        };
        let listener = server::bind(self.listen, handle).map_err(failed)?;
        let addr = listener.local_addr().map_err(failed)?;
        let service = Arc::new(Service::new(self.world, self.behaviour, handle.clone()));
        let (stop, stopped) = watch::channel(false);
        let accepting = server::accept(listener, service.clone(), handle.clone(), stopped);
        let task = handle.spawn(accepting);
        Ok(Running {
            addr,
            service,
            stop,
            task,
        })
    }
}

/// A simulator that answers. Dropped without `stop` it ends as in a crash: what it has not answered yet is forgotten.
pub struct Running {
    addr: SocketAddr,
    service: Arc<Service>,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Running {
    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// What it has counted.
    pub fn stats(&self) -> Stats {
        let world = &self.service.world;
        self.service
            .counters
            .snapshot(world.intents(), world.keys.len() as u64)
    }

    /// Every intent with its money, in order of creation, those that cannot be seen yet included.
    pub fn intents(&self) -> Vec<IntentView> {
        Self::intents_of(&self.service)
    }

    fn intents_of(service: &Service) -> Vec<IntentView> {
        let world = &service.world;
        world.settle_due(world.clock.now_ms());
        let mut intents = Vec::new();
        world.for_each(|intent| intents.push(IntentView::of(intent)));
        intents
    }

    /// How many things will still happen by themselves: requests that are carried out late, charges that were left
    /// indeterminate, cards that have not answered yet. At 0, and with no request under way, no money moves any more.
    pub fn still_to_come(&self) -> usize {
        self.service.still_to_come()
    }

    /// Stops accepting, lets running requests end, and closes the journal.
    pub async fn stop(mut self) {
        self.stop.send_replace(true);
        let _ended = (&mut self.task).await;
        self.service.world.journal.flush();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
        self.service.world.journal.close();
    }
}
