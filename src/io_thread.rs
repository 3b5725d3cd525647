//! A runtime of one thread, for many small exchanges over few connections.
//!
//! What becomes ready together is done together there: a connection is written once for all requests that wait, where a
//! runtime of several threads hands each over by itself, with a wake and a system call of its own.

use std::io;
use std::thread::JoinHandle;

use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;

/// The thread. Dropped, it ends, and what still runs on it is dropped.
pub struct IoThread {
    handle: Handle,
    /// Dropped, it tells the thread to end.
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl IoThread {
    /// Starts it under this name.
    ///
    /// # Errors
    /// The machine gave no thread, or nothing to wait for I/O with.
    pub fn start(name: &str) -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        let (stop, stopped) = oneshot::channel();
        let run = move || {
            // Nothing is ever sent: it ends when the other side is gone.
            let _ = runtime.block_on(stopped);
        };
        let thread = std::thread::Builder::new()
            .name(name.to_owned())
            .spawn(run)?;
        Ok(Self {
            handle,
            stop: Some(stop),
            thread: Some(thread),
        })
    }

    /// What is spawned here runs on the thread.
    #[must_use]
    pub fn handle(&self) -> &Handle {
        &self.handle
    }
}

impl Drop for IoThread {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // If it panicked there is nothing left to end.
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use super::*;

    #[test]
    fn what_runs_on_it_ends_with_it() {
        let thread = IoThread::start("io-test").unwrap();
        let (told, tells) = channel();
        thread.handle().spawn(async move {
            told.send(std::thread::current().name().map(str::to_owned))
                .unwrap();
            std::future::pending::<()>().await;
            drop(told);
        });
        assert_eq!(tells.recv().unwrap().as_deref(), Some("io-test"));
        drop(thread);
        assert!(tells.recv().is_err());
    }
}
