//! The stories. Each opens one empty store and tells one promise of the port.

use std::sync::Arc;

use almoner_actors::ports::{
    Accepted, Advanced, Cursor, Done, Finish, FinishWrite, Finished, FirstState, KeptLetter,
    MarkWrite, Marked, SendRow, StoreError,
};
use almoner_domain::campaign::{CampaignChange, Status};
use almoner_domain::donation::{Call, Donation, Ending, PendingKind, Progress, State, Trace};
use almoner_domain::duplicate::{Entry, Read, Standing};
use almoner_domain::ids::{CampaignId, Place, Shard};
use almoner_domain::outcome::Reason;
use almoner_domain::request::{DonationRequest, Information};
use smallvec::smallvec;

use crate::support::*;

/// A day, and a second in it.
const DAY: i32 = 19_675;
const NOON_S: i64 = DAY as i64 * 86_400 + 43_200;

pub fn the_first_accept_of_an_id_wins(engine: &Engine) {
    engine.claim(0);
    let first = donation(1);
    let row = engine.new_row(&first);
    let other = Donation {
        request: DonationRequest {
            amount: donation_of(1, "other", 99).request.amount,
            ..first.request.clone()
        },
        ..(*first).clone()
    };
    for again in [Arc::clone(&first), Arc::new(other)] {
        let Accepted::Known(recorded) = engine.accept(held(&again, START_MS)) else {
            panic!("new twice");
        };
        assert_eq!((recorded.row, &recorded.donation), (row, &first));
        assert_eq!((recorded.pending, recorded.finish), (None, None));
        assert!(recorded.told.is_empty());
    }
}

pub fn a_thousand_accepts_at_once_make_one_donation(engine: &Engine) {
    engine.claim(0);
    let same = donation(1);
    let news: usize = std::thread::scope(|scope| {
        let callers: Vec<_> = (0..8)
            .map(|_| {
                let (store, same) = (Arc::clone(&engine.store), Arc::clone(&same));
                scope.spawn(move || {
                    let answers: Vec<_> = (0..125)
                        .map(|_| {
                            let (done, receiver) = answer();
                            store.accept(charging(&same), done);
                            receiver
                        })
                        .collect();
                    let is_new = |it: Result<Accepted, StoreError>| {
                        matches!(it.unwrap(), Accepted::New(_)) as usize
                    };
                    answers
                        .into_iter()
                        .map(|it| is_new(it.recv().unwrap()))
                        .sum::<usize>()
                })
            })
            .collect();
        callers.into_iter().map(|it| it.join().unwrap()).sum()
    });
    assert_eq!(news, 1);
    assert_eq!(engine.unfinished(0).len(), 1);
}

pub fn one_id_twice_in_a_batch_is_known(engine: &Engine) {
    engine.claim(0);
    let answers: Vec<_> = (0..300)
        .map(|n| {
            let (done, receiver) = answer();
            engine.store.accept(charging(&donation(n / 2)), done);
            receiver
        })
        .collect();
    for pair in answers.chunks(2) {
        let row = row_of(pair[0].recv().unwrap().unwrap());
        match pair[1].recv().unwrap().unwrap() {
            Accepted::Known(recorded) => assert_eq!(recorded.row, row),
            other => panic!("not known: {other:?}"),
        }
    }
}

