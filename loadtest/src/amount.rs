//! How much: round amounts, as people give them, and some that are not.

use almoner_domain::money::Money;

use crate::dice::{Dice, Share};
use crate::scenario::Giving;

impl Giving {
    /// An amount; `None` only of a giving that its scenario's check refuses.
    pub(crate) fn amount(&self, odd: Share, dice: &mut Dice) -> Option<Money> {
        let amount_minor = if dice.chance(odd) {
            let (first, last) = self.odd_minor;
            let steps = last.saturating_sub(first) / self.odd_step_minor.max(1);
            first + dice.below(steps + 1) * self.odd_step_minor
        } else {
            self.round(dice)?
        };
        Money::new(amount_minor, self.currency)
    }

    fn round(&self, dice: &mut Dice) -> Option<u64> {
        let weights = self
            .round_minor
            .iter()
            .map(|(_, weight)| u64::from(*weight));
        let mut left = dice.below(weights.sum());
        let found = self.round_minor.iter().find(|(_, weight)| {
            let weight = u64::from(*weight);
            let is_it = left < weight;
            left = left.saturating_sub(weight);
            is_it
        });
        found.map(|(amount, _)| *amount)
    }
}
