//! The data folder: another process has it, or it is an older one.

use std::fs;
use std::path::Path;

use crate::trial::Trial;

#[test]
fn a_second_process_on_the_same_folder_is_refused_and_named_who_has_it() {
    let mut trial = Trial::new(&["--latency-ms", "100"]);
    let instance = trial.start();
    trial.crowd.give(40);
    let mut second = trial.spawn();
    let status = second.wait_exit();
    let said = second.said();
    assert_eq!(status.code(), Some(69), "{said}");
    let named = format!(
        "is in use by process {}; stop that first",
        instance.process.pid()
    );
    assert!(said.contains(&named), "{said}");
    trial.settle(instance);
}

#[test]
fn an_older_copy_of_the_folder_is_refused_and_with_the_right_one_it_goes_on() {
    let mut trial = Trial::new(&[]);
    let instance = trial.start();
    trial.crowd.give(40);
    trial.settle(instance);
    let (store, elsewhere) = (trial.world.store(), tempfile::tempdir().unwrap());
    let (older, newer) = (
        elsewhere.path().join("older"),
        elsewhere.path().join("newer"),
    );
    copy(&store, &older);
    let instance = trial.start();
    trial.crowd.give(40);
    trial.settle(instance);
    copy(&store, &newer);

    replace(&store, &older);
    trial.crowd.give(40);
    let charged = trial.world.gateway.journal_bytes();
    let mut refused = trial.spawn();
    let status = refused.wait_exit();
    let said = refused.said();
    assert_eq!(status.code(), Some(2), "{said}");
    assert!(said.contains("the store is older than the log"), "{said}");
    assert!(said.contains("start with --after-restore"), "{said}");
    assert_eq!(trial.world.gateway.journal_bytes(), charged);

    replace(&store, &newer);
    let instance = trial.start();
    trial.settle(instance);
}

fn replace(folder: &Path, by: &Path) {
    fs::remove_dir_all(folder).unwrap();
    copy(by, folder);
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}