pub fn all_fields_come_back_equal(engine: &Engine) {
    engine.claim(3);
    let plain = donation(1);
    let full = Arc::new(Donation {
        request: DonationRequest {
            amount: donation_of(2, "a", (1 << 53) - 1).request.amount,
            gateway_customer: Some("cus_1".into()),
            information: Some(Box::new(Information {
                created_at_ms: Some(-1),
                message: Some("für die Bäume".into()),
                anonymous: Some(true),
                receipt_email: Some("a@example.org".into()),
                metadata: vec![("k".into(), "v".into()), ("k".into(), "".into())],
            })),
            ..donation(2).request.clone()
        },
        shard_offset: place(2).offset + 40, // it was forwarded
        body_version: u16::MAX,
        trace: Some(Arc::new(Trace {
            traceparent: Some("00-1-2-03".into()),
            correlation_id: None,
        })),
        ..(*donation(2)).clone()
    });
    for given in [plain, full] {
        let mut write = charging(&given);
        write.shard = Shard(3);
        let row = row_of(engine.accept(write));
        let finish = Finish {
            ending: Ending {
                attempts: 4,
                ..charged(NOON_S).ending
            },
            at_ms: START_MS + 77,
            sequence: 9,
        };
        engine.finish(finish_write(&given, row, finish.clone()));
        let recorded = engine.load(given.request.id).unwrap();
        assert_eq!((recorded.row, recorded.shard), (row, Shard(3)));
        assert_eq!(recorded.donation, given);
        assert_eq!(recorded.finish, Some(finish));
    }
}

pub fn a_refused_donation_is_accepted_as_finished(engine: &Engine) {
    engine.claim(0);
    let refused = donation(1);
    let finish = failed(Reason::CampaignClosed);
    let first = FirstState::Finished(Box::new(finish.clone()));
    let row = row_of(engine.accept(accept_write(&refused, first)));
    let again = engine.finish(finish_write(&refused, row, charged(NOON_S)));
    assert!(matches!(again, Finished::Already(_)), "{again:?}");
    assert_eq!(
        engine.load(refused.request.id).unwrap().finish,
        Some(finish)
    );
    assert!(engine.unfinished(0).is_empty());
    let first = FirstState::Finished(Box::new(charged(NOON_S)));
    let write = accept_write(&donation(2), first);
    let answer = engine.call(|store, done| store.accept(write, done));
    assert!(matches!(answer, Err(StoreError::Impossible(_))));
    assert!(engine.load(id(2)).is_none());
    assert_eq!(engine.campaign_days(), []);
}

pub fn a_finish_needs_an_accepted_donation(engine: &Engine) {
    engine.claim(0);
    let known = donation(1);
    let row = engine.new_row(&known);
    let strange = finish_write(&donation(2), row, charged(NOON_S));
    let unfinished = Finish {
        ending: Ending {
            state: State::Unknown,
            ..charged(NOON_S).ending
        },
        ..charged(NOON_S)
    };
    for write in [strange, finish_write(&known, row, unfinished)] {
        let answer = engine.call(|store, done| store.finish(write, done));
        assert!(matches!(answer, Err(StoreError::Impossible(_))));
    }
    assert_eq!(engine.load(known.request.id).unwrap().finish, None);
    assert_eq!(engine.campaign_days(), []);
}

pub fn the_first_finish_wins(engine: &Engine) {
    engine.claim(0);
    let twice = donation(1);
    let row = engine.new_row(&twice);
    let finishes = [charged(NOON_S), failed(Reason::Expired), charged(NOON_S)];
    let answers: Vec<_> = finishes
        .map(|finish| {
            let (done, receiver) = answer();
            engine.store.finish(finish_write(&twice, row, finish), done);
            receiver
        })
        .into();
    let answers: Vec<_> = answers
        .iter()
        .map(|it| it.recv().unwrap().unwrap())
        .collect();
    assert_eq!(answers[0], Finished::Done);
    for later in &answers[1..] {
        let Finished::Already(recorded) = later else {
            panic!("finished twice");
        };
        assert_eq!(recorded.finish, Some(charged(NOON_S)));
    }
    assert_eq!(engine.campaign_days()[0].count, 1);
}

pub fn only_a_charge_counts_in_the_campaigns_day(engine: &Engine) {
    engine.claim(0);
    let mut finishes = vec![failed(Reason::CardDeclined), charged(NOON_S)];
    finishes.push(Finish {
        ending: Ending {
            state: State::Cancelled,
            ..failed(Reason::DuplicateDeclined).ending
        },
        ..failed(Reason::DuplicateDeclined)
    });
    for (n, finish) in (1..).zip(finishes) {
        let given = donation(n);
        let row = engine.new_row(&given);
        engine.finish(finish_write(&given, row, finish));
    }
    let days = engine.campaign_days();
    assert_eq!(days.len(), 1);
    assert_eq!((days[0].count, days[0].amount_minor), (1, 1250));
}

