//! Any sequence of calls has the same answers from SQLite and from a CQL server, closed and opened again in between, as from
//! the store in memory.

use std::fmt::Debug;

use almoner_actors::ports::{FirstState, MarkWrite, RowId, StoreError};
use almoner_domain::campaign::CampaignChange;
use almoner_domain::donation::PendingKind;
use almoner_domain::ids::{CampaignId, Shard};
use almoner_domain::outcome::Reason;
use proptest::prelude::*;

use crate::cassandra::{Keyspace, server};
use crate::support::*;

/// One call; donations, shards, epochs and versions are few, so that calls meet.
#[derive(Clone, Debug)]
enum Step {
    Accept {
        n: u64,
        first: u8,
        shard: u32,
        epoch: u64,
    },
    Advance {
        n: u64,
        shard: u32,
        epoch: u64,
        seen: u32,
        due: i64,
        told: Option<u32>,
        answered: Option<u64>,
    },
    Finish {
        n: u64,
        seen: u32,
        charged: bool,
        day: i64,
        answered: Option<u64>,
    },
    Acknowledged(u64),
    Claim(u32),
    Mark {
        shard: u32,
        epoch: u64,
        offset: i64,
        stream: i64,
    },
    PutCampaign(Option<u64>),
    Recent(u32, i64),
    Reopen,
}

fn step() -> impl Strategy<Value = Step> {
    let n = 0..8u64;
    let shard = 0..2u32;
    let epoch = 0..3u64;
    let answered = prop::option::weighted(0.2, 0..9u64);
    prop_oneof![
        4 => (n.clone(), 0..4u8, shard.clone(), epoch.clone())
            .prop_map(|(n, first, shard, epoch)| Step::Accept { n, first, shard, epoch }),
        4 => (n.clone(), shard.clone(), epoch.clone(), 0..3u32, 0..50i64,
              prop::option::of(0..5u32), answered.clone())
            .prop_map(|(n, shard, epoch, seen, due, told, answered)| Step::Advance {
                n, shard, epoch, seen, due, told, answered
            }),
        4 => (n.clone(), 0..3u32, any::<bool>(), -1..3i64, answered)
            .prop_map(|(n, seen, charged, day, answered)| Step::Finish { n, seen, charged, day, answered }),
        2 => n.prop_map(Step::Acknowledged),
        2 => shard.clone().prop_map(Step::Claim),
        1 => (shard.clone(), epoch, -5..20i64, 0..20i64)
            .prop_map(|(shard, epoch, offset, stream)| Step::Mark { shard, epoch, offset, stream }),
        1 => prop::option::of(0..4u64).prop_map(Step::PutCampaign),
        1 => (shard, 0..9i64).prop_map(|(shard, since)| Step::Recent(shard, since)),
        1 => Just(Step::Reopen),
    ]
}

/// An answer as it is compared: of errors only their kind.
fn told<T: Debug>(answer: Result<T, StoreError>) -> String {
    match answer {
        Err(StoreError::Impossible(_)) => "impossible".into(),
        answer => format!("{answer:?}"),
    }
}

fn take(engine: &Engine, step: &Step) -> String {
    match step.clone() {
        Step::Accept {
            n,
            first,
            shard,
            epoch,
        } => {
            let given = donation(n);
            let mut write = match first {
                0 => held(&given, START_MS),
                1 => accept_write(
                    &given,
                    FirstState::Finished(Box::new(failed(Reason::VelocityBlocked))),
                ),
                _ => charging(&given),
            };
            (write.shard, write.epoch) = (Shard(shard), epoch);
            told(engine.call(|store, done| store.accept(write, done)))
        }
        Step::Advance {
            n,
            shard,
            epoch,
            seen,
            due,
            told: sequence,
            answered,
        } => {
            let kind = PendingKind::ALL[(due % 7) as usize];
            let mut write = advance_write(&donation(n), row(engine, n), seen, due, kind);
            (write.shard, write.epoch) = (Shard(shard), epoch);
            write.told = sequence.map(|sequence| told_pending(sequence, kind));
            write.answered_by = answered.map(place);
            told(engine.call(|store, done| store.advance(write, done)))
        }
        Step::Finish {
            n,
            seen,
            charged: is_charged,
            day,
            answered,
        } => {
            let finish = if is_charged {
                charged(day * 86_400)
            } else {
                failed(Reason::CardDeclined)
            };
            let mut write = finish_write(&donation(n), row(engine, n), finish);
            (write.seen_version, write.answered_by) = (seen, answered.map(place));
            told(engine.call(|store, done| store.finish(write, done)))
        }
        Step::Acknowledged(n) => told(engine.call(|store, done| store.acknowledged(id(n), done))),
        Step::Claim(shard) => told(engine.call(|store, done| store.claim(Shard(shard), done))),
        Step::Mark {
            shard,
            epoch,
            offset,
            stream,
        } => {
            let mark = MarkWrite {
                shard: Shard(shard),
                epoch,
                next_offset: offset,
                stream_ms: stream,
            };
            told(engine.call(|store, done| store.mark(mark, done)))
        }
        Step::PutCampaign(version) => {
            let change = match version {
                Some(version) => CampaignChange::Described(campaign("c", version)),
                None => CampaignChange::Closed(CampaignId::parse("c").unwrap()),
            };
            engine.put_campaign(change);
            format!("{:?}", engine.campaign("c"))
        }
        Step::Recent(shard, since) => {
            let mut recent = engine.recent(shard, START_MS + since);
            recent.sort_by_key(|it| it.entry.id());
            format!("{recent:?}")
        }
        Step::Reopen => String::new(),
    }
}

