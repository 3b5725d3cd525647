//! How a limit is shared out. What is counted against the shares is counted where it happens.

/// A shard's or an instance's share of a limit: `limit × owned / all`, rounded up, at least 1 and at most `limit`
/// (unless that is 0). Shares rounded up add up to at most `limit + all`.
#[must_use]
pub fn share(limit: u32, owned: u32, all: u32) -> u32 {
    let all = u64::from(all.max(1));
    let owned = u64::from(owned).min(all);
    let share = (u64::from(limit) * owned).div_ceil(all);
    // Not more than `limit`, since `owned` is not more than `all`.
    u32::try_from(share).unwrap_or(limit).max(1)
}

/// How many of a router's credits one campaign may use: half of them, at least 1, so that no campaign starves the
/// others of its shard.
#[must_use]
pub fn campaign_credits(router_credits: u32) -> u32 {
    (router_credits / 2).max(1)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn shares_are_rounded_up_and_never_nothing() {
        for (limit, owned, all, expected) in [
            (100, 48, 48, 100),
            (100, 24, 48, 50),
            (100, 1, 48, 3),
            (1, 1, 48, 1),
            (0, 1, 48, 1),
            (100, 0, 48, 1),
            (100, 5, 0, 100),
            (100, 90, 48, 100),
            (u32::MAX, u32::MAX, u32::MAX, u32::MAX),
        ] {
            assert_eq!(
                share(limit, owned, all),
                expected,
                "{limit} × {owned} / {all}"
            );
        }
    }

    #[test]
    fn a_campaign_uses_half_of_the_credits() {
        for (credits, expected) in [(4096, 2048), (3, 1), (1, 1), (0, 1)] {
            assert_eq!(campaign_credits(credits), expected);
        }
    }

    proptest! {
        #[test]
        fn shares_add_up_to_the_limit_and_at_most_one_more_each(limit in 1..10_000u32, all in 1..200u32) {
            let sum = share(limit, 1, all) * all;
            prop_assert!((limit..limit + all).contains(&sum));
        }
    }
}