pub fn the_charges_day_is_the_gateways(engine: &Engine) {
    engine.claim(0);
    let midnight_s = i64::from(DAY + 1) * 86_400;
    for (n, created_s) in (1..).zip([NOON_S, midnight_s - 1, midnight_s, -1]) {
        let given = donation_of(n, "river-trees", n);
        let row = engine.new_row(&given);
        engine.finish(finish_write(&given, row, charged(created_s)));
    }
    let days: Vec<_> = engine
        .campaign_days()
        .iter()
        .map(|it| (it.day, it.count, it.amount_minor))
        .collect();
    assert_eq!(days, [(-1, 1, 4), (DAY, 2, 3), (DAY + 1, 1, 3)]);
}

pub fn a_sum_that_overflows_fails_alone(engine: &Engine) {
    engine.claim(0);
    // 1024 of the largest amounts stay below 2^63, one more does not.
    let finishes: Vec<_> = (1..=1026)
        .map(|n| {
            let campaign = if n == 1026 { "small" } else { "huge" };
            let given = donation_of(n, campaign, (1 << 53) - 1);
            let (done, receiver) = answer();
            engine.store.accept(charging(&given), done);
            (given, receiver)
        })
        .collect();
    let finishes: Vec<_> = finishes
        .into_iter()
        .map(|(given, accepted)| {
            let row = row_of(accepted.recv().unwrap().unwrap());
            let (done, receiver) = answer();
            let write = finish_write(&given, row, charged(NOON_S));
            engine.store.finish(write, done);
            receiver
        })
        .collect();
    for (n, finished) in (1..).zip(finishes) {
        match finished.recv().unwrap() {
            Ok(finished) => assert!(n != 1025 && finished == Finished::Done),
            Err(error) => assert!(
                n == 1025 && matches!(error, StoreError::Impossible(_)),
                "{error}"
            ),
        }
    }
    assert_eq!(engine.load(id(1025)).unwrap().finish, None);
    let counts: Vec<_> = engine.campaign_days().iter().map(|it| it.count).collect();
    assert_eq!(counts, [1024, 1]);
    assert_eq!(engine.unfinished(0).len(), 1);
}

pub fn a_change_needs_the_version_it_saw(engine: &Engine) {
    engine.claim(0);
    let given = donation(1);
    let row = engine.new_row(&given);
    let write = |seen| advance_write(&given, row, seen, START_MS + 60_000, PendingKind::Unknown);
    assert!(matches!(engine.advance(write(1)), Advanced::Lost(_)));
    assert_eq!(engine.advance(write(0)), Advanced::Done);
    let Advanced::Lost(recorded) = engine.advance(write(0)) else {
        panic!("changed twice from one version");
    };
    assert_eq!(engine.advance(write(1)), Advanced::Done);
    let (pending, progress) = recorded.pending.unwrap();
    assert_eq!(pending, write(0).pending);
    assert_eq!(progress, *write(0).progress);
    assert_eq!(
        engine
            .load(given.request.id)
            .unwrap()
            .pending
            .unwrap()
            .0
            .version,
        2
    );
}

pub fn a_finish_ends_all_changes(engine: &Engine) {
    engine.claim(0);
    for (n, seen) in [(1, 0), (2, 1)] {
        let given = donation(n);
        let row = engine.new_row(&given);
        let change = |seen| advance_write(&given, row, seen, START_MS, PendingKind::Retrying);
        if seen > 0 {
            engine.advance(change(0));
        }
        engine.finish(FinishWrite {
            seen_version: seen,
            ..finish_write(&given, row, charged(NOON_S))
        });
        for version in 0..=3 {
            let Advanced::Lost(recorded) = engine.advance(change(version)) else {
                panic!("changed after its finish");
            };
            assert_eq!(recorded.finish, Some(charged(NOON_S)));
        }
    }
}

