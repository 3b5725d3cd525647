use almoner_domain::ids::{CampaignId, UserId};
use almoner_domain::money::{Currency, Money};
use almoner_domain::outcome::{Reason, RejectionReason, Told};
use proptest::prelude::*;

use super::story::{Bytes, Story, told};
use super::*;

/// One second, a request, and another second.
const ASKED_US: u64 = 1_000_000;
const TOLD_US: u64 = 3_000_000;

fn watching(stories: &[&Story]) -> Watch {
    let mut watch = Watch::new(stories.len());
    for story in stories {
        watch.asked(&story.planned(Kind::First), ASKED_US);
    }
    watch.all_asked();
    watch
}

fn letter<'a>(value: &'a [u8], key: &'a str, offset: i64) -> DeadLetterCopy<'a> {
    DeadLetterCopy {
        key: Some(key.as_bytes()),
        value,
        reason: "almoner.undecodable",
        partition: 0,
        offset,
    }
}

/// What is found when a donation is asked for once and told of like this.
#[track_caller]
fn check(outcomes: &[Bytes], expected: &[Finding]) {
    let mut watch = watching(&[&Story::new(1)]);
    for outcome in outcomes {
        watch.outcome(&outcome.view(), TOLD_US);
    }
    assert_eq!(watch.findings(true), expected);
    // In the other order the same is found.
    let mut watch = watching(&[&Story::new(1)]);
    for outcome in outcomes.iter().rev() {
        watch.outcome(&outcome.view(), TOLD_US);
    }
    assert_eq!(watch.findings(true), expected);
}

#[test]
fn a_donation_is_outstanding_until_it_ends() {
    let story = Story::new(1);
    let mut watch = Watch::new(1);
    watch.asked(&story.planned(Kind::First), ASKED_US);
    watch.outcome(&story.outcome(&told::pending(1)).view(), TOLD_US);
    let outstanding = Outstanding {
        donations: 1,
        requests: 0,
        garbage: 0,
    };
    assert_eq!(
        (watch.outstanding(), watch.fate(story.id())),
        (outstanding, None)
    );
    watch.outcome(&story.outcome(&told::succeeded(2)).view(), TOLD_US);
    assert_eq!(watch.fate(story.id()), Some(Fate::Succeeded));
    assert!(!watch.is_resolved(), "more may be asked");
    watch.all_asked();
    assert!(watch.is_resolved());
    let summary = watch.summary();
    assert_eq!((summary.requests_answered, summary.copies), (1, 1));
    assert_eq!(summary.succeeded_minor, Sums::from([("JPY".into(), 1_001)]));
    assert!((summary.latency_ms.max - 2_000.0).abs() < 2.0);
}

#[test]
fn each_repeat_is_answered_for_itself() {
    let story = Story::new(1);
    let mut watch = watching(&[&story]);
    for _ in 0..2 {
        watch.asked(&story.planned(Kind::Repeat), ASKED_US);
    }
    for offset in [1, 5, 5] {
        watch.outcome(&story.outcome_for(&told::failed(1), offset).view(), TOLD_US);
    }
    let summary = watch.summary();
    assert_eq!(
        (
            summary.requests_answered,
            summary.repeats_answered,
            summary.copies
        ),
        (2, 1, 1)
    );
    assert!(!watch.is_resolved());
    watch.outcome(&story.outcome_for(&told::failed(1), 9).view(), TOLD_US);
    assert_eq!(watch.summary().repeats_answered, 2);
    assert_eq!(
        watch.summary().reasons,
        BTreeMap::from([("card_declined".into(), 1)])
    );
    assert!(watch.is_resolved());
    assert_eq!(watch.findings(true), []);
}

#[test]
fn suspected_doubles_are_counted_by_what_became_of_them() {
    let mut watch = Watch::new(4);
    let ends = [
        (Kind::Confirm, told::succeeded(2)),
        (Kind::Cancel, told::cancelled(2, Reason::DuplicateDeclined)),
        (Kind::First, told::failed_as(2, Reason::DuplicateExpired)),
    ];
    for (n, (answer, end)) in (0..).zip(&ends) {
        let story = Story::new(n);
        watch.asked(&story.planned(Kind::First), ASKED_US);
        watch.outcome(&story.outcome(&told::held(1)).view(), TOLD_US);
        watch.outcome(&story.outcome(&told::held(1)).view(), TOLD_US);
        if *answer != Kind::First {
            watch.asked(&story.planned(*answer), TOLD_US);
            watch.outcome(&story.outcome_for(end, 100 + i64::from(n)).view(), TOLD_US);
        }
        watch.outcome(&story.outcome(end).view(), TOLD_US);
    }
    watch.all_asked();
    assert!(watch.is_resolved(), "{:?}", watch.findings(true));
    let summary = watch.summary();
    assert_eq!(
        summary.held,
        Held {
            asked: 3,
            confirmed: 1,
            declined: 1,
            unanswered: 1
        }
    );
    assert_eq!(
        (
            summary.sent.confirms,
            summary.sent.cancels,
            summary.repeats_answered
        ),
        (1, 1, 0)
    );
}

