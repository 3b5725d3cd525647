//! A gateway of the tests' own: raw sockets, so that it can fail in every way that a network does.

#![allow(clippy::unwrap_used)]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

/// A request as it came.
#[derive(Clone, Debug)]
pub struct Seen {
    /// Which connection brought it, from 0.
    pub connection: usize,
    /// Method and path.
    pub line: String,
    /// Headers, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body as text.
    pub body: String,
}

impl Seen {
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(known, _)| known == name)?;
        Some(&found.1)
    }
}

/// One accepted connection, in the hands of a test's script.
pub struct Peer {
    pub connection: usize,
    stream: BufReader<TcpStream>,
    seen: Arc<Mutex<Vec<Seen>>>,
}

/// Listens until the process ends; each connection runs the script on a thread of its own.
pub struct Server {
    pub addr: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Server {
    pub fn start(script: impl Fn(&mut Peer) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = listener.local_addr().unwrap();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let script = Arc::new(script);
        let record = Arc::clone(&seen);
        thread::spawn(move || {
            for (connection, stream) in listener.incoming().enumerate() {
                let mut peer = Peer {
                    connection,
                    stream: BufReader::new(stream.unwrap()),
                    seen: Arc::clone(&record),
                };
                let script = Arc::clone(&script);
                thread::spawn(move || script(&mut peer));
            }
        });
        Self { addr, seen }
    }

    /// Answers every request on every connection with `answer`.
    pub fn answering(answer: impl Fn(&Seen) -> String + Send + Sync + 'static) -> Self {
        Self::start(move |peer| {
            while let Some(request) = peer.read() {
                peer.write(&answer(&request));
            }
        })
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    pub fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }
}

impl Peer {
    /// The next whole request; `None` once the client has closed.
    pub fn read(&mut self) -> Option<Seen> {
        let line = self.line()?;
        let mut headers = Vec::new();
        loop {
            let field = self.line()?;
            let Some((name, value)) = field.split_once(':') else {
                break;
            };
            headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
        let mut seen = Seen {
            connection: self.connection,
            line: line.trim_end_matches(" HTTP/1.1").to_owned(),
            headers,
            body: String::new(),
        };
        let length = seen
            .header("content-length")
            .map_or(0, |n| n.parse().unwrap());
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body).ok()?;
        seen.body = String::from_utf8(body).unwrap();
        self.seen.lock().unwrap().push(seen.clone());
        Some(seen)
    }

    pub fn write(&mut self, text: &str) {
        // A client that gave up has closed: no concern of the script's.
        let _ = self.stream.get_mut().write_all(text.as_bytes());
    }

    /// Waits for the first byte of a request and leaves it unread: closing resets the connection then.
    pub fn await_unread(&mut self) {
        let _ = self.stream.get_ref().peek(&mut [0]);
    }

    /// Says that no more answers come, and waits until the client has closed, too.
    pub fn close(&mut self) {
        let _ = self.stream.get_ref().shutdown(std::net::Shutdown::Write);
        self.wait_for_end();
    }

    /// Reads until the client closes.
    pub fn wait_for_end(&mut self) {
        let _ = std::io::copy(&mut self.stream, &mut std::io::sink());
    }

    fn line(&mut self) -> Option<String> {
        let mut line = String::new();
        let count = self.stream.read_line(&mut line).ok()?;
        (count > 0).then(|| line.trim_end().to_owned())
    }
}