pub fn the_outbox_stays_until_the_outcome_is_acknowledged(engine: &Engine) {
    engine.claim(0);
    let given = donation(1);
    let row = row_of(engine.accept(held(&given, START_MS + 9_000_000)));
    let answer = engine.call(|store, done| store.acknowledged(given.request.id, done));
    assert!(matches!(answer, Err(StoreError::Impossible(_))));
    let finish = failed(Reason::DuplicateExpired);
    engine.finish(FinishWrite {
        seen_version: 1,
        ..finish_write(&given, row, finish.clone())
    });
    let open = engine.unfinished(0);
    assert_eq!(open.len(), 1);
    assert_eq!((open[0].id, open[0].due_ms), (id(1), finish.at_ms));
    assert_eq!(engine.load(id(1)).unwrap().told, [question(1)]);
    engine.acknowledged(given.request.id);
    engine.acknowledged(given.request.id);
    engine.acknowledged(id(404));
    assert!(engine.unfinished(0).is_empty());
    let recorded = engine.load(given.request.id).unwrap();
    assert_eq!((recorded.pending, recorded.finish), (None, Some(finish)));
}

/// A finished donation that was charged by these intents too.
fn with_surplus(intents: &[&str]) -> Box<Progress> {
    Box::new(Progress {
        state: State::Succeeded,
        intent: Some("pi_1".into()),
        surplus: intents.iter().map(|intent| (*intent).into()).collect(),
        ..Progress::new()
    })
}

pub fn a_surplus_is_worked_off_beside_the_finish(engine: &Engine) {
    engine.claim(0);
    for (n, seen) in [(1, 0), (2, 1)] {
        let given = donation(n);
        let row = engine.new_row(&given);
        let change = |seen, kind| advance_write(&given, row, seen, START_MS, kind);
        if seen > 0 {
            engine.advance(change(0, PendingKind::Unknown));
        }
        let finish = FinishWrite {
            seen_version: seen,
            surplus: Some(with_surplus(&["pi_2"])),
            ..finish_write(&given, row, charged(NOON_S))
        };
        assert_eq!(engine.finish(finish), Finished::Done);
        let due = pending(seen + 1, charged(NOON_S).at_ms, PendingKind::Surplus);
        let recorded = engine.load(given.request.id).unwrap();
        assert_eq!(recorded.pending, Some((due, *with_surplus(&["pi_2"]))));
        engine.acknowledged(given.request.id);
        assert_eq!(engine.load(given.request.id).unwrap(), recorded);
        assert_eq!(engine.unfinished(0).len(), 1);

        let lost = engine.advance(change(seen + 1, PendingKind::Retrying));
        assert!(matches!(lost, Advanced::Lost(_)), "{lost:?}");
        let lost = engine.advance(change(seen, PendingKind::Surplus));
        assert!(matches!(lost, Advanced::Lost(_)), "{lost:?}");
        let mut settled = change(seen + 1, PendingKind::Surplus);
        settled.progress = with_surplus(&[]);
        assert_eq!(engine.advance(settled), Advanced::Done);
        engine.acknowledged(given.request.id);
        assert!(engine.unfinished(0).is_empty());
    }
    assert_eq!(engine.campaign_days()[0].count, 2);
}

pub fn a_surplus_can_turn_up_after_the_end(engine: &Engine) {
    engine.claim(0);
    let given = donation(1);
    let row = engine.new_row(&given);
    engine.finish(finish_write(&given, row, charged(NOON_S)));
    let mut found = advance_write(&given, row, 0, START_MS, PendingKind::Surplus);
    found.progress = with_surplus(&["pi_2"]);
    assert_eq!(engine.advance(found), Advanced::Done);
    let recorded = engine.load(id(1)).unwrap();
    assert_eq!(recorded.finish, Some(charged(NOON_S)));
    assert_eq!(recorded.pending.unwrap().1, *with_surplus(&["pi_2"]));
    assert_eq!(engine.unfinished(0).len(), 1);
}

