//! A copy of a store, also while a service writes to it.

use std::fs::File;
use std::path::{Path, PathBuf};

use super::{folder, schema};

/// Why there is no copy.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// There is one already, which is not overwritten.
    #[error("{} exists already: name another folder", .0.display())]
    Exists(PathBuf),
    /// The store cannot be read whole; so the service cannot do so either.
    #[error("the store cannot be copied: {0}")]
    Sqlite(#[from] rusqlite::Error),
    /// The copy cannot be written.
    #[error("{} cannot be written: {error}", file.display())]
    Write {
        /// The file or the folder.
        file: PathBuf,
        /// What the system said.
        error: std::io::Error,
    },
}

/// A copy that is on the disk.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Backup {
    /// The copied database: its folder is a store.
    pub file: PathBuf,
    /// How many donations it has.
    pub donations: u64,
    /// How long it is.
    pub bytes: u64,
}

/// Copies the store in a folder, as it is at one moment, into another folder, which is made where there is none. Everything
/// that was durable when this was called is in it. Every page is read on the way, so that what is damaged is found
/// out now; the projection is left out, since it is made again.
///
/// It blocks for as long as reading and writing the database takes. A service that writes meanwhile is not held up, but
/// its write-ahead log grows until the copy is done.
///
/// # Errors
/// See [`BackupError`]; what was begun is taken away again.
pub fn back_up(store: &Path, to: &Path) -> Result<Backup, BackupError> {
    let (file, part) = (folder::database(to), to.join("almoner.sqlite.part"));
    if file.exists() {
        return Err(BackupError::Exists(file));
    }
    std::fs::create_dir_all(to).map_err(unwritable(to))?;
    let copied = copy(store, &part).and_then(|(donations, bytes)| {
        std::fs::rename(&part, &file).map_err(unwritable(&file))?;
        sync(to)?;
        Ok(Backup {
            file,
            donations,
            bytes,
        })
    });
    if copied.is_err() {
        // There may be nothing to take away.
        let _ = std::fs::remove_file(&part);
    }
    copied
}

/// How many donations and bytes there are now in a file that may have been left by a copy that was broken off.
fn copy(store: &Path, part: &Path) -> Result<(u64, u64), BackupError> {
    match std::fs::remove_file(part) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(unwritable(part)(error));
        }
        _ => {}
    }
    let from = schema::open_reader(&folder::database(store))?;
    // It means the main database; the file that is written is another.
    from.pragma_update(None, "query_only", false)?;
    from.execute("VACUUM INTO ?1", [part.to_string_lossy()])?;
    // SQLite does not do this for it.
    sync(part)?;
    let bytes = std::fs::metadata(part).map_err(unwritable(part))?.len();
    let copy = schema::open_reader(part)?;
    let donations: i64 = copy.query_row("SELECT count(*) FROM donation", [], |row| row.get(0))?;
    Ok((donations.cast_unsigned(), bytes))
}

fn sync(path: &Path) -> Result<(), BackupError> {
    File::open(path)
        .and_then(|it| it.sync_all())
        .map_err(unwritable(path))
}

fn unwritable(file: &Path) -> impl FnOnce(std::io::Error) -> BackupError {
    let file = file.to_owned();
    |error| BackupError::Write { file, error }
}
