//! How much traffic there is, from whom, for what, and how often twice.

mod presets;

use almoner_domain::money::{Currency, Money};
use serde::{Deserialize, Serialize};

/// What the traffic is like. The same scenario makes the same bytes. Every share is from 0 to 1.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Scenario {
    /// New requests, the bad ones among them. Repeats, double clicks and answers come on top.
    pub donations: u64,
    /// From which all chance comes.
    pub seed: u64,
    /// When the first request is made, in milliseconds since 1970: ids are made from it, so that a later run of the
    /// same seed is made by the same people, and is not a repeat.
    pub start_ms: i64,
    /// How fast the clocks of the ids go. It is not obeyed: the caller publishes as fast as it likes.
    pub arrivals_per_s: u32,
    /// Who gives.
    pub users: Population,
    /// What receives: the open campaigns.
    pub campaigns: Population,
    /// Further campaigns, which take nothing.
    pub campaigns_closed: u32,
    /// What is given, by currency. Each campaign has one of these currencies.
    pub givings: Vec<Giving>,
    /// Share of amounts that are not round.
    pub odd_amounts: f64,
    /// Clients that heard nothing.
    pub repeats: Repeats,
    /// Fingers that were too quick.
    pub double_clicks: DoubleClicks,
    /// Cards that say no.
    pub declines: Declines,
    /// Requests that cannot be done.
    pub bad: BadShares,
    /// What people write.
    pub texts: Texts,
    /// How ids are made.
    pub ids: Ids,
}

/// Many of whom few do the most.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Population {
    /// How many there are.
    pub count: u64,
    /// Rank k comes with a weight of 1 / k^exponent; 0 makes all alike.
    pub zipf_exponent: f64,
}

/// What people give in one currency.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Giving {
    /// The currency.
    pub currency: Currency,
    /// How many campaigns have it, against the other currencies.
    pub weight: u32,
    /// The round amounts, in minor units, each with its weight.
    pub round_minor: Vec<(u64, u32)>,
    /// Amounts that are not round: from the first to the last, in minor units.
    pub odd_minor: (u64, u64),
    /// In steps of so many minor units.
    pub odd_step_minor: u64,
}

/// Clients that ask again under the same id.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Repeats {
    /// Share of donations that are asked for again.
    pub share: f64,
    /// Share of these that are asked for a third time.
    pub twice_share: f64,
    /// After at most so many new requests; most come much sooner.
    pub within_arrivals: u64,
}

/// The same again under a new id, within seconds.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct DoubleClicks {
    /// Share of donations that are made twice.
    pub share: f64,
    /// After at most so many new requests; most come much sooner.
    pub within_arrivals: u64,
    /// Share of users who say yes when they are asked (also about doubles that chance made).
    pub confirm_share: f64,
    /// Share of users who say no. The rest do not answer.
    pub cancel_share: f64,
}

/// Shares of cards that do not simply pay. The names of their tokens are those that the simulator obeys.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Declines {
    /// `pm_card_chargeDeclined`.
    pub generic: f64,
    /// `pm_card_chargeDeclinedInsufficientFunds`.
    pub insufficient_funds: f64,
    /// `pm_card_authenticationRequired`.
    pub authentication_required: f64,
    /// `pm_soft_{n}_visa`: declines softly n times, then pays.
    pub soft: f64,
    /// The largest n.
    pub soft_times_max: u32,
}

/// Shares of requests that cannot be done ([`crate::Bad`] says what becomes of each).
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct BadShares {
    /// Of amount 0.
    pub zero_amount: f64,
    /// In a currency that nobody knows.
    pub unknown_currency: f64,
    /// For a campaign that is closed.
    pub closed_campaign: f64,
    /// For a campaign that nobody knows.
    pub unknown_campaign: f64,
    /// Bytes that nobody can read.
    pub garbage: f64,
}

/// What people and front ends write beside the gift. Lengths are as people write: mostly a few words, now and then as
/// much as fits.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Texts {
    /// Share with a message.
    pub message_share: f64,
    /// Share with metadata.
    pub metadata_share: f64,
    /// Share with a mail address for the receipt.
    pub receipt_email_share: f64,
}

/// How ids are made: UUIDv7 by clocks that lag, and some UUIDv4.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Ids {
    /// The most by which an id's time lags behind its request.
    pub late_ms_max: u64,
    /// Share of UUIDv4.
    pub v4_share: f64,
}

/// A scenario that makes no traffic.
#[derive(Clone, PartialEq, Debug, thiserror::Error)]
pub enum ScenarioFault {
    /// Something of which there must be one.
    #[error("the scenario's {0} is 0 or empty; give it at least 1")]
    Nothing(&'static str),
    /// A share, or shares that share one throw, beyond 1.
    #[error(
        "the scenario's {0} is not from 0 to 1; where it is several shares, they are to be so together"
    )]
    Share(&'static str),
    /// An exponent that is no number or below 0.
    #[error("the scenario's zipf_exponent of {0} is not from 0 to 10")]
    Exponent(&'static str),
    /// An amount that is no money.
    #[error(
        "the scenario gives {0} minor units of {1}, which is no amount; give from 1 to 2^53 − 1"
    )]
    Amount(u64, Currency),
}

impl Scenario {
    /// Whether traffic can be made of it.
    ///
    /// # Errors
    /// The first thing that stands in the way.
    pub fn check(&self) -> Result<(), ScenarioFault> {
        self.check_counts()?;
        self.check_shares()?;
        self.givings.iter().try_for_each(Giving::check)
    }