pub fn events_are_kept_in_sequence(engine: &Engine) {
    engine.claim(0);
    let given = donation(1);
    let row = row_of(engine.accept(held(&given, START_MS)));
    let change = |seen, sequence| {
        let mut write = advance_write(&given, row, seen, START_MS, PendingKind::Unknown);
        write.told = Some(told_pending(sequence, PendingKind::Unknown));
        write.sends = smallvec![SendRow {
            send: 1,
            call: Call::Charge.name(),
            key: Call::Charge.key(given.request.id),
            at_ms: START_MS,
            epoch: 1,
            answer: (seen > 1).then_some("lost"),
        }];
        write
    };
    assert_eq!(engine.advance(change(1, 2)), Advanced::Done);
    let taken = engine.call(|store, done| store.advance(change(2, 2), done));
    assert!(matches!(taken, Err(StoreError::Impossible(_))));
    assert_eq!(engine.advance(change(2, 3)), Advanced::Done);
    let told = engine.load(given.request.id).unwrap().told;
    let kind = PendingKind::Unknown;
    assert_eq!(
        told,
        [question(1), told_pending(2, kind), told_pending(3, kind)]
    );
}

pub fn the_first_answer_to_a_hold_wins(engine: &Engine) {
    engine.claim(0);
    let given = donation(1);
    let row = row_of(engine.accept(held(&given, START_MS)));
    let check_found = |standing, is_answered: bool| {
        let (unfinished, recent) = (engine.unfinished(0), engine.recent(0, i64::MIN));
        assert_eq!(unfinished[0].is_answered, is_answered);
        let entry = Entry::new(&given.request, Read::of(&given), standing);
        assert_eq!(recent[0].entry, entry.confirmed_if(is_answered));
    };
    check_found(Standing::Held, false);
    let mut confirm = advance_write(&given, row, 1, START_MS, PendingKind::Queued);
    confirm.answered_by = Some(place(41));
    engine.advance(confirm.clone());
    confirm.answered_by = Some(place(42));
    let Advanced::Lost(recorded) = engine.advance(confirm) else {
        panic!("answered twice");
    };
    assert_eq!(recorded.answered_by, Some(place(41)));
    check_found(Standing::Open, true);
    let mut finish = finish_write(&given, row, charged(NOON_S));
    (finish.seen_version, finish.answered_by) = (2, Some(place(43)));
    engine.finish(finish);
    let recorded = engine.load(given.request.id).unwrap();
    assert_eq!(recorded.answered_by, Some(place(41)));
    check_found(Standing::Counted, true);
}

pub fn an_old_owner_is_fenced(engine: &Engine) {
    let given = donation(1);
    assert_eq!(engine.accept(charging(&given)), Accepted::Fenced);
    let mut unclaimed = charging(&given);
    unclaimed.epoch = 0;
    assert_eq!(engine.accept(unclaimed), Accepted::Fenced);
    assert_eq!(engine.claim(0).epoch, 1);
    assert_eq!(engine.claim(1).epoch, 1);
    let row = engine.new_row(&given);
    assert_eq!(engine.claim(0).epoch, 2);
    assert_eq!(engine.accept(charging(&given)), Accepted::Fenced);
    assert_eq!(engine.accept(charging(&donation(2))), Accepted::Fenced);
    let change = advance_write(&given, row, 0, START_MS, PendingKind::Unknown);
    assert_eq!(engine.advance(change.clone()), Advanced::Fenced);
    let mark = MarkWrite {
        shard: Shard(0),
        epoch: 1,
        next_offset: 5,
        stream_ms: START_MS,
    };
    assert_eq!(engine.mark(mark), Marked::Fenced);
    assert!(engine.load(id(2)).is_none());
    assert_eq!(engine.claim(0).next_offset, None);
    let now = almoner_actors::ports::AdvanceWrite { epoch: 3, ..change };
    assert_eq!(engine.advance(now), Advanced::Done);
}

