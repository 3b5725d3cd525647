//! `[limits]`: bounds on what one user, one campaign and one instance may do at a time.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Bounds on what one user, one campaign and one instance may do at a time.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Limits {
    /// How many donations this instance works on at once; beyond that it stops reading. A campaign gets at most half of it.
    #[schemars(
        range(min = 2, max = 1_000_000),
        extend("x-why" = "a campaign gets half, and each donation costs memory")
    )]
    pub in_flight_max: u32,
    /// How many donations of a user may wait for the one that is being charged; a further one fails as `velocity_blocked`.
    #[schemars(range(min = 1, max = 1_000))]
    pub user_waiting_max: u32,
    /// How many donations of a user may be held for an answer; a further one fails as `velocity_blocked`.
    #[schemars(range(min = 1, max = 100))]
    pub user_held_max: u32,
    /// How many donations a minute one user may make. 0 is no limit.
    #[schemars(range(max = 1_000_000))]
    pub user_per_minute_max: u32,
    /// How many donations a minute one campaign may get, all instances together (up to one more a partition). 0 is no limit.
    #[schemars(range(max = 100_000_000))]
    pub campaign_per_minute_max: u32,
    /// How many declined cards a minute one campaign may see, all instances together, before its donations are refused for
    /// the rest of the minute: stolen cards are tried out on small donations. 0 is no limit.
    #[schemars(range(max = 100_000_000))]
    pub campaign_declines_per_minute_max: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            in_flight_max: 4_096,
            user_waiting_max: 8,
            user_held_max: 3,
            user_per_minute_max: 0,
            campaign_per_minute_max: 0,
            campaign_declines_per_minute_max: 0,
        }
    }
}