    fn check_counts(&self) -> Result<(), ScenarioFault> {
        let counts = [
            ("arrivals_per_s", u64::from(self.arrivals_per_s)),
            ("users.count", self.users.count),
            ("campaigns.count", self.campaigns.count),
            (
                "givings",
                self.givings
                    .iter()
                    .map(|giving| u64::from(giving.weight))
                    .sum(),
            ),
            (
                "campaigns_closed",
                u64::from(self.campaigns_closed) + u64::from(self.bad.closed_campaign == 0.0),
            ),
        ];
        match counts.iter().find(|(_, count)| *count == 0) {
            Some((name, _)) => Err(ScenarioFault::Nothing(name)),
            None => Ok(()),
        }
    }

    fn check_shares(&self) -> Result<(), ScenarioFault> {
        let Declines {
            generic,
            insufficient_funds,
            authentication_required,
            soft,
            soft_times_max: _,
        } = self.declines;
        let bad = &self.bad;
        let together: [(&str, &[f64]); 9] = [
            ("odd_amounts", &[self.odd_amounts]),
            ("repeats.share", &[self.repeats.share]),
            ("repeats.twice_share", &[self.repeats.twice_share]),
            ("double_clicks.share", &[self.double_clicks.share]),
            (
                "double_clicks.confirm_share and cancel_share",
                &[
                    self.double_clicks.confirm_share,
                    self.double_clicks.cancel_share,
                ],
            ),
            (
                "declines",
                &[generic, insufficient_funds, authentication_required, soft],
            ),
            (
                "bad",
                &[
                    bad.zero_amount,
                    bad.unknown_currency,
                    bad.closed_campaign,
                    bad.unknown_campaign,
                    bad.garbage,
                ],
            ),
            ("ids.v4_share", &[self.ids.v4_share]),
            ("texts.message_share", &[self.texts.message_share]),
        ];
        let alone = [
            ("texts.metadata_share", self.texts.metadata_share),
            ("texts.receipt_email_share", self.texts.receipt_email_share),
        ];
        let is_share = |share: f64| (0.0..=1.0).contains(&share);
        for (name, shares) in together {
            if !shares.iter().all(|share| is_share(*share)) || !is_share(shares.iter().sum()) {
                return Err(ScenarioFault::Share(name));
            }
        }
        for (name, share) in alone {
            if !is_share(share) {
                return Err(ScenarioFault::Share(name));
            }
        }
        for (name, population) in [("users", &self.users), ("campaigns", &self.campaigns)] {
            if !(0.0..=10.0).contains(&population.zipf_exponent) {
                return Err(ScenarioFault::Exponent(name));
            }
        }
        Ok(())
    }
}

impl Giving {
    fn check(&self) -> Result<(), ScenarioFault> {
        let (first, last) = self.odd_minor;
        if self.round_minor.iter().all(|(_, weight)| *weight == 0) {
            return Err(ScenarioFault::Nothing("givings.round_minor"));
        }
        if self.odd_step_minor == 0 {
            return Err(ScenarioFault::Nothing("givings.odd_step_minor"));
        }
        let amounts = self.round_minor.iter().map(|(amount, _)| *amount);
        amounts.chain([first, last]).try_for_each(|amount| {
            Money::new(amount, self.currency)
                .map(|_| ())
                .ok_or(ScenarioFault::Amount(amount, self.currency))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(spoil: impl Fn(&mut Scenario), expected: Result<(), ScenarioFault>) {
        let mut scenario = Scenario::demo(10, 1);
        spoil(&mut scenario);
        assert_eq!(scenario.check(), expected);
    }

    #[test]
    fn what_makes_no_traffic_is_named() {
        use ScenarioFault::{Amount, Exponent, Nothing, Share};
        check(|_| {}, Ok(()));
        check(|scenario| scenario.donations = 0, Ok(()));
        check(
            |scenario| scenario.users.count = 0,
            Err(Nothing("users.count")),
        );
        check(|scenario| scenario.givings.clear(), Err(Nothing("givings")));
        check(
            |scenario| scenario.campaigns_closed = 0,
            Err(Nothing("campaigns_closed")),
        );
        check(
            |scenario| scenario.givings[0].odd_step_minor = 0,
            Err(Nothing("givings.odd_step_minor")),
        );
        check(
            |scenario| scenario.givings[1].round_minor.clear(),
            Err(Nothing("givings.round_minor")),
        );
        check(
            |scenario| scenario.repeats.share = f64::NAN,
            Err(Share("repeats.share")),
        );
        check(
            |scenario| scenario.declines.soft = 0.99,
            Err(Share("declines")),
        );
        check(
            |scenario| scenario.texts.metadata_share = 1.1,
            Err(Share("texts.metadata_share")),
        );
        check(
            |scenario| scenario.users.zipf_exponent = -1.0,
            Err(Exponent("users")),
        );
        let eur = Currency::from_code("EUR").unwrap();
        check(
            |scenario| scenario.givings[0].odd_minor.0 = 0,
            Err(Amount(0, eur)),
        );
    }

    #[test]
    fn presets_are_sound_and_survive_being_written_down() {
        for scenario in [Scenario::demo(100_000, 7), Scenario::bench(3_000_000, 7)] {
            assert_eq!(scenario.check(), Ok(()));
            let written = serde_json::to_string(&scenario).unwrap();
            assert_eq!(
                serde_json::from_str::<Scenario>(&written).unwrap(),
                scenario
            );
        }
    }
}
