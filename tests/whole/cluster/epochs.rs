//! Who sent what: the epoch of the owner stands with each send in the tables.

use crate::support::{Sends, id};

/// How many donations have sends of several owners. Their epochs must rise with the sends' numbers: who comes later has
/// the higher one.
pub fn sent_by_several(donations: &[Sends]) -> usize {
    let of_several = |sends: &&Sends| {
        let mut epochs = epochs(sends);
        assert!(
            epochs.is_sorted(),
            "the owners' epochs do not rise: {sends:?}"
        );
        epochs.dedup();
        epochs.len() > 1
    };
    donations.iter().filter(of_several).count()
}

/// The first send has a row only once it was answered, and not by a charge; until then it is the acceptance's.
fn epochs(sends: &Sends) -> Vec<u64> {
    let mut rows = sends.rows.clone();
    rows.sort_unstable();
    let is_first_there = rows.first().is_none_or(|(number, _)| *number == 1);
    let first = (!is_first_there).then_some(sends.accepted_epoch);
    first
        .into_iter()
        .chain(rows.into_iter().map(|(_, epoch)| epoch))
        .collect()
}

#[test]
fn a_later_owner_has_the_higher_epoch() {
    let of = |rows: &[(u16, u64)]| {
        let sends = Sends {
            donation_id: id(1),
            accepted_epoch: 3,
            rows: rows.to_vec(),
        };
        sent_by_several(&[sends])
    };
    assert_eq!(of(&[]), 0);
    assert_eq!(of(&[(1, 3), (2, 3)]), 0);
    assert_eq!(of(&[(2, 3)]), 0);
    assert_eq!(of(&[(2, 4)]), 1);
    assert_eq!(of(&[(3, 5), (1, 3)]), 1);
}

#[test]
#[should_panic(expected = "do not rise")]
fn a_former_owner_that_sends_after_its_successor_is_caught() {
    let rows = vec![(1, 3), (2, 4), (3, 3)];
    sent_by_several(&[Sends {
        donation_id: id(1),
        accepted_epoch: 3,
        rows,
    }]);
}
