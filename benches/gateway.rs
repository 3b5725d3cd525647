//! What a call of the payment gateway costs, the client's side and the simulator's together, and nothing else:
//! `cargo bench --bench gateway -- [CALLS] [http1|http2]`. Prints one line of JSON for each way of speaking: calls a
//! second, and the CPU time a call of the whole process and of either side.
//!
//! As in the product, calls begin on a thread of their own, and the simulator keeps its journal.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

#[path = "support/threads.rs"]
#[allow(dead_code, reason = "others need more of it")]
mod threads;

use std::sync::Arc;
use std::sync::mpsc::channel;
use std::time::Duration;

use almoner::gateway::{self, StripeGateway};
use almoner::io_thread::IoThread;
use almoner::simulator::{self, Simulator};
use almoner_actors::ports::{Done, Gateway, GatewayCall};
use almoner_domain::answer::{Answer, IntentStatus};
use almoner_domain::donation::{Call, Donation};
use almoner_domain::ids::{CampaignId, DonationId, Place, UserId};
use almoner_domain::money::{Currency, Money};
use almoner_domain::request::DonationRequest;
use tokio::time::Instant;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const CALLS: u64 = 200_000;

/// Calls on the wire at once.
const IN_FLIGHT: u64 = 256;

/// The threads of the client's and the simulator's.
const THREADS: [&str; 2] = ["gateway", "simulator"];

fn main() {
    let has = |word: &str| std::env::args().any(|arg| arg == word);
    let asked = std::env::args().skip(1).find_map(|arg| arg.parse().ok());
    let calls = asked.unwrap_or(CALLS);
    for (name, http2) in [("http1", false), ("http2", true)] {
        if has(name) || !(has("http1") || has("http2")) {
            measure(name, http2, calls);
        }
    }
}

fn measure(name: &str, http2: bool, calls: u64) {
    let folder = tempfile::tempdir().unwrap();
    let (io, outside) = THREADS.map(IoThread::start).map(Result::unwrap).into();
    let options = simulator::Options {
        data: Some(folder.path().to_owned()),
        ..simulator::Options::default()
    };
    let simulator = Simulator::open(options).unwrap();
    let simulator = simulator.serve(outside.handle()).unwrap();
    let gateway = client(&simulator, &io, http2);
    let donations: Vec<_> = (0..calls).map(donation).collect();
    let (began, cpu_began) = (Instant::now(), cpu_us(""));
    let sides_began = THREADS.map(cpu_us);
    charge_all(&gateway, donations);
    let took_s = began.elapsed().as_secs_f64();
    let each = |us: u64| ((us as f64 / calls as f64) * 10.0).round() / 10.0;
    let result = serde_json::json!({
        "speaks": name,
        "calls_per_s": (calls as f64 / took_s).round(),
        "cpu_us_per_call": each(cpu_us("") - cpu_began),
        "client_cpu_us_per_call": each(cpu_us(THREADS[0]) - sides_began[0]),
        "simulator_cpu_us_per_call": each(cpu_us(THREADS[1]) - sides_began[1]),
    });
    println!("{result}");
    assert_eq!(simulator.stats().intents, calls);
    drop(simulator);
}

/// Charges every donation, and makes sure that each was charged.
fn charge_all(gateway: &StripeGateway, donations: Vec<Arc<Donation>>) {
    let (answered, answers) = channel();
    let mut in_flight = 0;
    let receive = || {
        let answer = answers.recv().unwrap();
        let is_charged =
            matches!(&answer, Answer::Intent(it) if it.status == IntentStatus::Succeeded);
        assert!(is_charged, "{answer:?}");
    };
    for donation in donations {
        let answered = answered.clone();
        let call = GatewayCall {
            donation,
            call: Call::Charge,
            intent: None,
            listed_s: (0, 0),
            permit: None,
        };
        gateway.call(
            call,
            Done::new(move |answer| answered.send(answer).unwrap()),
        );
        in_flight += 1;
        if in_flight == IN_FLIGHT {
            receive();
            in_flight -= 1;
        }
    }
    (0..in_flight).for_each(|_| receive());
}

fn client(simulator: &simulator::Running, io: &IoThread, http2: bool) -> StripeGateway {
    let options = gateway::Options {
        ca_file: None,
        base_url: format!("http://{}", simulator.addr()),
        api_key: simulator::Options::default().api_key.as_str().into(),
        api_version: gateway::api_versions()[0].to_owned(),
        timeout: Duration::from_secs(5),
        connect_timeout: Duration::from_secs(2),
        connections_max: IN_FLIGHT as usize,
        http2_prior_knowledge: http2,
        connections_h2: 4,
    };
    StripeGateway::new(&options, io.handle().clone()).unwrap()
}

fn donation(n: u64) -> Arc<Donation> {
    let mut id = [0x55; 16];
    id[..8].copy_from_slice(&n.to_be_bytes());
    Arc::new(Donation {
        request: DonationRequest {
            id: DonationId(id),
            user_id: UserId::parse(&format!("user-{:08}", n % 100_000)).unwrap(),
            campaign_id: CampaignId::parse(&format!("campaign-{:06}", n % 1_000)).unwrap(),
            amount: Money::new(100 + n % 10_000, Currency::from_code("EUR").unwrap()).unwrap(),
            payment_method: "pm_1MtwBwLkdIwHu7ix28a3tqPa".into(),
            gateway_customer: Some("cus_NffrFeUfNV2Hib".into()),
            information: None,
        },
        place: Place {
            topic: "donations.requests".into(),
            partition: 0,
            offset: n as i64,
        },
        shard_offset: n as i64,
        recorded_at_ms: 1_790_000_000_000,
        accepted_at_ms: 1_790_000_000_000,
        body_version: 1,
        trace: None,
    })
}

/// User and system time of this process' threads whose names begin so, in microseconds.
fn cpu_us(name: &str) -> u64 {
    let ours = threads::of("self").filter(|thread| thread.name.starts_with(name));
    ours.map(|thread| thread.ns / 1000).sum()
}
