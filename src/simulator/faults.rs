//! What goes wrong, and how often: profiles as plain data, and decisions that are functions of seed and request alone.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::mix;

/// Requests are rate limited by blocks of so many, in the order of their arrival.
const BLOCK: u64 = 64;

/// How often what goes wrong. Rates are per mille: of requests, unless said otherwise.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Profile {
    /// Of blocks of 64 requests: all of the block are answered 429, every second block with `Retry-After: 1`.
    pub rate_limited_blocks_per_mille: u16,
    /// 500, and nothing was done; a key has this answer for its life.
    pub error_before_per_mille: u16,
    /// 500, and it was done; a key has this answer for its life.
    pub error_after_per_mille: u16,
    /// 500, and the charge is done later, at most `reconcile_bound_ms`; until then a new intent cannot be seen.
    pub error_rolled_forward_per_mille: u16,
    /// It is done, and the connection closed without an answer.
    pub answer_lost_per_mille: u16,
    /// It is done, and the connection closed in the middle of the answer.
    pub answer_cut_per_mille: u16,
    /// It is done, and the answer's body comes in two halves, `body_slow_ms` apart.
    pub body_slow_per_mille: u16,
    /// How long between the halves.
    pub body_slow_ms: u32,
    /// The connection is closed before anything is done.
    pub reset_before_per_mille: u16,
    /// The connection is closed, and the request carried out later, at most `late_ms_max`, as if it came only then.
    pub late_execution_per_mille: u16,
    /// The latest.
    pub late_ms_max: u32,
    /// Every answer takes up to so much longer.
    pub latency_jitter_ms: u32,
}

/// A profile that cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum ProfileError {
    /// Neither a name nor a file.
    #[error(
        "fault profile {path}: {source}; give none, mild, nasty, or a TOML file of rates per mille"
    )]
    Unreadable {
        /// What was asked for.
        path: PathBuf,
        /// Why the file cannot be read.
        source: std::io::Error,
    },
    /// The file is not a profile.
    #[error("fault profile {path}: {source}")]
    Invalid {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: Box<toml::de::Error>,
    },
    /// More than everything goes wrong.
    #[error(
        "the fault profile's rates add up to {sum} per mille of requests; they may add up to 1000"
    )]
    TooMuch {
        /// The sum of the rates of requests.
        sum: u32,
    },
}

/// What goes wrong with one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    Reset,
    Late { delay_ms: u32 },
    ErrorBefore,
    ErrorAfter,
    RolledForward,
    AnswerLost,
    AnswerCut,
    BodySlow,
}

impl Default for Profile {
    fn default() -> Self {
        Self::none()
    }
}

impl Profile {
    /// Nothing goes wrong.
    pub fn none() -> Self {
        Self {
            rate_limited_blocks_per_mille: 0,
            error_before_per_mille: 0,
            error_after_per_mille: 0,
            error_rolled_forward_per_mille: 0,
            answer_lost_per_mille: 0,
            answer_cut_per_mille: 0,
            body_slow_per_mille: 0,
            body_slow_ms: 100,
            reset_before_per_mille: 0,
            late_execution_per_mille: 0,
            late_ms_max: 2_000,
            latency_jitter_ms: 0,
        }
    }

    /// A bad day: a hundredth of the answers lost, a hundredth 500, a burst of 429 now and then.
    pub fn mild() -> Self {
        Self {
            rate_limited_blocks_per_mille: 3,
            error_before_per_mille: 4,
            error_after_per_mille: 4,
            error_rolled_forward_per_mille: 2,
            answer_lost_per_mille: 7,
            answer_cut_per_mille: 3,
            reset_before_per_mille: 2,
            late_execution_per_mille: 1,
            ..Self::none()
        }
    }

    /// A worse one than anybody will have: a third of the requests goes wrong.
    pub fn nasty() -> Self {
        Self {
            rate_limited_blocks_per_mille: 30,
            error_before_per_mille: 40,
            error_after_per_mille: 40,
            error_rolled_forward_per_mille: 20,
            answer_lost_per_mille: 70,
            answer_cut_per_mille: 30,
            body_slow_per_mille: 10,
            reset_before_per_mille: 30,
            late_execution_per_mille: 20,
            latency_jitter_ms: 5,
            ..Self::none()
        }
    }

    /// `none`, `mild`, `nasty`, or the path of a TOML file with the fields of this struct.
    ///
    /// # Errors
    /// The file cannot be read, has unknown keys, or its rates add up to more than everything.
    pub fn named(name: &str) -> Result<Self, ProfileError> {
        match name {
            "none" => Ok(Self::none()),
            "mild" => Ok(Self::mild()),
            "nasty" => Ok(Self::nasty()),
            path => Self::from_file(Path::new(path)),
        }
    }

    fn from_file(path: &Path) -> Result<Self, ProfileError> {
        let path = || path.to_owned();
        let text = std::fs::read_to_string(path()).map_err(|source| ProfileError::Unreadable {
            path: path(),
            source,
        })?;
        let profile: Self = toml::from_str(&text).map_err(|source| ProfileError::Invalid {
            path: path(),
            source: Box::new(source),
        })?;
        profile.check()?;
        Ok(profile)
    }

