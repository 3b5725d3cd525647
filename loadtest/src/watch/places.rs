//! Which places of the requests topic were answered: one bit each.

use foldhash::fast::FixedState;
use hashbrown::HashMap;

/// A set of places, made for logs that are answered almost without holes.
#[derive(Default)]
pub(super) struct Places {
    pages: HashMap<(u32, i64), Box<Page>, FixedState>,
}

type Page = [u64; WORDS];
const WORDS: usize = 32;
const BITS: i64 = WORDS as i64 * 64;

impl Places {
    /// Adds a place; says whether it was new.
    pub(super) fn mark(&mut self, partition: u32, offset: i64) -> bool {
        let (page, bit) = (offset.div_euclid(BITS), offset.rem_euclid(BITS) as usize);
        let page = self
            .pages
            .entry((partition, page))
            .or_insert_with(|| Box::new([0; WORDS]));
        let (word, mask) = (&mut page[bit / 64], 1 << (bit % 64));
        let is_new = *word & mask == 0;
        *word |= mask;
        is_new
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_is_a_set(places in proptest::collection::vec((0..3u32, prop_oneof![0..5_000i64, any::<i64>()]), 0..200)) {
            let (mut found, mut expected) = (Places::default(), HashSet::new());
            for (partition, offset) in places {
                prop_assert_eq!(found.mark(partition, offset), expected.insert((partition, offset)));
            }
        }
    }
}
