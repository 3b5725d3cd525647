//! `almoner config …` as a person or a script runs it: what it prints where, and its exit code.

use std::process::{Command, Output};

/// Runs the binary with these arguments, and with these variables alone.
fn run(args: &[&str], env: &[(&str, &str)]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_almoner"));
    command.args(args).env_clear().envs(env.iter().copied());
    command.output().unwrap()
}

/// The exit code, what stdout holds and what stderr holds.
fn check(args: &[&str], env: &[(&str, &str)], expected: (i32, &str, &str)) {
    let output = run(args, env);
    let (out, err) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    assert_eq!(
        output.status.code(),
        Some(expected.0),
        "{args:?}: {out}{err}"
    );
    assert!(
        out.contains(expected.1),
        "{args:?}: no {:?} in {out}",
        expected.1
    );
    assert!(
        err.contains(expected.2),
        "{args:?}: no {:?} in {err}",
        expected.2
    );
}

const KEY: (&str, &str) = ("ALMONER__GATEWAY__API_KEY", "sk_test");

#[test]
fn check_says_ok_or_everything_that_is_wrong() {
    check(&["config", "check"], &[KEY], (0, "ok\n", ""));
    check(
        &["config", "check"],
        &[KEY, ("ALMONER_CONFIG", "")],
        (0, "ok\n", ""),
    );
    let missing = "error: the configuration has an error\n  gateway.api_key: is missing";
    check(&["config", "check"], &[], (78, "", missing));
    check(
        &["config", "check", "--config", "no/such.toml"],
        &[KEY],
        (78, "", "no/such.toml: "),
    );
    check(
        &["config", "check"],
        &[KEY, ("ALMONER_CONFIG", "no/such.toml")],
        (78, "", "no/such.toml: "),
    );
}

#[test]
fn show_shows_what_it_can_and_still_fails() {
    check(
        &["config", "show"],
        &[KEY],
        (0, "api_key = \"[redacted]\"  # env", ""),
    );
    check(
        &["config", "show"],
        &[],
        (
            78,
            "group_id = \"almoner\"  # default",
            "gateway.api_key: is missing",
        ),
    );
}

#[test]
fn docs_prints_the_page() {
    check(&["config", "docs"], &[], (0, &almoner::config::page(), ""));
}

#[test]
fn wrong_usage_is_told_apart_from_a_wrong_configuration() {
    check(&["confg"], &[], (2, "", "config"));
    check(&["--version"], &[], (0, "almoner 0.1.0", ""));
}
