//! Payment methods: how a card behaves is read from its name alone, so nothing of it needs to be kept.

use super::decline::Decline;

/// The prefix of a payment method's id.
pub(crate) const PREFIX: &str = "pm_";

/// What happens when a card is charged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Behaviour {
    Succeeds,
    Declines(Decline),
    /// So many declines on one intent, then it goes through.
    SoftDeclines(u32),
    /// Off session: declined for want of authentication; on session: the user must act.
    NeedsAuthentication,
    /// The user must act, on or off session.
    NeedsAction,
    /// Takes so many milliseconds, then goes through.
    Processes(u32),
    /// There is no such method.
    Missing,
}

/// How the method of this name behaves (the table stands in the module's documentation).
pub(crate) fn behaviour(method: &str) -> Behaviour {
    let Some(name) = method.strip_prefix(PREFIX).filter(|name| !name.is_empty()) else {
        return Behaviour::Missing;
    };
    let (first, rest) = name.split_once('_').unwrap_or((name, ""));
    let number = || {
        rest.split('_')
            .next()
            .and_then(|digits| digits.parse().ok())
    };
    match first {
        "missing" => Behaviour::Missing,
        "soft" => Behaviour::SoftDeclines(number().unwrap_or(1)),
        "decline" => Behaviour::Declines(Decline::Generic),
        "action" => Behaviour::NeedsAction,
        "processing" => Behaviour::Processes(number().unwrap_or(1000)),
        _ => of_test_name(name.rsplit('_').next().unwrap_or(name)),
    }
}

/// The last part of Stripe's test names: `pm_card_visa_chargeDeclinedLostCard`, `tok_chargeDeclined`.
fn of_test_name(last: &str) -> Behaviour {
    let decline = match last {
        "chargeDeclined" => Decline::Generic,
        "chargeDeclinedInsufficientFunds" => Decline::InsufficientFunds,
        "chargeDeclinedExpiredCard" => Decline::ExpiredCard,
        "chargeDeclinedProcessingError" => Decline::ProcessingError,
        "chargeDeclinedFraudulent" => Decline::Fraudulent,
        "chargeDeclinedIncorrectCvc" => Decline::IncorrectCvc,
        "chargeDeclinedLostCard" => Decline::LostCard,
        "chargeDeclinedStolenCard" => Decline::StolenCard,
        "chargeDeclinedVelocityLimitExceeded" => Decline::VelocityExceeded,
        "chargeDeclinedIssuerNotAvailable" => Decline::IssuerNotAvailable,
        "chargeDeclinedTryAgainLater" => Decline::TryAgainLater,
        "authenticationRequired" => return Behaviour::NeedsAuthentication,
        _ => return Behaviour::Succeeds,
    };
    Behaviour::Declines(decline)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(method: &str, expected: Behaviour) {
        assert_eq!(behaviour(method), expected, "{method}");
    }

    #[test]
    fn names_tell_the_behaviour() {
        check("pm_card_visa", Behaviour::Succeeds);
        check("pm_1AbC", Behaviour::Succeeds);
        check("pm_user_17", Behaviour::Succeeds);
        check(
            "pm_card_chargeDeclined",
            Behaviour::Declines(Decline::Generic),
        );
        check(
            "pm_card_visa_chargeDeclinedLostCard",
            Behaviour::Declines(Decline::LostCard),
        );
        check(
            "pm_card_authenticationRequired",
            Behaviour::NeedsAuthentication,
        );
        check("pm_soft_2_u1", Behaviour::SoftDeclines(2));
        check("pm_soft_x", Behaviour::SoftDeclines(1));
        check("pm_decline_u1", Behaviour::Declines(Decline::Generic));
        check("pm_processing_50_u1", Behaviour::Processes(50));
        check("pm_processing_u1", Behaviour::Processes(1000));
        check("pm_action_u1", Behaviour::NeedsAction);
        check("pm_missing_u1", Behaviour::Missing);
        check("tok_visa", Behaviour::Missing);
        check("pm_", Behaviour::Missing);
    }
}
