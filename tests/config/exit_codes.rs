//! What a start that fails says, and its exit code: 78 where somebody must change something, 69 where a restart may do.

use std::fs;
use std::net::TcpListener;
use std::process::Command;

/// The service is started with these variables, and ends with this code and these words on stderr, without its secret.
fn check(env: &[(&str, &str)], code: i32, words: &[&str]) {
    const SECRET: &str = "sk_live_hunter2";
    let output = Command::new(env!("CARGO_BIN_EXE_almoner"))
        .arg("run")
        .env_clear()
        .env("ALMONER__GATEWAY__API_KEY", SECRET)
        .env("ALMONER__ADMIN__LISTEN", "127.0.0.1:0")
        .env("ALMONER__KAFKA__BOOTSTRAP_SERVERS", "127.0.0.1:1")
        .envs(env.iter().copied())
        .output()
        .unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(code), "{said}");
    for word in words {
        assert!(said.contains(word), "no {word:?} in {said}");
    }
    assert!(!said.contains(SECRET), "{said}");
}

#[test]
fn a_wrong_configuration_is_78_with_a_line_for_each_error() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    fs::write(path("empty"), "\n").unwrap();
    fs::write(path("bytes"), [0xff, 0xfe]).unwrap();
    fs::create_dir(path("folder")).unwrap();
    for (file, why) in [
        ("missing", "No such file or directory"),
        ("empty", "is empty; write the secret into it"),
        ("bytes", "UTF-8"),
        ("folder", "Is a directory"),
    ] {
        let named = [("ALMONER__KAFKA__CLIENT__SASL_PASSWORD_FILE", &*path(file))];
        check(&named, 78, &["kafka.client.\"sasl.password\": ", why]);
    }
    let wrong = [
        ("ALMONER__KAFKA__GRUP_ID", "a"),
        ("ALMONER__GATEWAY__TIMEOUT_MS", "30s"),
        ("ALMONER__LOG__LEVEL", "loud"),
    ];
    let lines = [
        "the configuration has 3 errors\n",
        "ALMONER__KAFKA__GRUP_ID: sets no key; did you mean ALMONER__KAFKA__GROUP_ID?\n",
        "ALMONER__GATEWAY__TIMEOUT_MS: gateway.timeout_ms: ",
        "ALMONER__LOG__LEVEL: log.level: ",
        "hint: ",
    ];
    check(&wrong, 78, &lines);
}

#[test]
fn what_only_its_use_shows_to_be_wrong_is_78_too() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    let inside = file.join("store");
    for path in [
        file.to_str().unwrap(),
        inside.to_str().unwrap(),
        "/proc/nowhere/store",
    ] {
        let words = [
            "the data folder ",
            path,
            "check [store] path and who owns it",
        ];
        check(&[("ALMONER__STORE__PATH", path)], 78, &words);
    }
    check(
        &[("RUST_LOG", "almoner=loud")],
        78,
        &["RUST_LOG cannot be read; write something like "],
    );
    let elsewhere = "203.0.113.7:9464";
    let words = [elsewhere, "write an address of this machine"];
    check(&[("ALMONER__ADMIN__LISTEN", elsewhere)], 78, &words);
}

#[test]
fn what_a_restart_may_cure_is_69() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let words = [
        "admin.listen",
        &address,
        "is in use; stop what listens there",
    ];
    check(&[("ALMONER__ADMIN__LISTEN", &address)], 69, &words);
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("store");
    let words = [
        "no Kafka broker answered at 127.0.0.1:1 ",
        "check kafka.bootstrap_servers",
    ];
    check(
        &[("ALMONER__STORE__PATH", store.to_str().unwrap())],
        69,
        &words,
    );
}
