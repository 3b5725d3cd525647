//! What an active user costs in memory: its actor, its window and its slot in the router.

use almoner::app::Runtimes;
use almoner_domain::ids::{DonationId, UserId};
use almoner_domain::request::{self, Request};
use almoner_loadtest::{Scenario, Traffic};

use crate::runtime;

/// Users of the measurement.
const USERS: u64 = 200_000;

/// Resident bytes by which the process grows for each user that gives once and stays active.
pub fn bytes_per_active_user(runtimes: &Runtimes) -> f64 {
    let template = Traffic::new(&Scenario::bench(1_000, 1))
        .expect("traffic")
        .find_map(|planned| planned.request);
    let template = template.expect("a sound request");
    let records = (0..USERS).map(|number| {
        let user = format!("active_user_{number}");
        let mut request = template.clone();
        request.id = DonationId(u128::from(number + 1).to_be_bytes());
        request.user_id = UserId::parse(&user).expect("a name");
        request.information = None;
        (
            user.into_bytes(),
            request::encode(&Request::Donate(request)),
        )
    });
    let records: Vec<_> = records.collect();
    let config = crate::unlimited();
    let before = resident_bytes();
    let kept = runtime::run_and_keep(runtimes, &records, &config);
    let grown = resident_bytes().saturating_sub(before);
    drop(kept);
    grown as f64 / USERS as f64
}

fn resident_bytes() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").expect("/proc/self/statm");
    let pages: u64 = statm
        .split(' ')
        .nth(1)
        .expect("the resident pages")
        .parse()
        .expect("a number");
    pages * rustix::param::page_size() as u64
}
