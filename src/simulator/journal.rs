//! The journal: every event, one JSON line a request, in the kernel's hands before the answer goes out.
//!
//! So a simulator that is killed has forgotten nothing that anybody was told. There is no fsync: a crash of the
//! machine may lose the end. What one request did is one line, so it is there wholly or not at all.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, BufRead, BufReader, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};

use super::event::Event;

const FILE: &str = "journal.jsonl";
const VERSION: u32 = 1;

/// Why a journal cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The file or its folder.
    #[error("the journal {path} cannot be used: {source}; check the folder and its permissions")]
    Io {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Another simulator writes it.
    #[error(
        "the journal {path} is in use by another simulator; stop that one or choose another folder"
    )]
    InUse {
        /// Which file.
        path: PathBuf,
    },
    /// A line that is whole cannot be understood.
    #[error(
        "line {line} of the journal {path} cannot be read: {source}; it was changed, or written by another version"
    )]
    Corrupt {
        /// Which file.
        path: PathBuf,
        /// Which line, from 1.
        line: u64,
        /// Why.
        source: serde_json::Error,
    },
}

/// What one request did.
#[derive(Clone, Debug, Deserialize)]
pub struct Record {
    /// When, in milliseconds since 1970.
    pub at_ms: i64,
    /// What happened, in order.
    pub events: Vec<Event>,
}

#[derive(Serialize)]
struct RecordRef<'a> {
    at_ms: i64,
    events: &'a [Event],
}

/// The first line.
#[derive(Clone, Copy, Serialize, Deserialize)]
struct Header {
    almoner_gateway_journal: u32,
    tag: u32,
}

/// The writer.
pub struct Journal {
    /// None: memory only. None inside: closed.
    file: Option<Mutex<Option<Output>>>,
    waiting: Mutex<Waiting>,
    written: AtomicU64,
    appended: AtomicU64,
    failed: AtomicBool,
}

struct Output {
    file: File,
    /// The buffer that was written last, to be filled again.
    spare: Vec<u8>,
}

#[derive(Default)]
struct Waiting {
    lines: Vec<u8>,
    /// How many records were ever appended.
    count: u64,
}

/// The journal could not be written: nobody may be told what is not in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NotWritten;

impl Journal {
    /// A journal that keeps nothing.
    pub(crate) fn in_memory() -> Self {
        Self::writing(None)
    }

    /// Opens or starts the journal in this folder, hands every record to `replay`, and cuts a torn last one off.
    /// The answer is the tag of its ids: the one it was started with, `new_tag` for a new one.
    pub(crate) fn open(
        folder: &Path,
        new_tag: u32,
        mut replay: impl FnMut(Record),
    ) -> Result<(Self, u32), JournalError> {
        let path = folder.join(FILE);
        let failed = |source| JournalError::Io {
            path: path.clone(),
            source,
        };
        std::fs::create_dir_all(folder).map_err(failed)?;
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        let mut file = options.open(&path).map_err(failed)?;
        file.try_lock().map_err(|error| match error {
            TryLockError::WouldBlock => JournalError::InUse { path: path.clone() },
            TryLockError::Error(source) => failed(source),
        })?;
        let mut records = Records::of(path.clone(), file.try_clone().map_err(failed)?)?;
        for record in records.by_ref() {
            replay(record?);
        }
        file.set_len(records.sound_bytes).map_err(failed)?;
        file.seek(SeekFrom::Start(records.sound_bytes))
            .map_err(failed)?;
        let tag = match records.header {
            Some(header) => header.tag,
            None => {
                let header = Header {
                    almoner_gateway_journal: VERSION,
                    tag: new_tag,
                };
                let line = serde_json::to_string(&header)
                    .map_err(io::Error::from)
                    .map_err(failed)?;
                file.write_all(format!("{line}\n").as_bytes())
                    .map_err(failed)?;
                new_tag
            }
        };
        Ok((Self::writing(Some(file)), tag))
    }

    /// Every record of the journal in this folder, up to a torn last one. It may be read while it is written.
    ///
    /// # Errors
    /// The file cannot be read; the records yield an error where a line cannot be understood.
    pub fn read(folder: &Path) -> Result<Records, JournalError> {
        let path = folder.join(FILE);
        match File::open(&path) {
            Ok(file) => Records::of(path, file),
            Err(source) => Err(JournalError::Io { path, source }),
        }
    }

    fn writing(file: Option<File>) -> Self {
        Self {
            file: file.map(|file| {
                let spare = Vec::new();
                Mutex::new(Some(Output { file, spare }))
            }),
            waiting: Mutex::default(),
            written: AtomicU64::new(0),
            appended: AtomicU64::new(0),
            failed: AtomicBool::new(false),
        }
    }