    /// Whether the rates can be.
    pub(crate) fn check(&self) -> Result<(), ProfileError> {
        let sum = self.rates().iter().map(|(rate, _)| u32::from(*rate)).sum();
        let blocks = u32::from(self.rate_limited_blocks_per_mille);
        match sum {
            sum if sum > 1000 => Err(ProfileError::TooMuch { sum }),
            _ if blocks > 1000 => Err(ProfileError::TooMuch { sum: blocks }),
            _ => Ok(()),
        }
    }

    /// What goes wrong with the so-many-th request that has this subject (a hash of its key, or its number).
    pub(crate) fn fault(&self, seed: u64, subject: u64, nth: u32) -> Option<Fault> {
        let dice = mix::mix(mix::mix(seed ^ subject).wrapping_add(u64::from(nth)));
        let mut left = (dice % 1000) as u16;
        let hit = self
            .rates()
            .into_iter()
            .find(|(rate, _)| match left.checked_sub(*rate) {
                Some(rest) => {
                    left = rest;
                    false
                }
                None => true,
            });
        hit.map(|(_, fault)| match fault {
            Fault::Late { delay_ms } => Fault::Late {
                delay_ms: below(dice >> 20, delay_ms),
            },
            other => other,
        })
    }

    /// Whether the so-many-th request falls into a burst of 429, and what its `Retry-After` says.
    pub(crate) fn rate_limits(&self, seed: u64, ordinal: u64) -> Option<Option<u32>> {
        let dice = mix::mix(seed.wrapping_mul(31) ^ mix::mix(ordinal / BLOCK));
        let hit = dice % 1000 < u64::from(self.rate_limited_blocks_per_mille);
        hit.then_some((dice >> 32).is_multiple_of(2).then_some(1))
    }

    /// How much longer the request takes, in milliseconds.
    pub(crate) fn jitter_ms(&self, seed: u64, subject: u64) -> u32 {
        below(
            mix::mix(seed ^ subject.rotate_left(17)),
            self.latency_jitter_ms,
        )
    }

    fn rates(&self) -> [(u16, Fault); 8] {
        [
            (self.reset_before_per_mille, Fault::Reset),
            (
                self.late_execution_per_mille,
                Fault::Late {
                    delay_ms: self.late_ms_max,
                },
            ),
            (self.error_before_per_mille, Fault::ErrorBefore),
            (self.error_after_per_mille, Fault::ErrorAfter),
            (self.error_rolled_forward_per_mille, Fault::RolledForward),
            (self.answer_lost_per_mille, Fault::AnswerLost),
            (self.answer_cut_per_mille, Fault::AnswerCut),
            (self.body_slow_per_mille, Fault::BodySlow),
        ]
    }
}

/// A number from 0 to `most`.
pub(crate) fn below(dice: u64, most: u32) -> u32 {
    u32::try_from(dice % (u64::from(most) + 1)).unwrap_or(most)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_decides_everything() {
        let decisions = |seed| -> Vec<_> {
            let profile = Profile::nasty();
            (0..2_000)
                .map(|n| (profile.fault(seed, n, 0), profile.rate_limits(seed, n)))
                .collect()
        };
        assert_eq!(decisions(1), decisions(1));
        assert_ne!(decisions(1), decisions(2));
    }

    #[test]
    fn a_resend_has_its_own_luck() {
        let profile = Profile::nasty();
        let unlucky = |subject: &u64, nth| profile.fault(7, *subject, nth).is_some();
        let first: Vec<u64> = (0..3_000).filter(|it| unlucky(it, 0)).collect();
        let again = first.iter().filter(|it| unlucky(it, 1)).count();
        assert!(again * 2 < first.len(), "{again} of {}", first.len());
    }

    #[test]
    fn rates_are_kept() {
        let profile = Profile::nasty();
        let count = |wanted: Fault| {
            let hit = |n: &u64| {
                let fault = profile.fault(3, *n, 0);
                fault.is_some_and(|it| {
                    std::mem::discriminant(&it) == std::mem::discriminant(&wanted)
                })
            };
            (0..100_000_u64).filter(hit).count()
        };
        assert!((6_500..7_500).contains(&count(Fault::AnswerLost)));
        assert!((1_800..2_200).contains(&count(Fault::Late { delay_ms: 0 })));
        assert!((800..1_200).contains(&count(Fault::BodySlow)));
        assert!((0..10_000).all(|n| Profile::none().fault(3, n, 0).is_none()));
        let limited = (0..640_000)
            .filter(|n| profile.rate_limits(3, *n).is_some())
            .count();
        assert!((15_000..23_000).contains(&limited), "{limited}");
    }

    #[test]
    fn a_profile_is_read_from_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("faults.toml");
        let read = |text: &str| {
            std::fs::write(&path, text).unwrap();
            Profile::named(path.to_str().unwrap())
        };
        assert_eq!(
            read("answer_lost_per_mille = 5")
                .unwrap()
                .answer_lost_per_mille,
            5
        );
        assert!(matches!(
            read("lost = 5"),
            Err(ProfileError::Invalid { .. })
        ));
        assert!(matches!(
            read("answer_lost_per_mille = 800\nerror_after_per_mille = 300"),
            Err(ProfileError::TooMuch { sum: 1100 })
        ));
        assert!(matches!(
            Profile::named("wild"),
            Err(ProfileError::Unreadable { .. })
        ));
    }
}