/// The donation's row, or one that nobody has.
fn row(engine: &Engine, n: u64) -> RowId {
    engine.load(id(n)).map_or(RowId(99), |it| it.row)
}

/// Everything that can be read.
fn all(engine: &Engine) -> String {
    let donations: Vec<_> = (0..8).map(|n| engine.load(id(n))).collect();
    let shards: Vec<_> = (0..2)
        .map(|shard| (engine.unfinished(shard), engine.recent(shard, 0)))
        .map(|(mut unfinished, mut recent)| {
            // Among equals each engine has an order of its own.
            unfinished.sort_by_key(|it| (it.kind.is_some(), it.due_ms, it.id));
            recent.sort_by_key(|it| it.entry.id());
            (unfinished, recent)
        })
        .collect();
    format!("{donations:?} {shards:?} {:?}", engine.campaign_days())
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 32,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn sqlite_answers_as_the_store_in_memory(steps in prop::collection::vec(step(), 1..60)) {
        let folder = tempfile::tempdir().unwrap();
        let model = memory();
        let mut engine = sqlite_at(folder.path());
        for step in &steps {
            if matches!(step, Step::Reopen) {
                drop(engine);
                engine = sqlite_at(folder.path());
            }
            prop_assert_eq!(take(&engine, step), take(&model, step), "at {:?}", step);
        }
        prop_assert_eq!(all(&engine), all(&model));
    }
}

/// An answer without the handles of rows: each engine has its own.
fn without_rows(answer: &str) -> String {
    let mut parts = answer.split("RowId(");
    let mut kept = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        kept.push_str(part.trim_start_matches(|it: char| it.is_ascii_digit()));
    }
    kept
}

/// The step with 2 in place of the shard's epoch, 1 in place of the one before: claims are many in a long history.
fn in_epochs(step: &Step, epochs: &mut [u64; 2]) -> Step {
    let mut step = step.clone();
    match &mut step {
        Step::Claim(shard) => epochs[*shard as usize] += 1,
        Step::Reopen => epochs.iter_mut().for_each(|it| *it += 1),
        Step::Accept { shard, epoch, .. }
        | Step::Advance { shard, epoch, .. }
        | Step::Mark { shard, epoch, .. } => {
            *epoch = (epochs[*shard as usize] + *epoch).saturating_sub(2);
        }
        _ => {}
    }
    step
}

/// A keyspace for each case takes seconds: a few cases of many steps.
fn cql_cases() -> u32 {
    if server().is_some() { 6 } else { 1 }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: cql_cases(),
        max_shrink_iters: 0,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn cassandra_answers_as_the_store_in_memory(steps in prop::collection::vec(step(), 150..250)) {
        let Some(server) = server() else {
            return Ok(());
        };
        let keyspace = Keyspace::migrated(server);
        let model = memory();
        let mut engine = keyspace.engine();
        let mut epochs = [0; 2];
        for step in &steps {
            let step = &in_epochs(step, &mut epochs);
            match step {
                Step::Reopen => {
                    // A new instance owns nothing before it has claimed it.
                    engine = keyspace.engine();
                    for shard in 0..2 {
                        prop_assert_eq!(engine.claim(shard), model.claim(shard));
                    }
                }
                step => {
                    let (found, expected) = (take(&engine, step), take(&model, step));
                    prop_assert_eq!(without_rows(&found), without_rows(&expected), "at {:?}", step);
                }
            }
        }
        prop_assert_eq!(without_rows(&all(&engine)), without_rows(&all(&model)));
    }
}
