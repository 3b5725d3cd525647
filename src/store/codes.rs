//! The small integers that stand for enumerations in the tables. They never change their meaning: add, don't renumber.

use almoner_domain::campaign::Status as CampaignStatus;
use almoner_domain::donation::{PendingKind, State};
use almoner_domain::outcome::Reason;

/// An enumeration with a stable number for each of its values.
pub(crate) trait Code: Sized {
    /// The number as it stands in a row.
    fn code(self) -> i64;

    /// The value of a number; none if a newer release wrote it.
    fn of(code: i64) -> Option<Self>;
}

macro_rules! codes {
    ($type:ty: $($code:literal $variant:ident),+ $(,)?) => {
        impl Code for $type {
            fn code(self) -> i64 {
                match self {
                    $(Self::$variant => $code,)+
                }
            }

            fn of(code: i64) -> Option<Self> {
                match code {
                    $($code => Some(Self::$variant),)+
                    _ => None,
                }
            }
        }
    };
}

/// Whose account a movement names.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Account {
    /// What the gateway owes us.
    GatewayClearing,
    /// What we owe the donation's campaign.
    Campaign,
}

codes!(Account: 1 GatewayClearing, 2 Campaign);

codes!(State:
    1 Accepted,
    2 Held,
    3 Charging,
    4 Retrying,
    5 Unknown,
    6 Succeeded,
    7 Failed,
    8 Cancelled,
);

codes!(PendingKind:
    1 Held,
    2 Retrying,
    3 Unknown,
    4 Queued,
    5 Drained,
    6 Quarantined,
    7 Surplus,
);

codes!(Reason:
    1 CampaignNotFound,
    2 CampaignClosed,
    3 CurrencyMismatch,
    4 AmountOutOfBounds,
    5 PaymentMethodInvalid,
    6 CardDeclined,
    7 AuthenticationRequired,
    8 VelocityBlocked,
    9 AttemptsExhausted,
    10 Expired,
    11 DuplicateDeclined,
    12 DuplicateExpired,
);

codes!(CampaignStatus: 1 Open, 2 Closed);

#[cfg(test)]
mod tests {
    use super::*;

    /// Every number from 1 on is a value with that number, up to `last`.
    fn check<T: Code>(last: i64) {
        assert!(T::of(0).is_none() && T::of(last + 1).is_none());
        for code in 1..=last {
            assert_eq!(T::of(code).map(T::code), Some(code));
        }
    }

    #[test]
    fn codes_have_no_gaps_and_come_back() {
        check::<Account>(2);
        check::<State>(8);
        check::<PendingKind>(7);
        check::<Reason>(12);
        check::<CampaignStatus>(2);
    }

    #[test]
    fn codes_keep_their_meaning() {
        let spelt: Vec<_> = (1..=8).filter_map(State::of).map(State::as_str).collect();
        assert_eq!(
            spelt.join(" "),
            "accepted held charging retrying unknown succeeded failed cancelled"
        );
        let spelt: Vec<_> = (1..=7)
            .filter_map(PendingKind::of)
            .map(PendingKind::as_str)
            .collect();
        assert_eq!(
            spelt.join(" "),
            "held retrying unknown queued drained quarantined surplus"
        );
        assert_eq!(Reason::of(6), Some(Reason::CardDeclined));
        assert_eq!(Reason::of(12), Some(Reason::DuplicateExpired));
    }
}
