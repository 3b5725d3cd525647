//! Values that the documents name and this version does not know yet: the error says so, instead of "not a choice".

/// What to say of such a value.
pub(super) fn message(key: &str, value: &toml::Value) -> Option<&'static str> {
    match (key, value.as_str()?) {
        ("donations.request_types", "refund") => Some(
            "\"refund\" is not in this version; leave it out, and refund in the gateway's dashboard",
        ),
        _ => None,
    }
}