pub fn facts_are_not_fenced(engine: &Engine) {
    engine.claim(0);
    let given = donation(1);
    let row = engine.new_row(&given);
    engine.claim(0);
    let mut takeover = advance_write(&given, row, 0, START_MS + 60_000, PendingKind::Unknown);
    takeover.epoch = 2;
    engine.advance(takeover);
    // The old owner learns the answer and knows of no pending row: it reads what is recorded, and records it then.
    let write = finish_write(&given, row, charged(NOON_S));
    let Finished::Already(recorded) = engine.finish(write.clone()) else {
        panic!("finished beside what had happened meanwhile");
    };
    assert_eq!(recorded.finish, None);
    let seen_version = recorded.pending.unwrap().0.version;
    let write = FinishWrite {
        seen_version,
        ..write
    };
    assert_eq!(engine.finish(write), Finished::Done);
    let open = engine.unfinished(0);
    assert_eq!(open[0].due_ms, charged(NOON_S).at_ms);
    assert_eq!(engine.campaign_days()[0].count, 1);
}

pub fn a_mark_never_goes_back(engine: &Engine) {
    engine.claim(0);
    let mark = |next_offset, stream_ms| MarkWrite {
        shard: Shard(0),
        epoch: 1,
        next_offset,
        stream_ms,
    };
    for (next_offset, stream_ms) in [(0, 0), (10, START_MS), (7, START_MS + 5), (9, 3)] {
        assert_eq!(engine.mark(mark(next_offset, stream_ms)), Marked::Done);
    }
    let claimed = engine.claim(0);
    assert_eq!(claimed.next_offset, Some(10));
    assert_eq!(claimed.stream_ms, START_MS + 5);
    assert_eq!((claimed.epoch, claimed.log_generation), (2, 1));
    assert_eq!(engine.claim(1).next_offset, None);
}

pub fn unfinished_donations_come_in_pages_by_due_time(engine: &Engine) {
    engine.claim(0);
    let count = 2300;
    let answers: Vec<_> = (0..count)
        .map(|n| {
            let due_ms = START_MS - i64::try_from(n / 3).unwrap();
            let write = if n % 2 == 0 {
                charging(&donation(n))
            } else {
                held(&donation(n), due_ms)
            };
            let (done, receiver) = answer();
            engine.store.accept(write, done);
            receiver
        })
        .collect();
    for answer in answers {
        row_of(answer.recv().unwrap().unwrap());
    }
    let found = engine.unfinished(0);
    assert_eq!(found.len(), count as usize);
    let (open, waiting) = found.split_at(count as usize / 2);
    assert!(open.iter().all(|it| it.kind.is_none()));
    assert!(
        open.iter()
            .all(|it| it.due_ms == it.donation.accepted_at_ms)
    );
    assert!(waiting.iter().all(|it| it.kind == Some(PendingKind::Held)));
    assert!(waiting.is_sorted_by_key(|it| it.due_ms));
    let mut ids: Vec<_> = found.iter().map(|it| it.id).collect();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), count as usize);
    assert!(engine.unfinished(1).is_empty());
}

pub fn donations_accepted_during_paging_do_no_harm(engine: &Engine) {
    engine.claim(0);
    for n in 0..1100 {
        engine
            .store
            .accept(charging(&donation(n)), Done::new(|_| {}));
    }
    engine.new_row(&donation(1100));
    let (first, next) = engine
        .call(|store, done| store.unfinished(Shard(0), Default::default(), done))
        .unwrap();
    let given = Arc::clone(&first[0].donation);
    let row = engine.load(given.request.id).unwrap().row;
    engine.finish(finish_write(&given, row, charged(NOON_S)));
    engine.new_row(&donation(1101));
    let (second, _) = engine
        .call(|store, done| store.unfinished(Shard(0), next.unwrap(), done))
        .unwrap();
    let mut ids: Vec<_> = first.iter().chain(&second).map(|it| it.id).collect();
    ids.sort();
    ids.dedup();
    assert_eq!((ids.len(), first.len() + second.len()), (1102, 1102));
}

