//! Few have much: rank k comes with a weight of 1 / k^exponent. Constant time and memory for any number of ranks.

use crate::dice::Dice;

/// Ranks by rejection from the inverted integral (Hörmann and Derflinger, 1996).
#[derive(Clone, Debug)]
pub(crate) struct Zipf {
    ranks: u64,
    exponent: f64,
    /// The integral below the first rank and up to the last.
    area: (f64, f64),
    /// Up to here a rank is taken without a second look.
    sure: f64,
}

impl Zipf {
    /// `ranks` is at least 1; an `exponent` of 0 makes all ranks alike.
    pub(crate) fn new(ranks: u64, exponent: f64) -> Self {
        let mut zipf = Self {
            ranks: ranks.max(1),
            exponent,
            area: (0.0, 0.0),
            sure: 0.0,
        };
        zipf.area = (
            zipf.integral(1.5) - 1.0,
            zipf.integral(zipf.ranks as f64 + 0.5),
        );
        zipf.sure = 2.0 - zipf.inverse(zipf.integral(2.5) - zipf.weight(2.0));
        zipf
    }

    /// A rank, from 1 to the number of ranks.
    pub(crate) fn rank(&self, dice: &mut Dice) -> u64 {
        let (low, high) = self.area;
        loop {
            let at = high + dice.unit() * (low - high);
            let x = self.inverse(at);
            let rank = (x + 0.5).clamp(1.0, self.ranks as f64).floor();
            if rank - x <= self.sure || at >= self.integral(rank + 0.5) - self.weight(rank) {
                return rank as u64;
            }
        }
    }

    fn weight(&self, x: f64) -> f64 {
        (-self.exponent * x.ln()).exp()
    }

    /// The integral of the weight from 1 to `x`; near an exponent of 1 it is the logarithm.
    fn integral(&self, x: f64) -> f64 {
        let log = x.ln();
        let t = (1.0 - self.exponent) * log;
        log * if t.abs() > TINY {
            t.exp_m1() / t
        } else {
            1.0 + t / 2.0
        }
    }

    fn inverse(&self, at: f64) -> f64 {
        let t = (at * (1.0 - self.exponent)).max(-1.0);
        (at * if t.abs() > TINY {
            t.ln_1p() / t
        } else {
            1.0 - t / 2.0
        })
        .exp()
    }
}

/// Below this the quotients are replaced by the beginning of their series.
const TINY: f64 = 1e-8;

#[cfg(test)]
mod tests {
    use super::*;

    /// How often the first ranks come, against their exact shares.
    fn check(ranks: u64, exponent: f64) {
        const DRAWS: u32 = 200_000;
        let zipf = Zipf::new(ranks, exponent);
        let mut dice = Dice::new(11, 0);
        let mut counts = vec![0u32; ranks as usize + 1];
        for _ in 0..DRAWS {
            counts[zipf.rank(&mut dice) as usize] += 1;
        }
        assert_eq!(counts[0], 0);
        let weight = |rank: u64| (rank as f64).powf(-exponent);
        let whole: f64 = (1..=ranks).map(weight).sum();
        for rank in (1..=ranks).take(20) {
            let expected = weight(rank) / whole * f64::from(DRAWS);
            let off = (f64::from(counts[rank as usize]) - expected).abs();
            // Five standard deviations: the seed is fixed, so it passes always or never.
            assert!(
                off <= 5.0 * expected.sqrt() + 1.0,
                "rank {rank} of {ranks}, exponent {exponent}: {} for {expected}",
                counts[rank as usize]
            );
        }
    }

    #[test]
    fn ranks_come_by_their_weights() {
        for (ranks, exponent) in [
            (1, 1.0),
            (2, 0.0),
            (10, 0.0),
            (10, 0.5),
            (100, 1.0),
            (1_000, 1.2),
            (1_000, 2.0),
            (100_000, 0.4),
            (100_000, 0.999_999_999),
        ] {
            check(ranks, exponent);
        }
    }
}