    /// Adds a record, to be written by the next `durable` or `flush`.
    pub(crate) fn append(&self, at_ms: i64, events: &[Event]) {
        if self.file.is_none() || events.is_empty() {
            return;
        }
        let mut line = Vec::with_capacity(1024);
        let record = RecordRef { at_ms, events };
        if serde_json::to_writer(&mut line, &record).is_err() {
            self.failed.store(true, Ordering::SeqCst);
            return;
        }
        line.push(b'\n');
        let mut waiting = locked(&self.waiting);
        waiting.lines.extend_from_slice(&line);
        waiting.count += 1;
        self.appended.store(waiting.count, Ordering::SeqCst);
    }

    /// Waits until all that was appended so far is written. Others get a turn first, so that one write serves many.
    pub(crate) async fn durable(&self) -> Result<(), NotWritten> {
        if self.file.is_none() {
            return Ok(());
        }
        let upto = self.appended.load(Ordering::SeqCst);
        if self.written.load(Ordering::SeqCst) < upto {
            tokio::task::yield_now().await;
            self.flush_upto(upto);
        }
        if self.failed.load(Ordering::SeqCst) {
            Err(NotWritten)
        } else {
            Ok(())
        }
    }

    /// Writes all that was appended.
    pub(crate) fn flush(&self) {
        self.flush_upto(self.appended.load(Ordering::SeqCst));
    }

    /// Lets go of the file, so that another simulator can open it. What was not written is lost, as in a crash, and
    /// nobody is told of it.
    pub(crate) fn close(&self) {
        if let Some(file) = &self.file {
            *locked(file) = None;
        }
    }

    fn flush_upto(&self, upto: u64) {
        let Some(file) = &self.file else { return };
        let mut file = locked(file);
        if self.written.load(Ordering::SeqCst) >= upto {
            return;
        }
        let Some(output) = file.as_mut() else {
            self.failed.store(true, Ordering::SeqCst);
            return;
        };
        output.spare.clear();
        let count = {
            let mut waiting = locked(&self.waiting);
            std::mem::swap(&mut waiting.lines, &mut output.spare);
            waiting.count
        };
        match output.file.write_all(&output.spare) {
            Ok(()) => self.written.store(count, Ordering::SeqCst),
            Err(error) => {
                self.failed.store(true, Ordering::SeqCst);
                tracing::error!(%error, "the gateway simulator's journal cannot be written; it answers nothing any more");
            }
        }
    }
}

/// The records of a journal, in order.
pub struct Records {
    path: PathBuf,
    lines: BufReader<File>,
    line: Vec<u8>,
    line_number: u64,
    header: Option<Header>,
    sound_bytes: u64,
}

impl Records {
    fn of(path: PathBuf, mut file: File) -> Result<Self, JournalError> {
        if let Err(source) = file.seek(SeekFrom::Start(0)) {
            return Err(JournalError::Io { path, source });
        }
        let mut records = Self {
            path,
            lines: BufReader::with_capacity(1 << 20, file),
            line: Vec::new(),
            line_number: 0,
            header: None,
            sound_bytes: 0,
        };
        if records.advance()? {
            let header: Header = records.parsed()?;
            if header.almoner_gateway_journal != VERSION {
                let source = serde::de::Error::custom("written by another version");
                return Err(records.corrupt(source));
            }
            records.header = Some(header);
        }
        Ok(records)
    }

    /// Reads the next whole line; false at the end or where the last one is torn.
    fn advance(&mut self) -> Result<bool, JournalError> {
        self.line.clear();
        let read = self.lines.read_until(b'\n', &mut self.line);
        let bytes = read.map_err(|source| JournalError::Io {
            path: self.path.clone(),
            source,
        })?;
        if self.line.last() != Some(&b'\n') {
            return Ok(false);
        }
        self.line_number += 1;
        self.sound_bytes += bytes as u64;
        Ok(true)
    }

    fn parsed<'a, T: Deserialize<'a>>(&'a self) -> Result<T, JournalError> {
        serde_json::from_slice(&self.line).map_err(|source| self.corrupt(source))
    }

    fn corrupt(&self, source: serde_json::Error) -> JournalError {
        JournalError::Corrupt {
            path: self.path.clone(),
            line: self.line_number,
            source,
        }
    }
}

impl Iterator for Records {
    type Item = Result<Record, JournalError>;

    fn next(&mut self) -> Option<Self::Item> {
        match self.advance() {
            Ok(true) => Some(self.parsed()),
            Ok(false) => None,
            Err(error) => Some(Err(error)),
        }
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
