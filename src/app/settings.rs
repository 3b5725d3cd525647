//! The actors' figures, from the configuration.

use almoner_actors::world::Settings;
use almoner_domain::donation::Rules;
use almoner_domain::{limits, request};

use crate::config::{Config, StoreKind, UnknownCampaigns};

/// What an operator says at the start about log and store, when they do not belong together.
#[derive(clap::Args, Clone, Copy, Debug, Default)]
pub struct StartFlags {
    /// The store was restored from a backup and is older than the log: what the gateway has charged since is read from
    /// its list first, and then the log again, from where the store stands.
    #[arg(long)]
    pub after_restore: bool,
    /// The requests topic is a new one: what the store knows of the old one's offsets does not count.
    #[arg(long)]
    pub new_log: bool,
}

/// A wait up to this long is not told, and stays in flight.
const QUIET_MS: i64 = 2_000;
/// A donation that is in flight for longer is told to be pending at its next wait.
const IN_FLIGHT_MS: i64 = 10_000;
/// A donation that waits for its user's turn for longer becomes pending.
const QUEUE_PATIENCE_MS: i64 = 30_000;

/// The figures for a requests topic of so many partitions.
#[must_use]
pub fn settings_of(config: &Config, partitions: u32) -> Settings {
    let Config {
        donations,
        limits,
        gateway,
        kafka,
        ..
    } = config;
    let ms = |seconds: u64| i64::try_from(seconds.saturating_mul(1_000)).unwrap_or(i64::MAX);
    Settings {
        rules: Rules {
            attempts_max: u8::try_from(donations.attempts_max).unwrap_or(u8::MAX),
            key_lifetime_ms: ms(gateway.key_lifetime_s),
            reconcile_bound_ms: ms(gateway.reconcile_bound_s),
            max_age_ms: ms(donations.max_age_s),
            confirm_within_ms: ms(donations.confirm_within_s),
        },
        requests: request::Rules {
            request_types_allowed: donations
                .request_types
                .iter()
                .map(|it| it.in_domain())
                .collect(),
            ..request::Rules::default()
        },
        partitioner: kafka.partitioner.in_domain(),
        partitions,
        group_id: kafka.group_id.as_str().into(),
        duplicate_window_ms: ms(donations.duplicate_window_s.into()),
        window_kept_ms: ms(donations.duplicate_window_s.into()),
        in_flight_max: limits.in_flight_max as usize,
        user_waiting_max: limits.user_waiting_max as usize,
        user_held_max: limits.user_held_max as usize,
        campaign_in_flight_max: limits::campaign_credits(limits.in_flight_max) as usize,
        campaign_per_minute_max: per_shard(limits.campaign_per_minute_max, partitions),
        user_per_minute_max: limits.user_per_minute_max,
        campaign_declines_per_minute_max: per_shard(
            limits.campaign_declines_per_minute_max,
            partitions,
        ),
        campaign_ttl_ms: ms(donations.campaign_ttl_s.into()),
        unknown_campaigns_accepted: donations.unknown_campaigns == UnknownCampaigns::Accept,
        quiet_ms: QUIET_MS,
        in_flight_ms: IN_FLIGHT_MS,
        queue_patience_ms: QUEUE_PATIENCE_MS,
        gateway_timeout_ms: gateway.timeout_ms.into(),
        send_deadline_ms: ms(gateway.send_deadline_s.into()),
        session_timeout_ms: kafka.session_timeout_ms.into(),
        drain_timeout_ms: config.shutdown.drain_timeout_ms.into(),
        pending_max: donations.pending_max as usize,
        unknown_max: donations.unknown_max as usize,
        gateway_in_flight_max: gateway.in_flight_max as usize,
        gateway_per_second_max: gateway.requests_per_second_max,
        gateway_endpoint_per_second_max: gateway.endpoint_requests_per_second_max,
        needs_every_partition: config.store.kind == StoreKind::Sqlite,
    }
}

/// A campaign's limit in one shard; 0 stays no limit.
fn per_shard(limit: u32, partitions: u32) -> u32 {
    if limit == 0 {
        0
    } else {
        limits::share(limit, 1, partitions)
    }
}
