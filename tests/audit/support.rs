//! A store and a gateway with donations in them, which a test then tampers with.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::mpsc::channel;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use almoner::audit::{AuditReport, CouldNotAudit, compare};
use almoner::gateway::{Options, StripeGateway};
use almoner::simulator::{self, Clock, Running, Simulator};
use almoner::store::sqlite::{Books, SqliteStore};
use almoner_actors::ports::{
    AcceptWrite, Accepted, Done, Dropped, Finish, FinishWrite, FirstState, Gateway, GatewayCall,
    Pending, RowId, Store, StoreError,
};
use almoner_domain::answer::{Answer, Intent};
use almoner_domain::donation::{Call, Donation, Ending, PendingKind, Progress, State};
use almoner_domain::ids::{CampaignId, DonationId, Place, Shard, UserId};
use almoner_domain::money::{Currency, Money};
use almoner_domain::outcome::Reason;
use almoner_domain::request::DonationRequest;
use http_body_util::{BodyExt, Full};
use hyper::Request;
use hyper::body::Bytes;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use secrecy::SecretString;
use smallvec::SmallVec;
use tempfile::TempDir;
use tokio::runtime::Runtime;

/// When the stories begin: 2026-11-21, in milliseconds since 1970.
pub const START_MS: i64 = 1_795_219_200_000;
/// When they are audited.
pub const NOW_MS: i64 = START_MS + 600_000;

/// A call that takes longer than this is stuck.
const STUCK: Duration = Duration::from_secs(180);

pub static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Runtime::new().unwrap());

pub struct World {
    pub folder: TempDir,
    store: SqliteStore,
    gateway: StripeGateway,
    simulator: Running,
}

/// The client's options for a gateway at this address.
pub fn options(base_url: &str) -> Options {
    Options {
        base_url: base_url.to_owned(),
        api_key: SecretString::from("sk_test_almoner"),
        api_version: "2025-09-30.clover".to_owned(),
        timeout: Duration::from_secs(30),
        connect_timeout: Duration::from_secs(10),
        connections_max: 8,
        http2_prior_knowledge: false,
        connections_h2: 4,
        ca_file: None,
    }
}

/// The nth donation, accepted at the start: 12.50 EUR for the river's trees.
pub fn donation(n: u128) -> Arc<Donation> {
    donation_of(n, 1_250, "EUR", "pm_card_visa")
}

pub fn donation_of(n: u128, amount_minor: u64, currency: &str, method: &str) -> Arc<Donation> {
    let id = DonationId((0x018f_6b2e_5c1a_7abc_8def_0000_0000_0000_u128 + n).to_be_bytes());
    let currency = Currency::from_code(currency).unwrap();
    Arc::new(Donation {
        request: DonationRequest {
            id,
            user_id: UserId::parse("user_1").unwrap(),
            campaign_id: CampaignId::parse("river-trees").unwrap(),
            amount: Money::new(amount_minor, currency).unwrap(),
            payment_method: method.into(),
            gateway_customer: None,
            information: None,
        },
        place: Place {
            topic: "donations.requests".into(),
            partition: 0,
            offset: i64::try_from(n).unwrap(),
        },
        shard_offset: i64::try_from(n).unwrap(),
        recorded_at_ms: START_MS,
        accepted_at_ms: START_MS,
        body_version: 1,
        trace: None,
    })
}

/// The same donation, accepted so much earlier.
pub fn earlier(donation: &Donation, by_ms: i64) -> Arc<Donation> {
    Arc::new(Donation {
        accepted_at_ms: donation.accepted_at_ms - by_ms,
        ..donation.clone()
    })
}

/// The same donation with another amount.
pub fn with_amount(donation: &Donation, amount_minor: u64, currency: &str) -> Arc<Donation> {
    let mut other = donation.clone();
    let currency = Currency::from_code(currency).unwrap();
    other.request.amount = Money::new(amount_minor, currency).unwrap();
    Arc::new(other)
}

impl World {
    /// An empty store and an empty gateway.
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let options_of_simulator = simulator::Options {
            clock: Clock::manual(START_MS),
            ..simulator::Options::default()
        };
        let simulator = Simulator::open(options_of_simulator).unwrap();
        let simulator = simulator.serve(RUNTIME.handle()).unwrap();
        let options = options(&url(simulator.addr()));
        let store = SqliteStore::open(folder.path()).unwrap();
        wait(|done| store.claim(Shard(0), done));
        Self {
            gateway: StripeGateway::new(&options, RUNTIME.handle().clone()).unwrap(),
            folder,
            store,
            simulator,
        }
    }

    pub fn url(&self) -> String {
        url(self.simulator.addr())
    }

    pub fn options(&self) -> Options {
        options(&self.url())
    }

    pub fn books(&self) -> Books {
        self.store.books().unwrap()
    }

    pub fn audit_since(&self, since_ms: Option<i64>) -> Result<AuditReport, CouldNotAudit> {
        RUNTIME.block_on(compare(&self.books(), &self.options(), since_ms, NOW_MS))
    }

    pub fn audit(&self) -> AuditReport {
        self.audit_since(None).unwrap()
    }

    /// Changes the database from outside.
    pub fn tamper(&self, sql: &str) {
        let changed = rusqlite::Connection::open(self.folder.path().join("almoner.sqlite"))
            .unwrap()
            .execute(sql, [])
            .unwrap();
        assert_eq!(changed, 1, "{sql}");
    }
}