#[test]
fn a_refused_answer_does_not_end_the_donation() {
    let story = Story::new(1);
    let mut watch = watching(&[&story]);
    watch.asked(&story.planned(Kind::Confirm), TOLD_US);
    let rejection = story.rejection("confirm", RejectionReason::AlreadyAnswered, 2);
    watch.outcome(&rejection.view(), TOLD_US);
    assert_eq!(watch.fate(story.id()), None);
    watch.outcome(&story.outcome(&told::succeeded(1)).view(), TOLD_US);
    assert!(watch.is_resolved());
    assert_eq!(watch.findings(true), []);
    assert_eq!(
        watch.summary().rejected,
        BTreeMap::from([("already_answered".into(), 1)])
    );
}

#[test]
fn what_cannot_be_done_is_rejected_or_a_dead_letter() {
    let story = Story::new(1);
    let mut watch = Watch::new(1);
    let bad = Planned {
        request: None,
        ..story.planned(Kind::Bad(Bad::ZeroAmount))
    };
    watch.asked(&bad, ASKED_US);
    let garbage = Planned {
        value: b"card 4242424242424242".to_vec(),
        id: None,
        request: None,
        ..story.planned(Kind::Bad(Bad::Garbage))
    };
    watch.asked(&garbage, ASKED_US);
    watch.all_asked();
    assert_eq!(
        watch.outstanding(),
        Outstanding {
            donations: 1,
            requests: 2,
            garbage: 1
        }
    );
    let rejection = story.rejection("donate", RejectionReason::InvalidRequest, 1);
    for _ in 0..2 {
        watch.outcome(&rejection.view(), TOLD_US);
        watch.dead_letter(&letter(b"card ****************", "user-1", 2));
    }
    assert!(watch.is_resolved());
    assert_eq!(watch.findings(true), []);
    let summary = watch.summary();
    assert_eq!(summary.fates, BTreeMap::from([("rejected", 1)]));
    assert_eq!(
        summary.dead_letters,
        BTreeMap::from([("almoner.undecodable".into(), 1)])
    );
    assert_eq!(
        (summary.sent.bad, summary.requests_answered, summary.copies),
        (2, 2, 2)
    );
}

#[test]
fn a_sound_request_may_become_a_dead_letter_and_its_repeat_a_donation() {
    let story = Story::new(1);
    let mut watch = watching(&[&story]);
    let planned = story.planned(Kind::Repeat);
    watch.dead_letter(&letter(&planned.value, &planned.key, 1));
    assert_eq!(watch.fate(story.id()), Some(Fate::DeadLetter));
    watch.asked(&planned, TOLD_US);
    watch.outcome(&story.outcome_for(&told::succeeded(1), 2).view(), TOLD_US);
    assert!(watch.is_resolved());
    assert_eq!(watch.findings(true), []);
    assert_eq!(watch.summary().fates, BTreeMap::from([("succeeded", 1)]));
}

#[test]
fn donations_of_an_earlier_run_are_waited_for_and_counted() {
    let (open, done) = (Story::new(1), Story::new(3));
    let mut watch = Watch::new(2);
    watch.adopt(&open.donation.request, None);
    watch.adopt(&done.donation.request, Some(Fate::Succeeded));
    watch.all_asked();
    assert_eq!(
        watch.outstanding(),
        Outstanding {
            donations: 1,
            requests: 0,
            garbage: 0
        }
    );
    // Its first two events went with the earlier run's broker; its place is one of the earlier log.
    watch.outcome(&open.outcome(&told::succeeded(3)).view(), TOLD_US);
    watch.outcome(&done.outcome(&told::succeeded(1)).view(), TOLD_US);
    assert!(watch.is_resolved());
    assert_eq!(watch.findings(true), []);
    assert_eq!(
        watch.summary().succeeded_minor,
        Sums::from([("JPY".into(), 2_001)])
    );
    watch.outcome(&done.outcome(&told::failed(2)).view(), TOLD_US);
    assert_eq!(
        watch.findings(true),
        [Finding::EndedTwice { id: done.id() }]
    );
}

