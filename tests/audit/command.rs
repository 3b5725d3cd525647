//! `almoner audit` as a person or a script runs it.

use std::process::{Command, Output};

use serde_json::Value;

use crate::server::Server;
use crate::support::{World, donation, text};

/// Runs the audit of this folder against this gateway.
fn run(folder: &str, base_url: &str, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_almoner"))
        .arg("audit")
        .args(args)
        .env_clear()
        .env("ALMONER__STORE__PATH", folder)
        .env("ALMONER__GATEWAY__BASE_URL", base_url)
        .env("ALMONER__GATEWAY__API_KEY", "sk_test_almoner")
        .output()
        .unwrap()
}

/// The exit code, and parts of stdout and stderr.
fn check(output: &Output, code: i32, out: &[&str], err: &[&str]) {
    let stdout = String::from_utf8_lossy(&output.stdout);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{stdout}{stderr}");
    for part in out {
        assert!(stdout.contains(part), "no {part:?} in {stdout}");
    }
    for part in err {
        assert!(stderr.contains(part), "no {part:?} in {stderr}");
    }
}

#[test]
fn it_says_equal_or_what_is_wrong() {
    let world = World::new();
    world.give(&donation(1));
    let folder = text(world.folder.path());
    let audit = |args: &[&str]| run(folder, &world.url(), args);
    check(&audit(&[]), 0, &["12.50 (1)", "equal: "], &[]);

    let second = world.charge_again(&donation(1));
    let id = donation(1).request.id.to_string();
    let heading = format!("charged_twice  donation {id}  intent {}", second.id);
    check(
        &audit(&[]),
        1,
        &[&heading, "→ refund this intent", "2 findings"],
        &["error: the books and the gateway differ"],
    );

    let output = audit(&["--json"]);
    check(&output, 1, &[], &[]);
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["ok"], false);
    assert_eq!(report["checked"]["donations"], 1);
    assert_eq!(report["checked"]["intents"], 2);
    let totals = &report["totals"]["EUR"];
    assert_eq!(totals["gateway_minor"], 2_500);
    assert_eq!(totals["ledger_minor"], 1_250);
    assert_eq!(totals["campaign_days_minor"], 1_250);
    assert_eq!(report["open"]["count"], 0);
    assert_eq!(report["open"]["unknown"]["count"], 0);
    assert_eq!(report["findings_left_out"], 0);
    let finding = &report["findings"][0];
    assert_eq!(finding["kind"], "charged_twice");
    assert_eq!(finding["donation_id"], Value::from(id));
    assert_eq!(finding["intent_id"], Value::from(&*second.id));
    assert!(finding["detail"].as_str().unwrap().contains("12.50 EUR"));
    assert!(finding["todo"].is_string());

    let later = audit(&["--since", "2026-11-22"]);
    check(&later, 0, &["accepted since 2026-11-22T00:00:00Z"], &[]);
}

#[test]
fn what_keeps_it_from_running_is_said() {
    let world = World::new();
    let folder = text(world.folder.path());
    let nowhere = world.folder.path().join("nowhere");
    let no_store = run(text(&nowhere), &world.url(), &[]);
    check(
        &no_store,
        2,
        &[],
        &[
            "the books cannot be read",
            "hint: is [store] path right?",
            "nowhere",
        ],
    );
    assert!(!nowhere.exists());
    check(
        &run(folder, "http://127.0.0.1:1", &[]),
        2,
        &[],
        &[
            "the gateway cannot be reached",
            "hint: is [gateway] base_url right",
        ],
    );
    let strict = Server::answering(|_| {
        "HTTP/1.1 401 Unauthorized\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}"
            .into()
    });
    check(
        &run(folder, &strict.url(), &[]),
        2,
        &[],
        &["refuses the API key", "hint: is [gateway] api_key"],
    );
    check(
        &run(folder, &world.url(), &["--since", "soon"]),
        2,
        &[],
        &["give a date"],
    );
    check(
        &run(folder, "nonsense", &[]),
        78,
        &[],
        &["gateway.base_url"],
    );
}
