//! A secret comes inline, by variable or from a file, and is shown nowhere.

use almoner::config::{ConfigErrors, Loaded};

use crate::{check_refused, lines, load_text, load_with_key};

const SECRET: &str = "hunter2hunter2";

/// The gateway's key is the secret, and nothing shows it.
fn check_key(loaded: Result<Loaded, ConfigErrors>) {
    let loaded = loaded.unwrap_or_else(|errors| panic!("{errors}"));
    assert_eq!(loaded.config.gateway.api_key.expose(), SECRET);
    check_hidden(&loaded);
}

fn check_hidden(loaded: &Loaded) {
    let as_json = serde_json::to_string(&loaded.config).unwrap();
    let shown = format!(
        "{:?} {:#?} {as_json} {}",
        loaded.config,
        loaded.config,
        loaded.show()
    );
    assert!(!shown.contains(SECRET), "{shown}");
    assert!(shown.contains("[redacted]"), "{shown}");
}

/// A file with this content, as long as the folder lives.
fn file(content: &str) -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("secret");
    std::fs::write(&path, content).unwrap();
    let path = path.to_str().unwrap().to_owned();
    (folder, path)
}

#[test]
fn the_key_comes_inline_by_variable_or_from_a_file() {
    let (_folder, path) = file(&format!("{SECRET}\n"));
    check_key(load_text(
        &format!("[gateway]\napi_key = \"{SECRET}\""),
        &[],
    ));
    check_key(load_text("", &[("ALMONER__GATEWAY__API_KEY", SECRET)]));
    check_key(load_text(
        &format!("[gateway]\napi_key_file = \"{path}\""),
        &[],
    ));
    check_key(load_text("", &[("ALMONER__GATEWAY__API_KEY_FILE", &path)]));
}

#[test]
fn the_environment_wins_in_either_form() {
    let (_folder, path) = file(SECRET);
    check_key(load_text(
        "[gateway]\napi_key = \"other\"",
        &[("ALMONER__GATEWAY__API_KEY_FILE", &path)],
    ));
    check_key(load_text(
        "[gateway]\napi_key_file = \"/none\"",
        &[("ALMONER__GATEWAY__API_KEY", SECRET)],
    ));
}

#[test]
fn passwords_for_the_broker_too() {
    let (_folder, path) = file(&format!("{SECRET}\r\n"));
    for (text, env) in [
        (
            format!("[kafka.client]\n\"sasl.password\" = \"{SECRET}\""),
            vec![],
        ),
        (
            format!("[kafka.client]\nsasl.password_file = \"{path}\""),
            vec![],
        ),
        (
            String::new(),
            vec![("ALMONER__KAFKA__CLIENT__SASL_PASSWORD", SECRET)],
        ),
        (
            String::new(),
            vec![("ALMONER__KAFKA__CLIENT__SASL_PASSWORD_FILE", path.as_str())],
        ),
    ] {
        let loaded = load_with_key(&text, &env).unwrap();
        assert!(
            loaded
                .config
                .kafka
                .client
                .expose()
                .eq([("sasl.password", SECRET)]),
            "{text} {env:?}"
        );
        check_hidden(&loaded);
    }
}

#[test]
fn a_file_option_of_librdkafka_is_not_taken_for_a_secrets_file() {
    let name = "ALMONER__KAFKA__CLIENT__SASL_OAUTHBEARER_ASSERTION_PRIVATE_KEY_FILE";
    let errors = load_with_key("", &[(name, "/none")]).err();
    let lines = errors.iter().flat_map(lines).collect::<String>();
    assert!(!lines.contains("cannot read"), "{lines}");
}

#[test]
fn a_password_of_digits_is_text() {
    let env = [("ALMONER__KAFKA__CLIENT__SASL_PASSWORD", "0123")];
    let loaded = load_with_key("", &env).unwrap();
    assert!(
        loaded
            .config
            .kafka
            .client
            .expose()
            .eq([("sasl.password", "0123")])
    );
}

#[test]
fn a_file_that_gives_no_secret_is_named() {
    let (_folder, empty) = file("\n");
    check_refused(
        load_text("[gateway]\napi_key_file = \"/none\"", &[]),
        &[
            "almoner.toml:2: gateway.api_key: cannot read /none: No such file or directory (os error 2)",
        ],
    );
    check_refused(
        load_text("", &[("ALMONER__GATEWAY__API_KEY_FILE", &empty)]),
        &[&format!(
            "ALMONER__GATEWAY__API_KEY_FILE: gateway.api_key: {empty} is empty; write the secret into it"
        )],
    );
    check_refused(
        load_text("[gateway]\napi_key = \"a\"\napi_key_file = \"/b\"", &[]),
        &[
            "almoner.toml:3: gateway.api_key: cannot read /b: No such file or directory (os error 2)",
            "almoner.toml:3: gateway.api_key: is given twice; keep either gateway.api_key or gateway.api_key_file",
        ],
    );
}

#[test]
fn no_error_quotes_a_secret() {
    for text in [
        "[gateway]\napi_key = \"hunter2 hunter2hunter2\"",
        "[gateway]\napi_key = hunter2hunter2",
        "[gateway]\napi_key = [\"hunter2hunter2\"]",
        "[gateway]\napi_key = \"hunter2hunter2",
        "[gateway]\napi_key \"hunter2hunter2\"",
        "[gateway]\nkey = \"hunter2hunter2\"",
        "[gateway]\napi_key = \"a\"\nbase_url = \"https://me:hunter2hunter2@example.com\"",
        "[kafka.client]\n\"sasl.password\" = [\"hunter2hunter2\"]",
        "[kafka.client]\n\"no.such.password\" = \"hunter2hunter2\"",
        "[kafka.client]\n\"ssl.key.pem\" = \"hunter2hunter2\"",
    ] {
        let errors = load_text(text, &[])
            .err()
            .unwrap_or_else(|| panic!("taken: {text}"));
        let said = format!("{errors} {errors:?}");
        assert!(!said.contains(SECRET), "{text}: {said}");
    }
}

#[test]
fn a_secret_of_the_wrong_kind_is_not_quoted_either() {
    check_refused(
        load_text("[gateway]\napi_key = 12345678", &[]),
        &["almoner.toml:2: gateway.api_key: the value is a whole number; write text in quotes"],
    );
}

#[test]
fn what_show_prints_in_place_of_a_secret_is_no_secret() {
    check_refused(
        load_text(
            "[gateway]\napi_key = \"[redacted]\"\n[kafka]\nclient.\"sasl.password\" = \"[redacted]\"",
            &[],
        ),
        &[
            "almoner.toml:2: gateway.api_key: is what stands here in place of a secret; write the secret itself",
            "almoner.toml:4: kafka.client.\"sasl.password\": is what stands here in place of a secret; write the secret \
             itself",
        ],
    );
}