#[test]
fn what_is_asked_again_of_an_earlier_runs_donation_is_answered_by_its_end() {
    let story = Story::new(1);
    let mut watch = Watch::new(1);
    watch.adopt(&story.donation.request, None);
    watch.asked(&story.planned(Kind::Repeat), ASKED_US);
    watch.asked(&story.planned(Kind::Confirm), ASKED_US);
    watch.all_asked();
    assert_eq!(watch.outstanding().requests, 2);
    watch.outcome(&story.outcome(&told::succeeded(3)).view(), TOLD_US);
    assert!(watch.is_resolved());
    // An answer that was sent too late.
    watch.asked(&story.planned(Kind::Confirm), TOLD_US);
    assert!(watch.is_resolved());
    assert_eq!(watch.findings(true), []);
}

#[test]
fn contradictions_are_found() {
    let story = Story::new(1);
    let id = story.id();
    let one = |told: &Told| story.outcome(told);
    check(&[one(&told::succeeded(1))], &[]);
    check(&[one(&told::succeeded(1)), one(&told::succeeded(1))], &[]);
    check(
        &[
            one(&told::succeeded(1)),
            one(&Told {
                occurred_at_ms: 99,
                ..told::succeeded(1)
            }),
        ],
        &[Finding::ContentDiffers { id, sequence: 1 }],
    );
    // Beyond the events whose contents are kept with the donation.
    let long: Vec<_> = (1..=4)
        .map(|sequence| one(&told::pending(sequence)))
        .collect();
    let ends = [
        one(&told::succeeded(5)),
        one(&Told {
            occurred_at_ms: 99,
            ..told::succeeded(5)
        }),
    ];
    check(
        &[long.as_slice(), &ends].concat(),
        &[Finding::ContentDiffers { id, sequence: 5 }],
    );
    check(
        &[one(&told::failed(1)), one(&told::succeeded(2))],
        &[Finding::EndedTwice { id }],
    );
    check(
        &[one(&told::succeeded(1)), one(&told::pending(2))],
        &[Finding::WentOnAfterItsEnd { id }],
    );
    check(&[one(&told::succeeded(2))], &[Finding::SequenceGap { id }]);
    check(&[one(&told::succeeded(6))], &[Finding::SequenceGap { id }]);
    check(
        &[one(&Told {
            status: almoner_domain::donation::State::Unknown,
            ..told::succeeded(1)
        })],
        &[Finding::StatusDiffers { id, sequence: 1 }],
    );
    check(
        &[],
        &[
            Finding::NoFate { id },
            Finding::NoAnswer {
                id,
                requests: 1,
                answered: 0,
            },
        ],
    );
    check(&[one(&told::pending(1))], &[Finding::NoFate { id }]);
    check(
        &[
            one(&told::succeeded(1)),
            story.outcome_for(&told::succeeded(1), 2),
        ],
        &[Finding::TooManyAnswers { id }],
    );
    let stranger = Story::new(2);
    check(
        &[
            one(&told::succeeded(1)),
            stranger.outcome(&told::succeeded(1)),
        ],
        &[Finding::NeverAsked { id: stranger.id() }],
    );
    check(
        &[story.rejection("donate", RejectionReason::IdReused, 1)],
        &[Finding::SoundRequestRejected {
            id,
            reason: "id_reused".into(),
        }],
    );
}

#[test]
fn outcomes_about_something_else_are_found() {
    let money =
        |amount_minor, code| Money::new(amount_minor, Currency::from_code(code).unwrap()).unwrap();
    let others: [fn(&mut DonationRequest, Money, Money); 4] = [
        |request, _, _| request.user_id = UserId::parse("user-2").unwrap(),
        |request, _, _| request.campaign_id = CampaignId::parse("campaign-2").unwrap(),
        |request, amount, _| request.amount = amount,
        |request, _, currency| request.amount = currency,
    ];
    for other in others {
        let mut story = Story::new(1);
        other(
            &mut story.donation.request,
            money(1_002, "JPY"),
            money(1_001, "EUR"),
        );
        check(
            &[story.outcome(&told::succeeded(1))],
            &[Finding::OtherThanAsked { id: story.id() }],
        );
    }
}

