//! The request log: who asks what, and when, one JSON line for each request once it is answered or its caller is gone. It
//! is for tests that count; what was done stands in the journal.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use hyper::http::request::Parts;
use serde::{Deserialize, Serialize};

use super::reply::IDEMPOTENCY_KEY;

/// The log cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("the request log {path} cannot be used: {source}; check its folder and its permissions")]
pub struct RequestLogError {
    /// Which file.
    path: PathBuf,
    /// Why.
    source: io::Error,
}

/// A request that arrived.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct LoggedRequest {
    /// When it had arrived whole, by the simulator's clock, in milliseconds since 1970.
    pub at_ms: i64,
    /// `GET` or `POST`.
    pub method: Box<str>,
    /// Without its query.
    pub path: Box<str>,
    /// Its idempotency key.
    pub key: Option<Box<str>>,
    /// The status of its answer; none where that was lost, cut or spoiled by a fault, or its caller was gone.
    pub status: Option<u16>,
}

/// Where requests are logged.
#[derive(Clone)]
pub(crate) struct RequestLog(Arc<File>);

/// A request that is being answered. Dropped, it is logged.
pub(crate) struct Arrived {
    log: RequestLog,
    request: LoggedRequest,
}

impl RequestLog {
    /// Goes on with this file, or begins it.
    pub(crate) fn open(path: &Path) -> Result<Self, RequestLogError> {
        let file = OpenOptions::new().create(true).append(true).open(path);
        let failed = |source| RequestLogError {
            path: path.to_owned(),
            source,
        };
        Ok(Self(Arc::new(file.map_err(failed)?)))
    }

    pub(crate) fn arrived(&self, head: &Parts, at_ms: i64) -> Arrived {
        let key = head.headers.get(&IDEMPOTENCY_KEY);
        let key = key.and_then(|key| key.to_str().ok());
        Arrived {
            log: self.clone(),
            request: LoggedRequest {
                at_ms,
                method: head.method.as_str().into(),
                path: head.uri.path().into(),
                key: key.map(Into::into),
                status: None,
            },
        }
    }
}

impl Arrived {
    /// An answer goes out, and no fault befalls it.
    pub(crate) fn answered(&mut self, status: u16) {
        self.request.status = Some(status);
    }
}

impl Drop for Arrived {
    fn drop(&mut self) {
        let Ok(mut line) = serde_json::to_vec(&self.request) else {
            return;
        };
        line.push(b'\n');
        // One write to a file that is appended to: lines are whole. Without it the log is short, and who counts sees that.
        let _ = (&*self.log.0).write_all(&line);
    }
}

/// The requests of a log, as they were answered; also while it is written.
///
/// # Errors
/// The file cannot be read, or is no request log.
pub fn requests_of_log(path: &Path) -> io::Result<Vec<LoggedRequest>> {
    let lines = BufReader::new(File::open(path)?).lines();
    lines
        .map(|line| serde_json::from_str(&line?).map_err(io::Error::from))
        .collect()
}
