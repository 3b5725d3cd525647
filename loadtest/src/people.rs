//! What people and their front ends write beside a gift: nothing that looks like a card number.

use almoner_domain::request::{Information, Metadata};

use crate::dice::{Dice, Share};
use crate::scenario::Texts;

/// How often people write what.
pub(crate) struct People {
    message: Share,
    metadata: Share,
    receipt_email: Share,
    anonymous: Share,
}

/// Characters of a message: the contract's limit.
const MESSAGE_CHARS_MAX: usize = 500;

impl People {
    pub(crate) fn new(texts: &Texts) -> Self {
        Self {
            message: Share::of(texts.message_share),
            metadata: Share::of(texts.metadata_share),
            receipt_email: Share::of(texts.receipt_email_share),
            anonymous: Share::of(0.2),
        }
    }

    pub(crate) fn information(&self, user: &str, now_ms: i64, dice: &mut Dice) -> Information {
        Information {
            created_at_ms: Some(now_ms),
            message: dice.chance(self.message).then(|| message(dice)),
            anonymous: dice.chance(self.anonymous).then_some(true),
            receipt_email: dice
                .chance(self.receipt_email)
                .then(|| format!("{user}@example.org").into()),
            metadata: if dice.chance(self.metadata) {
                metadata(dice)
            } else {
                Metadata::new()
            },
        }
    }
}

/// Mostly a few words, sometimes some sentences, seldom as much as fits.
fn message(dice: &mut Dice) -> Box<str> {
    let words = match dice.below(100) {
        0..55 => 1 + dice.below(6),
        55..90 => 6 + dice.below(15),
        90..99 => 20 + dice.below(40),
        _ => 200,
    };
    let mut text = String::with_capacity(words as usize * 7);
    for n in 0..words {
        if n > 0 {
            text.push(' ');
        }
        text.push_str(dice.pick(&WORDS));
    }
    if let Some((end, _)) = text.char_indices().nth(MESSAGE_CHARS_MAX) {
        text.truncate(end);
    }
    text.into()
}

/// What front ends note of a gift; now and then all that the contract allows.
fn metadata(dice: &mut Dice) -> Metadata {
    if dice.below(200) == 0 {
        return (0..20)
            .map(|n| (format!("field_{n}").into(), message(dice)))
            .collect();
    }
    let mut entries = Metadata::with_capacity(4);
    entries.push(("source".into(), dice.pick(&SOURCES).into()));
    if dice.below(2) == 0 {
        entries.push(("locale".into(), dice.pick(&LOCALES).into()));
    }
    if dice.below(3) == 0 {
        entries.push(("utm_campaign".into(), dice.pick(&ADS).into()));
    }
    if dice.below(10) == 0 {
        entries.push(("in_memory_of".into(), message(dice)));
    }
    entries
}

const SOURCES: [&str; 5] = ["web", "ios", "android", "newsletter", "qr-poster"];
const LOCALES: [&str; 6] = ["en-US", "de-DE", "ja-JP", "fr-FR", "ar-KW", "pt-BR"];
const ADS: [&str; 4] = [
    "spring-appeal",
    "match-week",
    "giving_tuesday",
    "friends-of-friends",
];

const WORDS: [&str; 32] = [
    "for",
    "you",
    "and",
    "the",
    "kids",
    "good",
    "luck",
    "from",
    "all",
    "of",
    "us",
    "keep",
    "going",
    "with",
    "love",
    "alles",
    "Gute",
    "für",
    "euch",
    "bon",
    "courage",
    "à",
    "tous",
    "頑張って",
    "ください",
    "❤️",
    "🎉",
    "شكرا",
    "we",
    "thank",
    "you!",
    "hope",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_as_long_as_people_write_and_never_longer_than_may_be() {
        let mut dice = Dice::new(5, 0);
        let mut lengths: Vec<_> = (0..10_000)
            .map(|_| message(&mut dice).chars().count())
            .collect();
        lengths.sort_unstable();
        assert!((10..60).contains(&lengths[5_000]), "{}", lengths[5_000]);
        assert!(lengths[9_990] > 400, "{}", lengths[9_990]);
        assert_eq!(lengths[9_999], MESSAGE_CHARS_MAX);
        assert!(lengths[0] > 0);
    }
}
