//! A broker to try things out with, where there is no Kafka: it lives in this process's memory, and ends with it.
//!
//! cargo run --release --example local_broker

use std::error::Error;

use almoner::kafka::broker::EmbeddedBroker;

const PARTITIONS: u16 = 4;

fn main() -> Result<(), Box<dyn Error>> {
    let broker = EmbeddedBroker::start(&[
        ("donations.requests", PARTITIONS),
        ("donations.outcomes", PARTITIONS),
        ("donations.dead-letters", 1),
        ("donations.campaigns", 1),
    ])?;
    let address = broker.bootstrap_servers();
    println!("export ALMONER__KAFKA__BOOTSTRAP_SERVERS={address}");
    eprintln!(
        "the broker runs; paste the line above into the other terminals, and press Ctrl-C here to end it"
    );
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(tokio::signal::ctrl_c())?;
    Ok(())
}
