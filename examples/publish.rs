//! Asks for a donation and waits for its outcome, as a front end does.
//!
//! cargo run --release --example publish -- --help
//!
//! It needs nothing of this project: `rdkafka`, `rmp-serde`, `serde` and `uuid` do. A front end mints the id once, keeps
//! it, and sends the same request again until it has an answer: the card is charged once however often it asks.

use std::error::Error;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use clap::{Parser, ValueEnum};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::{Headers, Message};
use rdkafka::producer::{FutureProducer, FutureRecord};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

const REQUESTS: &str = "donations.requests";
const OUTCOMES: &str = "donations.outcomes";
const BROKER_WITHIN: Duration = Duration::from_secs(10);

/// Publish one request and wait for its outcome.
#[derive(Parser)]
struct Args {
    /// The brokers to begin with.
    #[arg(
        long,
        env = "ALMONER__KAFKA__BOOTSTRAP_SERVERS",
        default_value = "127.0.0.1:9092"
    )]
    bootstrap_servers: String,
    /// What to ask for; `confirm` and `cancel` answer a `donation.needs_confirmation`.
    #[arg(long = "type", value_enum, default_value = "donate")]
    request_type: RequestType,
    /// The donation. Say it again to repeat a request, or to answer a question; else a new one is made.
    #[arg(long)]
    id: Option<Uuid>,
    /// Who gives.
    #[arg(long, default_value = "user-42")]
    user: String,
    /// Who receives.
    #[arg(long, default_value = "campaign-7")]
    campaign: String,
    /// How much, in the currency's smallest unit: 1250 is 12.50 EUR.
    #[arg(long, default_value_t = 1250)]
    amount_minor: u64,
    /// ISO 4217.
    #[arg(long, default_value = "EUR")]
    currency: String,
    /// The gateway's token of the card, never a card number.
    #[arg(long, default_value = "pm_card_visa")]
    payment_method: String,
    /// How long to wait for an outcome, in seconds.
    #[arg(long, default_value_t = 60)]
    wait_s: u64,
}

#[derive(Clone, Copy, PartialEq, Serialize, ValueEnum)]
#[serde(rename_all = "snake_case")]
enum RequestType {
    Donate,
    Confirm,
    Cancel,
}

/// The value of a request: a MessagePack map with these names.
#[derive(Serialize)]
struct Request<'a> {
    r#type: RequestType,
    id: String,
    user_id: &'a str,
    #[serde(flatten)]
    gift: Option<Gift<'a>>,
}

/// What only a donation has.
#[derive(Serialize)]
struct Gift<'a> {
    campaign_id: &'a str,
    amount_minor: u64,
    currency: &'a str,
    payment_method: &'a str,
}

/// What a consumer needs of an outcome. Unknown fields, types and reasons are to be ignored: more may come.
#[derive(Deserialize)]
struct Outcome {
    r#type: String,
    status: Option<String>,
    reason: Option<String>,
    detail: String,
    receipt_id: Option<String>,
}

impl Outcome {
    fn print(&self) {
        println!("{}: {}", self.r#type, self.detail);
        let named = [
            ("status", &self.status),
            ("reason", &self.reason),
            ("receipt", &self.receipt_id),
        ];
        for (name, value) in named {
            if let Some(value) = value {
                println!("  {name}: {value}");
            }
        }
    }

    /// Whether nothing more comes, unless somebody does something.
    fn is_last(&self) -> bool {
        self.r#type != "donation.pending"
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let args = Args::parse();
    let id = args.id.map_or_else(new_id, Ok)?;
    // First listen, then ask: nothing that is told meanwhile is missed.
    let outcomes = listen(&args.bootstrap_servers)?;
    publish(&args, id)?;
    println!("asked: donation {id}");
    wait(&outcomes, id, Duration::from_secs(args.wait_s))
}

/// A UUIDv7 sorts by time, which the store likes; any UUID does.
#[expect(
    clippy::disallowed_methods,
    reason = "a front end mints ids by its own clock"
)]
fn new_id() -> Result<Uuid, Box<dyn Error>> {
    let now_ms = SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis();
    let id = uuid::Builder::from_unix_timestamp_millis(u64::try_from(now_ms)?, &rand::random());
    Ok(id.into_uuid())
}

/// A reader of all outcomes from now on.
fn listen(bootstrap_servers: &str) -> Result<BaseConsumer, Box<dyn Error>> {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", bootstrap_servers)
        .set("group.id", "almoner-example")
        .set("enable.auto.commit", "false")
        .create()?;
    let metadata = consumer.fetch_metadata(Some(OUTCOMES), BROKER_WITHIN)?;
    let mut ends = TopicPartitionList::new();
    for partition in metadata
        .topics()
        .iter()
        .flat_map(|topic| topic.partitions())
    {
        let (_, end) = consumer.fetch_watermarks(OUTCOMES, partition.id(), BROKER_WITHIN)?;
        ends.add_partition_offset(OUTCOMES, partition.id(), Offset::Offset(end))?;
    }
    consumer.assign(&ends)?;
    Ok(consumer)
}

#[tokio::main(flavor = "current_thread")]
async fn publish(args: &Args, id: Uuid) -> Result<(), Box<dyn Error>> {
    let producer: FutureProducer = ClientConfig::new()
        .set("bootstrap.servers", &args.bootstrap_servers)
        // As `[kafka] partitioner` says; librdkafka's own default differs from Java's.
        .set("partitioner", "murmur2_random")
        .set("enable.idempotence", "true")
        .create()?;
    let request = Request {
        r#type: args.request_type,
        id: id.to_string(),
        user_id: &args.user,
        gift: (args.request_type == RequestType::Donate).then(|| Gift {
            campaign_id: &args.campaign,
            amount_minor: args.amount_minor,
            currency: &args.currency,
            payment_method: &args.payment_method,
        }),
    };
    // Named maps, not arrays.
    let value = rmp_serde::to_vec_named(&request)?;
    let record = FutureRecord::to(REQUESTS).key(&args.user).payload(&value);
    producer
        .send(record, BROKER_WITHIN)
        .await
        .map_err(|(error, _)| error)?;
    Ok(())
}

/// Prints what is told of the donation, until nothing more comes.
#[expect(clippy::disallowed_methods, reason = "a deadline of the example's own")]
fn wait(outcomes: &BaseConsumer, id: Uuid, patience: Duration) -> Result<(), Box<dyn Error>> {
    let id = id.to_string();
    let until = Instant::now() + patience;
    while Instant::now() < until {
        let Some(record) = outcomes.poll(Duration::from_millis(200)) else {
            continue;
        };
        let record = record?;
        // The headers say whose outcome it is, so others need not be decoded.
        let is_ours = record.headers().is_some_and(|headers| {
            headers
                .iter()
                .any(|header| header.key == "donation-id" && header.value == Some(id.as_bytes()))
        });
        if !is_ours {
            continue;
        }
        let outcome: Outcome = rmp_serde::from_slice(record.payload().unwrap_or_default())?;
        outcome.print();
        if outcome.is_last() {
            return Ok(());
        }
    }
    Err(format!("no final outcome yet; ask again with --id {id}").into())
}
