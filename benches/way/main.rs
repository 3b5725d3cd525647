//! How fast: the runtime alone, and the whole way with broker, HTTP simulator and every fsync.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod cpu;
mod runtime;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {
    let mut config = almoner::config::Config::default();
    config.donations.unknown_campaigns = almoner::config::UnknownCampaigns::Accept;
    config.gateway.requests_per_second_max = 0;
    config.gateway.endpoint_requests_per_second_max = 0;
    let mut state = 1u64;
    let mut next = move || {
        state = state
            .wrapping_mul(6364136223846793005)
            .wrapping_add(1442695040888963407);
        (state >> 33) as f64 / (1u64 << 31) as f64
    };
    let records: Vec<(Vec<u8>, Vec<u8>)> = (0..1_000_000u64)
        .map(|i| {
            let u = (next().powi(3) * 100_000.0) as u64;
            let mut id = [0u8; 16];
            id[..8].copy_from_slice(&i.to_be_bytes());
            id[8..].copy_from_slice(&(next().to_bits()).to_be_bytes());
            let user = format!("user_{u}");
            let req = almoner_domain::request::DonationRequest {
                id: almoner_domain::ids::DonationId(id),
                user_id: almoner_domain::ids::UserId::parse(&user).unwrap(),
                campaign_id: almoner_domain::ids::CampaignId::parse(&format!(
                    "camp_{}",
                    (next().powi(3) * 1000.0) as u64
                ))
                .unwrap(),
                amount: almoner_domain::money::Money::new(
                    100 + i % 100_000,
                    almoner_domain::money::Currency::from_code("EUR").unwrap(),
                )
                .unwrap(),
                payment_method: "pm_card_visa".into(),
                gateway_customer: None,
                information: None,
            };
            (
                user.into_bytes(),
                almoner_domain::request::encode(&almoner_domain::request::Request::Donate(req)),
            )
        })
        .collect();
    let runtimes = almoner::app::Runtimes::start().unwrap();
    for _ in 0..2 {
        let m = runtime::run(&runtimes, &records, &config);
        println!("runtime alone: {:.0}/s, {:.2} us CPU", m.per_s, m.cpu_us);
    }
}