pub fn the_window_has_what_counts_for_doubles(engine: &Engine) {
    engine.claim(0);
    engine.claim(1);
    let given = |n: u64| {
        let mut given = donation(n);
        if n.is_multiple_of(3) {
            Arc::make_mut(&mut given).shard_offset += 40; // it was forwarded
        }
        given
    };
    let accepted: Vec<_> = (0..2000)
        .map(|n| {
            let mut write = match n % 5 {
                0 => held(&given(n), START_MS),
                _ => charging(&given(n)),
            };
            write.shard = Shard(u32::from(n % 7 == 6));
            let (done, receiver) = answer();
            engine.store.accept(write, done);
            receiver
        })
        .collect();
    let finished: Vec<_> = (0..2000)
        .zip(accepted)
        .filter_map(|(n, accepted)| {
            let row = row_of(accepted.recv().unwrap().unwrap());
            let finish = match n % 5 {
                1 => charged(NOON_S),
                2 => failed(Reason::Expired),
                _ => return None,
            };
            let (done, receiver) = answer();
            engine
                .store
                .finish(finish_write(&given(n), row, finish), done);
            Some(receiver)
        })
        .collect();
    for finished in finished {
        assert_eq!(finished.recv().unwrap().unwrap(), Finished::Done);
    }
    let expected: Vec<_> = (1000..2000)
        .filter(|n| n % 7 != 6 && n % 5 != 2)
        .map(|n| {
            let standing = match n % 5 {
                0 => Standing::Held,
                1 => Standing::Counted,
                _ => Standing::Open,
            };
            let given = given(n);
            let entry = Entry::new(&given.request, Read::of(&given), standing);
            (given.request.user_id.clone(), entry)
        })
        .collect();
    let mut found: Vec<_> = engine
        .recent(0, START_MS + 1000)
        .iter()
        .map(|it| (it.user_id.clone(), it.entry))
        .collect();
    found.sort_by_key(|it| expected.iter().position(|other| other == it));
    assert_eq!(found, expected);
    assert!(engine.recent(0, START_MS + 2000).is_empty());
    let all = (0..2000).filter(|n| n % 7 != 6 && n % 5 != 2).count();
    assert_eq!(engine.recent(0, i64::MIN).len(), all);
}

pub fn windows_that_are_read_together_are_each_shards_own(engine: &Engine) {
    // The last shard has few; each has its own stretch of time.
    let shard_of = |n: u64| match n % 50 {
        49 => 2,
        other => u32::from(other % 2 == 1),
    };
    let since_ms = |shard: u32| START_MS + 100 * i64::from(shard);
    let shards = 0..3;
    for shard in shards.clone() {
        engine.claim(shard);
    }
    let accepted: Vec<_> = (0..20_000)
        .map(|n| {
            let mut write = charging(&donation(n));
            write.shard = Shard(shard_of(n));
            let (done, receiver) = answer();
            engine.store.accept(write, done);
            receiver
        })
        .collect();
    for accepted in accepted {
        row_of(accepted.recv().unwrap().unwrap());
    }
    let mut found = [const { Vec::new() }; 3];
    let mut after = [Some(Cursor::default()); 3];
    while after.iter().any(Option::is_some) {
        let asked = after.map(|after| {
            let (done, receiver) = answer();
            after.map(|after| (after, done, receiver))
        });
        let mut pages = Vec::new();
        for (shard, asked) in shards.clone().zip(asked) {
            let Some((after, done, receiver)) = asked else {
                continue;
            };
            let id = Shard(shard);
            engine.store.recent(id, since_ms(shard), after, done);
            pages.push((shard as usize, receiver));
        }
        for (shard, page) in pages {
            let (entries, next) = page.recv().unwrap().unwrap();
            found[shard].extend(entries.into_iter().map(|it| it.entry.id()));
            after[shard] = next;
        }
    }
    for shard in shards {
        let is_in =
            |n: &u64| shard_of(*n) == shard && donation(*n).recorded_at_ms >= since_ms(shard);
        let expected: Vec<_> = (0..20_000).filter(is_in).map(id).collect();
        assert_eq!(found[shard as usize], expected, "shard {shard}");
    }
}

