//! The figures of the simulated processes: small, so that every bound is met.

use almoner_actors::world::Settings;
use almoner_domain::donation::Rules;
use almoner_domain::partition::Partitioner;
use almoner_domain::request;

use crate::script::Weather;

const HOUR_MS: i64 = 3_600_000;
/// After this long without a word a member of the group is given up, and its lease is over.
pub const SESSION_TIMEOUT_MS: i64 = 45_000;

/// The settings of every process in this weather.
#[must_use]
pub fn settings(weather: &Weather) -> Settings {
    let lifetime_ms = if weather.is_long {
        24 * HOUR_MS
    } else {
        HOUR_MS
    };
    Settings {
        rules: Rules {
            attempts_max: 5,
            key_lifetime_ms: lifetime_ms,
            reconcile_bound_ms: lifetime_ms,
            max_age_ms: 3 * lifetime_ms,
            confirm_within_ms: 60_000,
        },
        requests: request::Rules::default(),
        partitioner: Partitioner::Murmur2Random,
        partitions: weather.partitions,
        group_id: "almoner".into(),
        duplicate_window_ms: 60_000,
        window_kept_ms: 60_000,
        in_flight_max: 40,
        user_waiting_max: 8,
        user_held_max: 3,
        campaign_in_flight_max: 20,
        campaign_per_minute_max: 0,
        user_per_minute_max: 0,
        campaign_declines_per_minute_max: 0,
        campaign_ttl_ms: 30_000,
        unknown_campaigns_accepted: false,
        quiet_ms: 2_000,
        in_flight_ms: 10_000,
        queue_patience_ms: 8_000,
        gateway_timeout_ms: 6_000,
        send_deadline_ms: 5_000,
        session_timeout_ms: SESSION_TIMEOUT_MS,
        drain_timeout_ms: 5_000,
        pending_max: 100_000,
        unknown_max: 10_000,
        gateway_in_flight_max: 512,
        gateway_per_second_max: 0,
        gateway_endpoint_per_second_max: 0,
        needs_every_partition: weather.slots == 1, // it has the store for itself
    }
}
