//! The network between the instance and the gateway: it carries bytes, or loses, breaks and delays them.
//!
//! What befalls a piece of bytes (what one read brings: mostly one request or one answer) is decided by seed, direction
//! and number, so that a resend has its own luck.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::RUNTIME;

/// More than a request or an answer has.
const PIECE_BYTES_MAX: usize = 64 * 1024;

/// What may befall a piece.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mishap {
    /// It is lost, and the connection closed.
    Cut,
    /// It is lost, and the connection reset.
    Reset,
    /// Half of it arrives, and the connection is closed.
    Halve,
    /// It arrives so much later.
    Delay(Duration),
}

/// What goes wrong in one direction, and how often.
#[derive(Clone, Copy, Default, Debug)]
pub struct Weather {
    /// Of a thousand pieces.
    pub per_mille: u64,
    /// Each as likely as the others.
    pub mishaps: &'static [Mishap],
}

impl Weather {
    fn befalls(&self, dice: u64) -> Option<Mishap> {
        let hit = dice % 1_000 < self.per_mille;
        let which = usize::try_from(dice >> 32).unwrap() % self.mishaps.len().max(1);
        hit.then(|| self.mishaps[which])
    }
}

/// A proxy. Dropped, nobody can connect any more.
pub struct Proxy {
    addr: SocketAddr,
    network: Arc<Network>,
    listening: JoinHandle<()>,
}

struct Network {
    is_cut: watch::Sender<bool>,
    gateway: SocketAddr,
    seed: u64,
    there: Direction,
    back: Direction,
}

struct Direction {
    weather: Weather,
    pieces: AtomicU64,
    mishaps: AtomicU64,
    posted_at_ms: Mutex<Vec<i64>>,
}

/// How a connection ends.
enum End {
    Closed,
    Reset,
}

impl Proxy {
    /// A network before this server on which nothing goes wrong, until it is cut.
    pub fn calm(server: SocketAddr) -> Self {
        Self::start(server, 0, Weather::default(), Weather::default())
    }

    /// The same, listening on this port.
    pub fn calm_on(port: u16, server: SocketAddr) -> Self {
        let weather = Weather::default();
        Self::start_on(port, server, 0, weather, weather)
    }

    /// A network before this gateway, with this weather on the way there and on the way back.
    pub fn start(gateway: SocketAddr, seed: u64, there: Weather, back: Weather) -> Self {
        Self::start_on(0, gateway, seed, there, back)
    }

    fn start_on(port: u16, gateway: SocketAddr, seed: u64, there: Weather, back: Weather) -> Self {
        let direction = |weather| Direction {
            weather,
            pieces: AtomicU64::new(0),
            mishaps: AtomicU64::new(0),
            posted_at_ms: Mutex::default(),
        };
        let network = Arc::new(Network {
            gateway,
            seed,
            there: direction(there),
            back: direction(back),
            is_cut: watch::Sender::new(false),
        });
        let listener = RUNTIME
            .block_on(TcpListener::bind(("127.0.0.1", port)))
            .unwrap();
        let addr = listener.local_addr().unwrap();
        let shared = Arc::clone(&network);
        let listening = RUNTIME.spawn(async move {
            loop {
                let (client, _) = listener.accept().await.unwrap();
                RUNTIME.spawn(Arc::clone(&shared).carry(client));
            }
        });
        Self {
            addr,
            network,
            listening,
        }
    }

    /// All connections end, and there are none, until it is mended.
    pub fn cut(&self) {
        self.network.is_cut.send_replace(true);
    }

    /// It carries again.
    pub fn mend(&self) {
        self.network.is_cut.send_replace(false);
    }

    /// The gateway's address, as a client is told it.
    pub fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// When it was given requests to carry that may move money. Wall clock, milliseconds since 1970.
    pub fn posted_at_ms(&self) -> Vec<i64> {
        let posted = &self.network.there.posted_at_ms;
        posted
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// What went wrong so far on the way there, and on the way back.
    pub fn mishaps(&self) -> (u64, u64) {
        let count = |direction: &Direction| direction.mishaps.load(Ordering::SeqCst);
        (count(&self.network.there), count(&self.network.back))
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

impl Network {
    async fn carry(self: Arc<Self>, mut client: TcpStream) {
        let mut is_cut = self.is_cut.subscribe();
        if *is_cut.borrow_and_update() {
            return;
        }
        let Ok(mut gateway) = TcpStream::connect(self.gateway).await else {
            return;
        };
        let _ = (client.set_nodelay(true), gateway.set_nodelay(true));
        let end = {
            let (from_client, to_client) = client.split();
            let (from_gateway, to_gateway) = gateway.split();
            tokio::select! {
                end = self.pump(&self.there, from_client, to_gateway) => end,
                end = self.pump(&self.back, from_gateway, to_client) => end,
                _ = is_cut.changed() => End::Reset,
            }
        };
        if matches!(end, End::Reset) {
            // Closed so, a socket says RST instead of FIN.
            let _ = (client.set_zero_linger(), gateway.set_zero_linger());
        }
    }

    async fn pump(
        &self,
        direction: &Direction,
        mut from: ReadHalf<'_>,
        mut to: WriteHalf<'_>,
    ) -> End {
        let mut piece = vec![0; PIECE_BYTES_MAX];
        loop {
            let Ok(length @ 1..) = from.read(&mut piece).await else {
                return End::Closed;
            };
            if piece.starts_with(b"POST ") {
                let now_ms = Timestamp::now().as_millisecond();
                let posted = direction.posted_at_ms.lock();
                posted.unwrap_or_else(PoisonError::into_inner).push(now_ms);
            }
            let number = direction.pieces.fetch_add(1, Ordering::SeqCst);
            let befalls = direction.weather.befalls(self.dice(direction, number));
            direction
                .mishaps
                .fetch_add(u64::from(befalls.is_some()), Ordering::SeqCst);
            let arrives = match befalls {
                Some(Mishap::Cut) => return End::Closed,
                Some(Mishap::Reset) => return End::Reset,
                Some(Mishap::Halve) => length / 2,
                Some(Mishap::Delay(delay)) => {
                    tokio::time::sleep(delay).await;
                    length
                }
                None => length,
            };
            if to.write_all(&piece[..arrives]).await.is_err() || arrives < length {
                return End::Closed;
            }
        }
    }

    fn dice(&self, direction: &Direction, number: u64) -> u64 {
        let is_back = std::ptr::eq(direction, &self.back);
        mix(self.seed ^ mix(number << 1 | u64::from(is_back)))
    }
}

/// SplitMix64.
fn mix(number: u64) -> u64 {
    let number = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}