pub fn campaigns_change_by_version(engine: &Engine) {
    assert_eq!(engine.campaign("river-trees"), None);
    for version in [3, 2, 5, 4] {
        engine.put_campaign(CampaignChange::Described(campaign("river-trees", version)));
    }
    let found = engine.campaign("river-trees").unwrap();
    assert_eq!(*found, campaign("river-trees", 5));
}

pub fn a_campaign_closes_by_a_tombstone(engine: &Engine) {
    let closed = CampaignChange::Closed(CampaignId::parse("river-trees").unwrap());
    engine.put_campaign(closed.clone());
    assert_eq!(engine.campaign("river-trees"), None);
    engine.put_campaign(CampaignChange::Described(campaign("river-trees", 1)));
    engine.put_campaign(closed);
    let found = engine.campaign("river-trees").unwrap();
    assert_eq!(found.status, Status::Closed);
    engine.put_campaign(CampaignChange::Described(campaign("river-trees", 2)));
    let found = engine.campaign("river-trees").unwrap();
    assert_eq!(found.status, Status::Open);
}

pub fn a_dropped_caller_changes_nothing(engine: &Engine) {
    engine.claim(0);
    let (done, receiver) = answer();
    drop(receiver);
    engine.store.accept(charging(&donation(1)), done);
    engine.new_row(&donation(2));
    assert!(engine.load(id(1)).is_some());
}

pub fn an_answer_that_was_lost_is_found_again(engine: &Engine) {
    engine.claim(0);
    let given = donation(1);
    let row = engine.new_row(&given);
    let write = advance_write(&given, row, 0, START_MS, PendingKind::Unknown);
    engine.advance(write.clone());
    let Advanced::Lost(recorded) = engine.advance(write.clone()) else {
        panic!("changed twice");
    };
    assert_eq!(recorded.pending, Some((write.pending, *write.progress)));
    let finish = FinishWrite {
        seen_version: 1,
        ..finish_write(&given, row, charged(NOON_S))
    };
    engine.finish(finish.clone());
    let Finished::Already(recorded) = engine.finish(finish) else {
        panic!("finished twice");
    };
    assert_eq!(recorded.finish, Some(charged(NOON_S)));
    let Accepted::Known(again) = engine.accept(charging(&given)) else {
        panic!("new twice");
    };
    assert_eq!(again, recorded);
}

pub fn a_dead_letter_is_kept_once_and_whole(engine: &Engine) {
    let letter = |offset, value: Option<&[u8]>, sha| KeptLetter {
        place: Place {
            topic: "donations.requests".into(),
            partition: 3,
            offset,
        },
        sha256: [sha; 32],
        key: Some((*b"user").into()),
        value: value.map(Into::into),
        headers: vec![
            ("almoner-attempts".into(), Some((*b"\xff1").into())),
            ("bare".into(), None),
        ],
    };
    let large = vec![0xc1; 3_000_000];
    let letters = [
        letter(7, Some(&large), 1),
        // Of another log.
        letter(7, Some(b"other"), 2),
        letter(8, None, 1),
    ];
    for kept in letters.iter().chain(&letters[..1]) {
        engine.keep_letter(kept.clone());
    }
    assert!(
        engine.letters() == letters,
        "other letters, or in another order"
    );
}
