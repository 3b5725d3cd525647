//! All that reads bytes from outside, by name.

use super::explore::Target;

/// Each name is a target's test, and its folder in the corpus.
macro_rules! targets {
    ($($name:ident: $target:path,)*) => {
        /// What makes each target.
        pub const ALL: &[(&str, fn() -> Target)] = &[$((stringify!($name), $target)),*];

        #[cfg(test)]
        mod each {
            $(#[test]
            fn $name() {
                super::named(stringify!($name)).explore(stringify!($name));
            })*
        }
    };
}

targets! {
    requests: super::requests::requests,
    records: super::intake::records,
    campaigns: super::campaigns::campaigns,
    outcomes: super::outcomes::outcomes,
    cards: super::cards::texts,
    words: super::words::words,
    answers: super::answers::answers_to_calls,
    pages: super::answers::pages_of_the_list,
    config: super::config::configurations,
    progress: super::stored::blobs_of_progress,
    told: super::stored::blobs_of_what_was_told,
    information: super::stored::blobs_of_information,
    rows: super::rows::damaged_rows,
    http: super::http::paths,
    simulator: super::simulator::calls,
    journal: super::journal::journals,
}

/// The target of this name.
pub fn named(name: &str) -> Target {
    let found = ALL.iter().find(|(known, _)| *known == name);
    let names: Vec<_> = ALL.iter().map(|(known, _)| *known).collect();
    let (_, make) = found.unwrap_or_else(|| panic!("no target {name:?} but {names:?}"));
    make()
}
