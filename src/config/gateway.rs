//! `[gateway]`: how the payment gateway is reached, how fast, and what it promises about its idempotency keys.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::kafka::empty_is_none;
use super::secret::Secret;

/// The payment gateway: Stripe, or whatever speaks as it does.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Gateway {
    /// Where the gateway is: scheme, host, port, and a path before `/v1` if there is one.
    pub base_url: String,
    /// The secret key of the gateway's account (`sk_…`). Required.
    pub api_key: Secret,
    /// A PEM file with the certificates of the authorities that the gateway's certificate may come from, for a gateway or
    /// proxy with an authority of its own. They are trusted in place of the public ones. Empty: the public ones.
    #[serde(with = "empty_is_none")]
    #[schemars(with = "String")]
    pub ca_file: Option<String>,
    /// The version of the gateway's API, sent as `Stripe-Version`. A donation keeps the one that it was accepted under.
    #[schemars(length(min = 1))]
    pub api_version: String,
    /// How long a whole call may take, in milliseconds. After that its outcome counts as unknown, and is asked for.
    #[schemars(
        range(min = 1_000, max = 300_000),
        extend("x-why" = "a gateway needs seconds for some cards, and each call cut short is an unknown outcome")
    )]
    pub timeout_ms: u32,
    /// How long connecting may take, in milliseconds; part of `timeout_ms`. Nothing was sent then, so it is safe to be
    /// impatient.
    #[schemars(range(min = 10, max = 60_000))]
    pub connect_timeout_ms: u32,
    /// How many connections this instance opens at most, with HTTP/1.1.
    #[schemars(range(min = 1, max = 65_535))]
    pub connections_max: u32,
    /// How many calls this instance has open at the gateway at most.
    #[schemars(range(min = 1, max = 65_535))]
    pub in_flight_max: u32,
    /// How many requests a second the gateway allows the account, all instances together: each takes the share of the
    /// partitions that it owns. 0 is no limit.
    #[schemars(range(max = 1_000_000))]
    pub requests_per_second_max: u32,
    /// How many requests a second the gateway allows the account at each endpoint (create, confirm and cancel are three).
    /// 0 is no limit.
    #[schemars(range(max = 1_000_000))]
    pub endpoint_requests_per_second_max: u32,
    /// Whether HTTP/2 is spoken without asking first, over a few connections. For gateways and proxies that are known to
    /// understand it.
    pub http2_prior_knowledge: bool,
    /// How long the gateway remembers an idempotency key, in seconds after its first use. A key is not sent again in the
    /// last 4 hours of its life: **after its life the same key charges anew**, so never say more than the gateway promises.
    #[schemars(
        range(min = 18_000, max = 2_592_000),
        extend("x-why" = "keys rest for their last 4 hours, and resends need an hour before")
    )]
    pub key_lifetime_s: u64,
    /// How long after the last send, in seconds, the gateway may still turn an unclear answer into a charge. Only when that
    /// has passed, and its list shows no charge, does a donation whose key is used up get a new intent.
    #[schemars(range(min = 1, max = 2_592_000))]
    pub reconcile_bound_s: u64,
    /// How old, in seconds, the stored permission to send may be when the bytes go out. An older one is read again first,
    /// so that an instance that froze does not send for one that took over.
    #[schemars(
        range(min = 1, max = 300),
        extend("x-why" = "what waits longer must look again whether the donation is still its own")
    )]
    pub send_deadline_s: u32,
}

impl Default for Gateway {
    fn default() -> Self {
        Self {
            base_url: "https://api.stripe.com".to_owned(),
            api_key: Secret::default(),
            ca_file: None,
            api_version: "2025-09-30.clover".to_owned(),
            timeout_ms: 30_000,
            connect_timeout_ms: 2_000,
            connections_max: 512,
            in_flight_max: 512,
            requests_per_second_max: 100,
            endpoint_requests_per_second_max: 25,
            http2_prior_knowledge: false,
            key_lifetime_s: 86_400,
            reconcile_bound_s: 86_400,
            send_deadline_s: 30,
        }
    }
}
