//! How fast traffic is made and watched: `cargo run --release -p almoner-loadtest --example rate -- 1000000`.

use almoner_loadtest::{Scenario, ScenarioFault, Traffic, Watch};

#[expect(clippy::disallowed_methods, reason = "it measures real time")]
fn now() -> std::time::Instant {
    std::time::Instant::now()
}

fn main() -> Result<(), ScenarioFault> {
    let donations = std::env::args()
        .nth(1)
        .and_then(|text| text.parse().ok())
        .unwrap_or(100_000);
    let scenario = Scenario::bench(donations, 1);

    let start = now();
    let (mut messages, mut bytes) = (0u64, 0);
    for planned in Traffic::new(&scenario)? {
        messages += 1;
        bytes += planned.value.len();
    }
    let rate = messages as f64 / start.elapsed().as_secs_f64();
    println!(
        "made: {rate:.0}/s, {} bytes each",
        bytes as u64 / messages.max(1)
    );

    let mut watch = Watch::new(donations.try_into().unwrap_or(0));
    let start = now();
    for planned in Traffic::new(&scenario)? {
        watch.asked(&planned, 0);
    }
    let rate = messages as f64 / start.elapsed().as_secs_f64();
    println!("made and watched: {rate:.0}/s");
    Ok(())
}
