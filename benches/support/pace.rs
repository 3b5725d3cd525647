//! An open loop: what is offered comes at its time, whatever became of what came before.

use std::time::Duration;

use tokio::time::Instant;

/// What comes earlier than this is waited for: a wait for each alone would cost more than what is measured.
const EARLY_MAX: Duration = Duration::from_millis(1);

/// Hands on `items` at so many a second from the first one on; `None` does not wait. What is late is handed on at once, so
/// that a pause is made up for.
pub fn paced<T>(items: impl Iterator<Item = T>, per_s: Option<f64>) -> impl Iterator<Item = T> {
    let mut began = None;
    (0_u64..).zip(items).map(move |(number, item)| {
        if let Some(per_s) = per_s {
            let began = *began.get_or_insert_with(Instant::now);
            let at = began + Duration::from_secs_f64(number as f64 / per_s);
            let early = at.saturating_duration_since(Instant::now());
            if early > EARLY_MAX {
                std::thread::sleep(early);
            }
        }
        item
    })
}