#[test]
fn what_no_service_of_ours_writes_is_found() {
    let story = Story::new(1);
    let id = story.id();
    let outcome = story.outcome(&told::succeeded(1));
    let found = |spoil: &dyn Fn(&mut OutcomeView<'_>)| {
        let mut watch = watching(&[&story]);
        let mut view = outcome.view();
        spoil(&mut view);
        watch.outcome(&view, TOLD_US);
        watch.findings(false)
    };
    assert_eq!(found(&|_| {}), []);
    assert_eq!(
        found(&|view| view.sequence = None),
        [Finding::NoSequence { id }]
    );
    assert_eq!(
        found(&|view| view.sequence = Some(0)),
        [Finding::NoSequence { id }]
    );
    assert_eq!(
        found(&|view| view.source = None),
        [Finding::NoSource { id }]
    );
    let derived = Finding::EventIdNotDerived { id, sequence: 1 };
    assert_eq!(found(&|view| view.event_id = id.as_uuid()), [derived]);
    let mut watch = watching(&[&story]);
    watch.unreadable_outcome(&almoner_domain::outcome::decode(b"?").unwrap_err());
    assert!(matches!(
        watch.findings(false)[..],
        [Finding::Unreadable { .. }]
    ));
}

#[test]
fn rejections_that_differ_are_found() {
    let story = Story::new(1);
    let mut watch = watching(&[&story]);
    watch.asked(&story.planned(Kind::Confirm), ASKED_US);
    for reason in [RejectionReason::NotHeld, RejectionReason::TooLate] {
        watch.outcome(&story.rejection("confirm", reason, 2).view(), TOLD_US);
    }
    assert_eq!(
        watch.findings(false),
        [Finding::RejectionDiffers { id: story.id() }]
    );
}

#[test]
fn charges_that_should_not_be_are_found() {
    let (closed, first, double) = (Story::new(1), Story::new(2), Story::new(4));
    let mut watch = Watch::new(3);
    watch.asked(&closed.planned(Kind::Bad(Bad::ClosedCampaign)), ASKED_US);
    watch.asked(&first.planned(Kind::First), ASKED_US);
    watch.asked(
        &double.planned(Kind::DoubleClick { of: first.id() }),
        ASKED_US,
    );
    for story in [&closed, &first, &double] {
        watch.outcome(&story.outcome(&told::succeeded(1)).view(), TOLD_US);
    }
    let expected = [
        Finding::ClosedCampaignCharged { id: closed.id() },
        Finding::DoubleNotAsked {
            id: double.id(),
            of: first.id(),
        },
    ];
    assert_eq!(watch.findings(true), expected);
}

#[test]
fn doubles_that_were_asked_about_or_came_alone_are_none() {
    for (first_end, double_events) in [
        (told::succeeded(1), vec![told::held(1), told::succeeded(2)]),
        (told::failed(1), vec![told::succeeded(1)]),
    ] {
        let (first, double) = (Story::new(2), Story::new(4));
        let mut watch = Watch::new(2);
        watch.asked(&first.planned(Kind::First), ASKED_US);
        watch.asked(
            &double.planned(Kind::DoubleClick { of: first.id() }),
            ASKED_US,
        );
        watch.outcome(&first.outcome(&first_end).view(), TOLD_US);
        for event in &double_events {
            watch.outcome(&double.outcome(event).view(), TOLD_US);
        }
        assert_eq!(watch.findings(true), []);
    }
}

#[test]
fn dead_letters_are_missed_and_strange_ones_found() {
    let story = Story::new(1);
    let mut watch = Watch::new(1);
    let garbage = Planned {
        id: None,
        request: None,
        ..story.planned(Kind::Bad(Bad::Garbage))
    };
    watch.asked(&garbage, ASKED_US);
    assert_eq!(watch.findings(true), [Finding::NoDeadLetter { count: 1 }]);
    watch.dead_letter(&letter(b"{}", "user-1", 8));
    let expected = [Finding::NeverSent {
        partition: 0,
        offset: 8,
    }];
    assert_eq!(watch.findings(false), expected);
}

#[test]
fn findings_are_bounded() {
    let mut watch = Watch::new(0);
    for n in 0..3_000 {
        watch.outcome(&Story::new(n).outcome(&told::succeeded(1)).view(), TOLD_US);
    }
    let findings = watch.findings(true);
    assert_eq!(
        (findings.len(), &findings[0]),
        (1_001, &Finding::More(1_000))
    );
}

