//! The journal: nothing that was answered is forgotten, whatever stops the simulator.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;

use almoner::simulator::{
    Event, Journal, JournalError, OpenError, Options, Simulator, intents_of_journal,
};
use futures::future::join_all;

use crate::support::{Gateway, charge, options, start};

const CREATE: &str = "/v1/payment_intents";

fn at(folder: &Path) -> Options {
    Options {
        data: Some(folder.to_owned()),
        ..options()
    }
}

/// Some of everything.
async fn live(gateway: &Gateway) {
    let id = gateway.charge("d1", "pm_card_visa").await.id();
    gateway
        .post(
            "/v1/refunds",
            "r1",
            &format!("payment_intent={id}&amount=300"),
        )
        .await;
    let declined = gateway
        .charge("d2", "pm_soft_1_x")
        .await
        .at("/error/payment_intent/id");
    let confirm = format!("{CREATE}/{declined}/confirm");
    gateway
        .post(&confirm, "c1", "payment_method=pm_soft_1_x")
        .await;
    let waiting = gateway.charge("d3", "pm_action_x").await.id();
    gateway
        .post(
            &format!("{CREATE}/{waiting}/cancel"),
            "x1",
            "cancellation_reason=abandoned",
        )
        .await;
    gateway.charge("d4", "pm_processing_60000_x").await;
    gateway.charge("d5", "pm_missing").await;
}

#[tokio::test]
async fn after_an_abrupt_stop_everything_is_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let gateway = start(at(folder.path()));
    live(&gateway).await;
    let (before, answer) = (
        gateway.running.intents(),
        gateway.charge("d1", "pm_card_visa").await,
    );
    drop(gateway);
    assert_eq!(intents_of_journal(folder.path()).unwrap(), before);
    let gateway = start(Options {
        seed: 99,
        ..at(folder.path())
    });
    assert_eq!(gateway.running.intents(), before);
    let again = gateway.charge("d1", "pm_card_visa").await;
    assert!(again.is_replay());
    assert_eq!(again.text, answer.text);
    assert_eq!(gateway.charge("d5", "pm_missing").await.status, 400);
    let next = gateway.charge("d6", "pm_card_visa").await.id();
    assert!(before.iter().all(|it| it.id != next));
    gateway.clock.advance(std::time::Duration::from_secs(60));
    assert_eq!(gateway.charges("d4"), 1, "what was processing goes on");
    let refund = gateway
        .post(
            "/v1/refunds",
            "r2",
            &format!("payment_intent={}", before[0].id),
        )
        .await;
    assert_eq!(refund.at("/amount"), "700");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_was_answered_is_in_the_journal_whenever_it_stops() {
    let folder = tempfile::tempdir().unwrap();
    let gateway = start(at(folder.path()));
    let donations: Vec<_> = (0..200).map(|n| format!("d{n}")).collect();
    let answered = join_all(
        donations
            .iter()
            .map(|it| gateway.charge(it, "pm_card_visa")),
    )
    .await;
    // Nothing is flushed by the stop itself.
    drop(gateway);
    let mut charges = BTreeMap::new();
    for record in Journal::read(folder.path()).unwrap() {
        for event in record.unwrap().events {
            if let Event::Charged { intent, amount, .. } = event {
                *charges.entry(intent.to_string()).or_insert(0) += amount;
            }
        }
    }
    assert_eq!(charges.len(), 200);
    assert!(
        answered
            .iter()
            .all(|reply| charges.get(&reply.id()) == Some(&1000))
    );
}

fn append(folder: &Path, bytes: &[u8]) {
    let mut options = std::fs::OpenOptions::new();
    let mut file = options
        .append(true)
        .open(folder.join("journal.jsonl"))
        .unwrap();
    file.write_all(bytes).unwrap();
}

#[tokio::test]
async fn a_torn_last_record_is_cut_off() {
    let folder = tempfile::tempdir().unwrap();
    let gateway = start(at(folder.path()));
    live(&gateway).await;
    let before = gateway.running.intents();
    gateway.running.stop().await;
    // Longer than the next record, which must not leave an end of it behind.
    let torn = format!(
        r#"{{"at_ms":1,"events":[{{"canceled":{{"intent":"{}"#,
        "x".repeat(5_000)
    );
    append(folder.path(), torn.as_bytes());
    assert_eq!(intents_of_journal(folder.path()).unwrap(), before);
    let gateway = start(at(folder.path()));
    assert_eq!(gateway.running.intents(), before);
    gateway.charge("d9", "pm_card_visa").await;
    gateway.running.stop().await;
    assert_eq!(
        intents_of_journal(folder.path()).unwrap().len(),
        before.len() + 1
    );
    let journal = std::fs::read(folder.path().join("journal.jsonl")).unwrap();
    assert_eq!(
        journal.last(),
        Some(&b'\n'),
        "nothing is left of the torn record"
    );
}

fn refusal(options: Options) -> OpenError {
    match Simulator::open(options) {
        Ok(_) => panic!("it opened"),
        Err(error) => error,
    }
}

#[tokio::test]
async fn a_record_that_cannot_be_read_or_another_simulator_refuses_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let gateway = start(at(folder.path()));
    assert!(matches!(
        refusal(at(folder.path())),
        OpenError::Journal(JournalError::InUse { .. })
    ));
    gateway.running.stop().await;
    append(folder.path(), b"{\"at_ms\":1}\n");
    let error = refusal(at(folder.path()));
    assert!(
        matches!(
            error,
            OpenError::Journal(JournalError::Corrupt { line: 2, .. })
        ),
        "{error}"
    );
    assert!(error.to_string().contains("line 2"), "{error}");
}

#[tokio::test]
async fn keys_live_and_die_over_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let gateway = start(at(folder.path()));
    let first = gateway.charge("d1", "pm_card_visa").await.id();
    let clock = gateway.clock.clone();
    gateway.running.stop().await;
    clock.advance(crate::support::DAY);
    let gateway = start(Options {
        clock,
        ..at(folder.path())
    });
    let anew = gateway
        .post(CREATE, "d1:charge:1", &charge("d1", "pm_card_visa"))
        .await;
    assert_ne!(anew.id(), first);
}
