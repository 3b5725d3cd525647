use super::*;
use crate::planned::Kind;
use crate::watch::story::{Story, told};

fn sums(sums: &[(&str, i128)]) -> Sums {
    sums.iter()
        .map(|(code, minor)| ((*code).to_owned(), *minor))
        .collect()
}

/// A run in which donation 2 succeeded (1,002 cents) and donation 4 failed.
fn run() -> (Watch, Story, Story) {
    let (paid, declined) = (Story::new(2), Story::new(4));
    let mut watch = Watch::new(2);
    for story in [&paid, &declined] {
        watch.asked(&story.planned(Kind::First), 0);
    }
    watch.all_asked();
    watch.outcome(&paid.outcome(&told::succeeded(1)).view(), 1);
    watch.outcome(&declined.outcome(&told::failed(1)).view(), 1);
    (watch, paid, declined)
}

/// The findings when gateway, ledger and charges are these; each is to contain its words.
#[track_caller]
fn check(gateway: i128, ledger: i128, charges: &[(&Story, u32, u64)], expected: &[&[&str]]) {
    let charges = charges
        .iter()
        .map(|(story, count, amount_minor)| {
            (
                story.id(),
                Charges {
                    count: *count,
                    amount_minor: *amount_minor,
                },
            )
        })
        .collect();
    let verdict = run()
        .0
        .verdict(sums(&[("EUR", gateway)]), sums(&[("EUR", ledger)]), charges);
    assert_eq!(verdict.ok, expected.is_empty(), "{:#?}", verdict.findings);
    assert_eq!(
        verdict.findings.len(),
        expected.len(),
        "{:#?}",
        verdict.findings
    );
    for (finding, words) in verdict.findings.iter().zip(expected) {
        for word in *words {
            assert!(finding.contains(word), "{finding:?} lacks {word:?}");
        }
    }
    assert_eq!(verdict.outcomes_minor, sums(&[("EUR", 1_002)]));
}

#[test]
fn the_books_are_held_against_each_other() {
    let (_, paid, _) = run();
    let paid_id = paid.id().to_string();
    check(1_002, 1_002, &[(&paid, 1, 1_002)], &[]);
    check(
        2_004,
        1_002,
        &[(&paid, 2, 2_004)],
        &[
            &[&paid_id, "charged it 2 times"],
            &["EUR", "20.04 EUR", "10.02 EUR", "not booked"],
        ],
    );
    check(
        1_002,
        1_001,
        &[(&paid, 1, 1_002)],
        &[
            &["0.01 EUR", "not booked"],
            &["0.01 EUR", "told and not booked"],
        ],
    );
    check(
        1_002,
        1_003,
        &[(&paid, 1, 1_002)],
        &[
            &["0.01 EUR", "booked and not charged"],
            &["booked and not told"],
        ],
    );
    check(
        0,
        1_002,
        &[],
        &[
            &[&paid_id, "no charge"],
            &["0 minor units of EUR", "not charged"],
        ],
    );
}

#[test]
fn each_donation_is_held_against_its_charges() {
    let (_, paid, declined) = run();
    let (paid_id, declined_id) = (paid.id().to_string(), declined.id().to_string());
    // The sums agree, and the wrong card was charged.
    check(
        1_002,
        1_002,
        &[(&declined, 1, 1_002)],
        &[
            &[&paid_id, "no charge"],
            &[&declined_id, "failed", "charged it"],
        ],
    );
    check(
        1_002,
        1_002,
        &[(&paid, 1, 1_000)],
        &[&[&paid_id, "1002", "1000"]],
    );
    let stranger = Story::new(6);
    check(
        1_002,
        1_002,
        &[(&paid, 1, 1_002), (&stranger, 1, 1)],
        &[&[&stranger.id().to_string(), "nobody asked"]],
    );
}

#[test]
fn what_the_watch_found_is_in_the_verdict() {
    let (mut watch, paid, _) = run();
    watch.outcome(&paid.outcome(&told::failed(2)).view(), 1);
    let charges = ChargesById::from([(
        paid.id(),
        Charges {
            count: 1,
            amount_minor: 1_002,
        },
    )]);
    let eur = sums(&[("EUR", 1_002)]);
    let verdict = watch.verdict(eur.clone(), eur, charges);
    assert!(!verdict.ok);
    assert!(
        verdict.findings[0].contains("ended twice"),
        "{:?}",
        verdict.findings
    );
}

#[test]
fn three_maps_and_the_charges_suffice() {
    let charges = ChargesById::from([(
        Story::new(1).id(),
        Charges {
            count: 3,
            amount_minor: 3,
        },
    )]);
    let books = Books {
        gateway_minor: sums(&[("EUR", 5), ("XXX", -1)]),
        ledger_minor: sums(&[("EUR", 5)]),
        outcomes_minor: sums(&[("EUR", 5)]),
        charges,
    };
    let verdict = Verdict::of(books, ["something else".to_owned()]);
    let [elsewhere, twice, differs] = &verdict.findings[..] else {
        panic!("{:?}", verdict.findings);
    };
    assert_eq!(elsewhere, "something else");
    assert!(twice.contains(&Story::new(1).id().to_string()) && twice.contains("3 times"));
    assert!(differs.starts_with("XXX: the gateway holds -1 minor units of XXX"));
    assert!(Verdict::of(Books::default(), []).ok);
}

#[test]
fn a_verdict_survives_being_written_down() {
    let books = Books {
        gateway_minor: sums(&[("EUR", 1 << 70)]),
        ..Books::default()
    };
    let verdict = Verdict::of(books, []);
    let written = serde_json::to_string(&verdict).unwrap();
    assert_eq!(serde_json::from_str::<Verdict>(&written).unwrap(), verdict);
}
