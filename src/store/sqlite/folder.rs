//! The data folder: who holds it, and where its files are.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};

use super::OpenError;

/// A data folder that this process alone writes to, for as long as this lives.
#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
    lock: File,
}

impl Folder {
    /// Makes the folder where there is none, and locks it.
    pub(super) fn lock(path: &Path) -> Result<Self, OpenError> {
        let failed = |error| OpenError::Folder {
            folder: path.into(),
            error,
        };
        if !path.exists() {
            std::fs::create_dir_all(path).map_err(failed)?;
            // The folder's own name must survive a power cut as well.
            if let Some(parent) = path.parent().filter(|parent| parent.is_dir()) {
                File::open(parent)
                    .and_then(|parent| parent.sync_all())
                    .map_err(failed)?;
            }
        }
        let mut lock = OpenOptions::new()
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .open(path.join("almoner.lock"))
            .map_err(failed)?;
        if flock(&lock, FlockOperation::NonBlockingLockExclusive).is_err() {
            let mut text = String::new();
            let pid = lock.read_to_string(&mut text).ok();
            return Err(OpenError::Locked {
                folder: path.into(),
                pid: pid.and_then(|_| text.trim().parse().ok()),
            });
        }
        lock.set_len(0)
            .and_then(|()| writeln!(lock, "{}", std::process::id()))
            .map_err(failed)?;
        Ok(Self {
            path: path.into(),
            lock,
        })
    }

    /// The folder.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Folder {
    /// Closing alone would not do it at once: a process that is just being started from this one holds a copy of the
    /// descriptor until it runs its own program.
    fn drop(&mut self) {
        if let Err(error) = flock(&self.lock, FlockOperation::Unlock) {
            tracing::warn!(%error, "the data folder is unlocked only when the process ends");
        }
    }
}

/// A file, whatever its name is by now.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct FileId {
    device: u64,
    inode: u64,
}

impl FileId {
    /// Of the file that has this name.
    pub(super) fn of(path: &Path) -> std::io::Result<Self> {
        let file = std::fs::metadata(path)?;
        Ok(Self {
            device: file.dev(),
            inode: file.ino(),
        })
    }
}

/// The truth.
pub(super) fn database(folder: &Path) -> PathBuf {
    folder.join("almoner.sqlite")
}

/// The projection, which can be built again.
pub(super) fn projection(folder: &Path) -> PathBuf {
    folder.join("history.sqlite")
}