/// A donation's life: how often it is asked for, and what is told in what order.
#[derive(Clone, Debug)]
struct Life {
    repeats: u8,
    is_held: bool,
    pendings: u32,
    end: Fate,
}

fn life() -> impl Strategy<Value = Life> {
    let end = prop_oneof![
        Just(Fate::Succeeded),
        Just(Fate::Failed),
        Just(Fate::Cancelled)
    ];
    (0..3u8, any::<bool>(), 0..6u32, end).prop_map(|(repeats, is_held, pendings, end)| Life {
        repeats,
        is_held: is_held || end == Fate::Cancelled,
        pendings,
        end,
    })
}

impl Life {
    fn events(&self) -> Vec<Told> {
        let mut events = Vec::new();
        let next = |events: &Vec<Told>| events.len() as u32 + 1;
        if self.is_held {
            events.push(told::held(next(&events)));
        }
        for _ in 0..self.pendings {
            events.push(told::pending(next(&events)));
        }
        let n = next(&events);
        events.push(match self.end {
            Fate::Succeeded => told::succeeded(n),
            Fate::Cancelled => told::cancelled(n, Reason::DuplicateDeclined),
            _ => told::failed(n),
        });
        events
    }

    /// Every event for the first request, and some event for each repeat.
    fn told(&self, n: u32, story: &Story) -> Vec<Bytes> {
        let events = self.events();
        let mut told: Vec<_> = events.iter().map(|event| story.outcome(event)).collect();
        for repeat in 0..self.repeats {
            let event = &events[usize::from(repeat) % events.len()];
            told.push(story.outcome_for(event, 1_000 + i64::from(n) * 10 + i64::from(repeat)));
        }
        told
    }
}

fn check_shuffled(lives: &[Life], copied: &[prop::sample::Index], shuffled: &[u64]) {
    let stories: Vec<_> = (0..lives.len() as u32).map(Story::new).collect();
    let mut watch = Watch::new(0);
    let mut told = Vec::new();
    for ((story, life), n) in stories.iter().zip(lives).zip(0..) {
        watch.asked(&story.planned(Kind::First), ASKED_US);
        for _ in 0..life.repeats {
            watch.asked(&story.planned(Kind::Repeat), ASKED_US);
        }
        told.extend(life.told(n, story));
    }
    watch.all_asked();
    let once = told.len();
    told.extend(
        copied
            .iter()
            .map(|index| index.get(&told[..once]).clone())
            .collect::<Vec<_>>(),
    );
    let mut order: Vec<_> = (0..told.len()).collect();
    order.sort_by_key(|at| shuffled[at % shuffled.len()].wrapping_mul(*at as u64 + 1));
    for at in order {
        assert_eq!(watch.findings(false), []);
        watch.outcome(&told[at].view(), TOLD_US);
    }
    assert_eq!(watch.findings(true), []);
    assert!(watch.is_resolved());

    let summary = watch.summary();
    let ended = |end| lives.iter().filter(|life| life.end == end).count() as u64;
    for fate in [Fate::Succeeded, Fate::Failed, Fate::Cancelled] {
        assert_eq!(
            summary.fates.get(fate.as_str()).copied().unwrap_or(0),
            ended(fate)
        );
    }
    let mut sums = Sums::new();
    for (story, life) in stories.iter().zip(lives) {
        if life.end == Fate::Succeeded {
            let amount = story.donation.request.amount;
            *sums.entry(amount.currency().code().into()).or_default() +=
                i128::from(amount.amount_minor());
        }
    }
    assert_eq!(summary.succeeded_minor, sums);
    let held = lives.iter().filter(|life| life.is_held).count() as u64;
    assert_eq!(summary.held.asked, held);
    assert_eq!(summary.held.confirmed + summary.held.declined, held);
    let repeats: u64 = lives.iter().map(|life| u64::from(life.repeats)).sum();
    assert_eq!(summary.repeats_answered, repeats);
    assert_eq!(summary.requests_answered, summary.sent.total());
    assert_eq!(
        summary.requests_answered + summary.copies,
        told.len() as u64
    );
}

proptest! {
    #[test]
    fn order_and_copies_change_nothing(
        lives in proptest::collection::vec(life(), 1..20),
        copied in proptest::collection::vec(any::<prop::sample::Index>(), 0..40),
        shuffled in proptest::collection::vec(any::<u64>(), 1..100),
    ) {
        check_shuffled(&lives, &copied, &shuffled);
    }
}
