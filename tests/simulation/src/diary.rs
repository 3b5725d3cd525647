//! What happened, line by line, for a person to read and for a hash to compare.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::time::Instant;

use crate::chance::{hash, hash_on};

/// The diary of one history.
#[derive(Clone)]
pub struct Diary {
    began: Instant,
    /// None where nobody is going to read it.
    lines: Option<Arc<Mutex<Vec<String>>>>,
}

impl Diary {
    /// A diary that is kept only if somebody reads it. Call it inside a runtime.
    #[must_use]
    pub fn new(is_read: bool) -> Self {
        Self {
            began: Instant::now(),
            lines: is_read.then(Arc::default),
        }
    }

    /// One more line, with the virtual time since the beginning.
    pub fn note(&self, line: impl FnOnce() -> String) {
        if let Some(lines) = &self.lines {
            let at_s = self.began.elapsed().as_secs_f64();
            lock(lines).push(format!("{at_s:>12.3}  {}", line()));
        }
    }

    /// Milliseconds since the beginning.
    #[must_use]
    pub fn now_ms(&self) -> i64 {
        i64::try_from(self.began.elapsed().as_millis()).unwrap_or(i64::MAX)
    }

    /// All lines.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        self.lines
            .as_ref()
            .map(|lines| lock(lines).clone())
            .unwrap_or_default()
    }
}

/// The hash of a trace: the same for the same history on every machine.
#[must_use]
pub fn trace_hash(lines: &[String]) -> u64 {
    lines.iter().fold(hash(b""), |before, line| {
        hash_on(hash_on(before, line.as_bytes()), b"\n")
    })
}

/// A lock that a planned panic does not close for good.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
