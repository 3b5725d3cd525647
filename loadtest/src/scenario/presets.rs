//! The scenarios that ship: what the demo shows and what the benchmark measures.

use almoner_domain::money::Currency;

use super::{BadShares, Declines, DoubleClicks, Giving, Ids, Population, Repeats, Scenario, Texts};

/// 2026-01-01T00:00:00Z: a start that is as good as any, until the caller sets its own.
const START_MS: i64 = 1_767_225_600_000;

impl Scenario {
    /// Everything that happens, a little more often than in life: repeats, double clicks, declines, nonsense. Every
    /// user who is asked about a double answers, so that the end need not wait for a hold to lapse.
    #[must_use]
    pub fn demo(donations: u64, seed: u64) -> Self {
        Self {
            donations,
            seed,
            start_ms: START_MS,
            arrivals_per_s: 10_000,
            // The keenest user makes one gift in 1,700; a steeper exponent makes persons no person could be.
            users: Population {
                count: donations.max(1),
                zipf_exponent: 0.4,
            },
            campaigns: Population {
                count: 1_000,
                zipf_exponent: 1.0,
            },
            campaigns_closed: 5,
            givings: givings(),
            odd_amounts: 0.15,
            repeats: Repeats {
                share: 0.03,
                twice_share: 0.2,
                within_arrivals: 5_000,
            },
            double_clicks: DoubleClicks {
                share: 0.01,
                within_arrivals: 500,
                confirm_share: 0.4,
                cancel_share: 0.6,
            },
            declines: Declines {
                generic: 0.01,
                insufficient_funds: 0.012,
                authentication_required: 0.003,
                soft: 0.005,
                soft_times_max: 2,
            },
            bad: BadShares {
                zero_amount: 0.001,
                unknown_currency: 0.001,
                closed_campaign: 0.001,
                unknown_campaign: 0.001,
                garbage: 0.001,
            },
            texts: Texts {
                message_share: 0.35,
                metadata_share: 0.6,
                receipt_email_share: 0.3,
            },
            ids: Ids {
                late_ms_max: 2_000,
                v4_share: 0.1,
            },
        }
    }

    /// Sound gifts, the odd repeat and decline: what costs time without waiting. No planned doubles and no soft
    /// declines, whose pauses would be measured in place of the work; doubles that chance makes are answered.
    #[must_use]
    pub fn bench(donations: u64, seed: u64) -> Self {
        let demo = Self::demo(donations, seed);
        Self {
            campaigns: Population {
                count: 10_000,
                zipf_exponent: 1.0,
            },
            arrivals_per_s: 35_000,
            repeats: Repeats {
                share: 0.005,
                ..demo.repeats
            },
            double_clicks: DoubleClicks {
                share: 0.0,
                ..demo.double_clicks
            },
            declines: Declines {
                soft: 0.0,
                ..demo.declines
            },
            bad: BadShares {
                zero_amount: 0.0005,
                unknown_currency: 0.0,
                closed_campaign: 0.0005,
                unknown_campaign: 0.0,
                garbage: 0.0,
            },
            ..demo
        }
    }
}

/// Amounts that any card gateway takes: three-decimal currencies in tens, nothing below half a dollar's worth.
fn givings() -> Vec<Giving> {
    const CENTS: &[(u64, u32)] = &[
        (500, 8),
        (1_000, 22),
        (2_000, 20),
        (2_500, 14),
        (5_000, 18),
        (10_000, 12),
        (25_000, 4),
        (50_000, 2),
        (100_000, 1),
    ];
    const YEN: &[(u64, u32)] = &[
        (500, 15),
        (1_000, 30),
        (3_000, 25),
        (5_000, 15),
        (10_000, 12),
        (30_000, 3),
    ];
    const FILS: &[(u64, u32)] = &[
        (1_000, 15),
        (2_000, 15),
        (5_000, 30),
        (10_000, 25),
        (20_000, 10),
        (50_000, 5),
    ];
    let giving = |code: &str, weight, round_minor: &[(u64, u32)], odd_minor, odd_step_minor| {
        Currency::from_code(code).map(|currency| Giving {
            currency,
            weight,
            round_minor: round_minor.to_vec(),
            odd_minor,
            odd_step_minor,
        })
    };
    [
        giving("EUR", 45, CENTS, (101, 30_000), 1),
        giving("USD", 30, CENTS, (101, 30_000), 1),
        giving("GBP", 10, CENTS, (101, 30_000), 1),
        giving("CHF", 5, CENTS, (105, 30_000), 5),
        giving("JPY", 7, YEN, (101, 30_000), 1),
        giving("KWD", 3, FILS, (310, 50_000), 10),
    ]
    .into_iter()
    .flatten()
    .collect()
}