/// The books.
impl World {
    /// Accepts it, with its first send permitted.
    pub fn accept(&self, donation: &Arc<Donation>) -> RowId {
        self.accept_as(donation, FirstState::Charging)
    }

    pub fn accept_as(&self, donation: &Arc<Donation>, first: FirstState) -> RowId {
        let write = AcceptWrite {
            donation: Arc::clone(donation),
            shard: Shard(0),
            epoch: 1,
            first,
        };
        match wait(|done| self.store.accept(write, done)) {
            Accepted::New(row) => row,
            other => panic!("not new: {other:?}"),
        }
    }

    /// Accepts it as pending.
    pub fn accept_pending(&self, donation: &Arc<Donation>, kind: PendingKind, state: State) {
        let pending = Pending {
            version: 1,
            due_ms: NOW_MS,
            kind,
        };
        let progress = Box::new(Progress {
            state,
            ..Progress::new()
        });
        self.accept_as(
            donation,
            FirstState::Pending {
                pending,
                progress,
                told: None,
            },
        );
    }

    pub fn finish(&self, donation: &Arc<Donation>, row: RowId, ending: Ending) {
        let write = FinishWrite {
            donation: Arc::clone(donation),
            row,
            finish: Finish {
                ending,
                at_ms: START_MS,
                sequence: 1,
            },
            seen_version: 0,
            surplus: None,
            sends: SmallVec::new(),
            answered_by: None,
        };
        wait(|done| self.store.finish(write, done));
    }

    /// Accepts, and says that this intent charged it.
    pub fn succeed(&self, donation: &Arc<Donation>, intent: &Intent) {
        let row = self.accept(donation);
        self.finish(donation, row, succeeded(intent));
    }

    pub fn fail(&self, donation: &Arc<Donation>) {
        let row = self.accept(donation);
        self.finish(donation, row, failed());
    }
}

pub fn succeeded(intent: &Intent) -> Ending {
    Ending {
        state: State::Succeeded,
        reason: None,
        decline_code: None,
        intent_id: Some(intent.id.clone()),
        charge_id: intent.charge_id.clone(),
        created_s: Some(intent.created_s),
        attempts: 0,
    }
}

pub fn failed() -> Ending {
    Ending {
        state: State::Failed,
        reason: Some(Reason::CardDeclined),
        decline_code: None,
        intent_id: None,
        charge_id: None,
        created_s: None,
        attempts: 1,
    }
}

/// The gateway.
impl World {
    /// The whole way of a donation.
    pub fn give(&self, donation: &Arc<Donation>) -> Intent {
        let row = self.accept(donation);
        let intent = self.charge(donation);
        self.finish(donation, row, succeeded(&intent));
        intent
    }

    /// Charges it at the gateway, whatever the books say.
    pub fn charge(&self, donation: &Arc<Donation>) -> Intent {
        match self.call(donation, Call::Charge, None) {
            Answer::Intent(intent) => intent,
            other => panic!("not charged: {other:?}"),
        }
    }

    pub fn call(&self, donation: &Arc<Donation>, call: Call, intent: Option<Box<str>>) -> Answer {
        let (sender, answers) = channel();
        let call = GatewayCall {
            donation: Arc::clone(donation),
            call,
            intent,
            listed_s: (0, i64::MAX),
            permit: None,
        };
        let done = Done::new(move |answer| sender.send(answer).unwrap());
        self.gateway.call(call, done);
        answers.recv_timeout(STUCK).unwrap()
    }

    /// Charges it once more, by an intent of its own.
    pub fn charge_again(&self, donation: &Arc<Donation>) -> Intent {
        let Answer::Intent(created) = self.call(donation, Call::CreateIntent { n: 1 }, None) else {
            panic!("no intent");
        };
        let confirm = Call::Confirm { n: 1 };
        match self.call(donation, confirm, Some(created.id)) {
            Answer::Intent(charged) => charged,
            other => panic!("not charged: {other:?}"),
        }
    }

    /// Gives so much of the intent's charge back.
    pub fn refund(&self, intent: &Intent, amount: u64) {
        let form = format!("payment_intent={}&amount={amount}", intent.id);
        self.post("/v1/refunds", &form);
    }

    /// What somebody else sends to the same account.
    pub fn post(&self, path: &str, form: &str) {
        let request = Request::post(format!("{}{path}", self.url()))
            .header(AUTHORIZATION, "Bearer sk_test_almoner")
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(Full::new(Bytes::from(form.to_owned())))
            .unwrap();
        RUNTIME.block_on(async {
            let client = Client::builder(TokioExecutor::new()).build_http();
            let response = client.request(request).await.unwrap();
            let status = response.status();
            let body = response.into_body().collect().await.unwrap().to_bytes();
            assert!(status.is_success(), "{}", String::from_utf8_lossy(&body));
        });
    }
}

fn url(addr: SocketAddr) -> String {
    format!("http://{addr}")
}

/// Waits for the store's answer.
fn wait<T: Send + 'static>(call: impl FnOnce(Done<Result<T, StoreError>>)) -> T
where
    Result<T, StoreError>: Dropped,
{
    let (sender, answers) = channel();
    call(Done::new(move |answer| sender.send(answer).unwrap()));
    answers.recv_timeout(STUCK).unwrap().unwrap()
}

/// The path as text.
pub fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}
