//! The lease on a shard: until when this instance may start something there. It is a matter of politeness between
//! instances (I12); that nobody is charged twice depends on keys and intents, never on it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

/// Ownership of one shard, for one assignment: the next assignment gets a new lease. Share it in an `Arc`.
///
/// It is renewed by an acknowledged offset commit and counts from the commit's *sending*, since that is the last moment
/// at which the broker is known to have taken us for the owner. Times are of [`Clock::boot_ms`](crate::ports::Clock),
/// which goes on while the machine sleeps.
#[derive(Debug)]
pub struct Lease {
    session_timeout_ms: i64,
    /// When the latest acknowledged commit was sent.
    sent_at_boot_ms: Arc<AtomicI64>,
    lost: Arc<AtomicBool>,
    /// Who had it has a successor in this process.
    retired: AtomicBool,
}

/// Before the first acknowledgement; so long ago that it is valid at no time.
const NEVER: i64 = i64::MIN;

impl Lease {
    /// A lease that is not valid yet. `session_timeout_ms` is the consumer's `session.timeout.ms`.
    #[must_use]
    pub fn new(session_timeout_ms: i64) -> Self {
        Self {
            session_timeout_ms,
            sent_at_boot_ms: Arc::new(AtomicI64::new(NEVER)),
            lost: Arc::new(AtomicBool::new(false)),
            retired: AtomicBool::new(false),
        }
    }

    /// The same lease for a successor in this process; who had it until now starts nothing any more.
    #[must_use]
    pub fn pass_on(&self) -> Self {
        self.retired.store(true, Ordering::Release);
        Self {
            session_timeout_ms: self.session_timeout_ms,
            sent_at_boot_ms: Arc::clone(&self.sent_at_boot_ms),
            lost: Arc::clone(&self.lost),
            retired: AtomicBool::new(false),
        }
    }

    /// Whether it was passed on to a successor.
    #[must_use]
    pub fn is_retired(&self) -> bool {
        self.retired.load(Ordering::Acquire)
    }

    /// A commit that was sent at `sent_at_boot_ms` was acknowledged. One that was sent earlier than another that was
    /// acknowledged changes nothing.
    pub fn renewed(&self, sent_at_boot_ms: i64) {
        self.sent_at_boot_ms
            .fetch_max(sent_at_boot_ms, Ordering::AcqRel);
    }

    /// The broker took a commit for a stranger's: nothing is started until it acknowledges one that is sent later.
    pub fn doubt(&self) {
        self.sent_at_boot_ms.store(NEVER, Ordering::Release);
    }

    /// Whether something may be started in the shard now.
    #[must_use]
    pub fn is_valid(&self, now_boot_ms: i64) -> bool {
        let is_holder = !self.is_lost() && !self.is_retired();
        is_holder && self.age_ms(now_boot_ms) < self.session_timeout_ms
    }

    /// The partition is not ours any more, for good: an acknowledgement that comes later does not bring it back.
    pub fn lose(&self) {
        self.lost.store(true, Ordering::Release);
    }

    /// Whether it is time to commit again, even with nothing new to commit: a quarter of the session has passed.
    #[must_use]
    pub fn needs_renewal(&self, now_boot_ms: i64) -> bool {
        !self.is_lost() && self.age_ms(now_boot_ms) >= self.session_timeout_ms / 4
    }

    /// Whether the partition is not ours any more, for good.
    #[must_use]
    pub fn is_lost(&self) -> bool {
        self.lost.load(Ordering::Acquire)
    }

    fn age_ms(&self, now_boot_ms: i64) -> i64 {
        now_boot_ms.saturating_sub(self.sent_at_boot_ms.load(Ordering::Acquire))
    }
}

#[cfg(test)]
mod tests {
    use super::Lease;

    const SESSION_MS: i64 = 45_000;
    const QUARTER_MS: i64 = SESSION_MS / 4;

    /// Commits sent at these times and acknowledged in this order; then whether the lease is valid and to be renewed.
    fn check(sent_at: &[i64], now: i64, valid: bool, renew: bool) {
        let lease = Lease::new(SESSION_MS);
        sent_at.iter().for_each(|sent| lease.renewed(*sent));
        assert_eq!(lease.is_valid(now), valid, "valid: {sent_at:?} at {now}");
        assert_eq!(
            lease.needs_renewal(now),
            renew,
            "renew: {sent_at:?} at {now}"
        );
    }

    #[test]
    fn it_counts_from_the_sending_of_what_was_acknowledged() {
        check(&[1_000], 1_000, true, false);
        check(&[1_000], 1_000 + QUARTER_MS - 1, true, false);
        check(&[1_000], 1_000 + QUARTER_MS, true, true);
        check(&[1_000], 1_000 + SESSION_MS - 1, true, true);
        check(&[1_000], 1_000 + SESSION_MS, false, true);
    }

    #[test]
    fn nothing_acknowledged_is_no_lease_however_early_it_is() {
        for now in [i64::MIN / 2, 0, 1, i64::MAX] {
            check(&[], now, false, true);
        }
    }

    #[test]
    fn an_older_acknowledgement_neither_extends_nor_shortens() {
        check(&[5_000, 1_000], 1_000 + SESSION_MS, true, true);
        check(&[5_000, 1_000], 5_000 + SESSION_MS, false, true);
        check(&[1_000, 5_000], 1_000 + SESSION_MS, true, true);
    }

    #[test]
    fn a_doubt_lasts_until_the_next_acknowledgement() {
        let lease = Lease::new(SESSION_MS);
        lease.renewed(1_000);
        lease.doubt();
        assert!(!lease.is_valid(1_000));
        assert!(lease.needs_renewal(1_000));
        lease.renewed(2_000);
        assert!(lease.is_valid(2_000));
    }

    #[test]
    fn what_is_lost_stays_lost() {
        let lease = Lease::new(SESSION_MS);
        lease.renewed(1_000);
        lease.lose();
        lease.renewed(2_000);
        assert!(!lease.is_valid(2_000));
        assert!(
            !lease.needs_renewal(2_000 + SESSION_MS),
            "there is nothing to renew"
        );
    }

    #[test]
    fn what_is_passed_on_is_its_successors_alone() {
        let lease = Lease::new(SESSION_MS);
        lease.renewed(1_000);
        let successor = lease.pass_on();
        assert!(!lease.is_valid(1_000) && successor.is_valid(1_000));
        // Whoever renews or loses it does so for the shard.
        lease.renewed(2_000);
        assert!(!lease.is_valid(2_000) && successor.is_valid(1_000 + SESSION_MS));
        lease.lose();
        assert!(!successor.is_valid(2_000));
    }
}
