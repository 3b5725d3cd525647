//! No key takes what is not of its kind, whichever key it is: each is refused with one line that names it.

use toml::{Table, Value};

use crate::{lines, load_text, load_with_key};

/// Every key of every section, with its default. Options of librdkafka have a section of their own.
fn keys() -> Vec<(String, String, Value)> {
    let shown = load_with_key("", &[]).unwrap().show();
    let sections: Table = shown.parse().unwrap();
    let of_section = |(section, keys): (String, Value)| {
        let Value::Table(keys) = keys else {
            panic!("{section} is no section");
        };
        let keys = keys
            .into_iter()
            .map(move |(key, value)| (section.clone(), key, value));
        keys.collect::<Vec<_>>()
    };
    let keys = sections.into_iter().flat_map(of_section);
    keys.filter(|(_, _, value)| !value.is_table()).collect()
}

/// This key with this value is refused with one line that names both, if the value may be shown.
fn check_refused(section: &str, key: &str, value: &str) {
    let text = format!("[{section}]\n{key} = {value}\n");
    let env: &[(&str, &str)] = match key {
        "api_key" => &[],
        _ => &[("ALMONER__GATEWAY__API_KEY", "sk_test")],
    };
    let errors = load_text(&text, env).err();
    let lines = errors.iter().flat_map(lines).collect::<Vec<_>>();
    assert_eq!(lines.len(), 1, "{text}{lines:#?}");
    let named = format!("almoner.toml:2: {section}.{key}: ");
    assert!(lines[0].starts_with(&named), "{text}{lines:#?}");
    assert!(lines[0].contains("write "), "{text}{lines:#?}");
}

#[test]
fn no_key_takes_what_is_of_another_kind() {
    let keys = keys();
    assert!(keys.len() > 30, "{keys:#?}");
    for (section, key, default) in keys {
        for value in ["[[1]]", "{ a = 1 }", "1.5", "1979-05-27"] {
            check_refused(&section, &key, value);
        }
        if !default.is_integer() {
            check_refused(&section, &key, "12345");
        }
        if !default.is_bool() {
            check_refused(&section, &key, "true");
        }
        if !default.is_str() {
            check_refused(&section, &key, "\"text\"");
        }
    }
}

#[test]
fn no_number_is_taken_beyond_its_range() {
    let numbers = keys()
        .into_iter()
        .filter(|(_, _, value)| value.is_integer());
    for (section, key, _) in numbers {
        for value in ["-1", "9223372036854775807", "99999999999999999999"] {
            check_refused(&section, &key, value);
        }
    }
}
