//! A cluster whose connections are cut while it works: whatever a call was answered, the same call made again finds out what
//! it did, and nothing is done twice.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use almoner_actors::ports::{Accepted, Finished, StoreError};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::broadcast;

use crate::cassandra::{Keyspace, engine_of, io, server};
use crate::support::*;

/// Donations of the test.
const COUNT: u64 = 600;

/// Those in hand at a time.
const IN_HAND: u64 = 40;

/// A way to the server on which every connection can be cut at once.
struct Proxy {
    address: std::net::SocketAddr,
    cut: broadcast::Sender<()>,
}

impl Proxy {
    fn start(server: std::net::SocketAddr) -> Self {
        let (cut, _) = broadcast::channel(1);
        let sender = cut.clone();
        let listener = io().block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        io().spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let cut = sender.subscribe();
                io().spawn(pass(client, server, cut));
            }
        });
        Self { address, cut }
    }
}

/// What the client has sent is passed on to its end; what the server answers is cut off.
async fn pass(client: TcpStream, server: std::net::SocketAddr, mut cut: broadcast::Receiver<()>) {
    let Ok(server) = TcpStream::connect(server).await else {
        return;
    };
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let asked = async {
        let _ = tokio::io::copy(&mut from_client, &mut to_server).await;
    };
    let answered = async {
        let _ = tokio::io::copy(&mut from_server, &mut to_client).await;
    };
    tokio::select! {
        () = asked => {}
        () = answered => {}
        _ = cut.recv() => {}
    }
    let _ = to_server.flush().await;
}

/// The same call until it is answered, and how often it was not.
fn insist<T>(lost: &AtomicU64, mut call: impl FnMut() -> Result<T, StoreError>) -> T {
    for _ in 0..100 {
        match call() {
            Ok(answer) => return answer,
            Err(StoreError::Unanswered(_)) => lost.fetch_add(1, Ordering::Relaxed),
            Err(error) => panic!("{error}"),
        };
        std::thread::sleep(Duration::from_millis(20)); // the driver connects again meanwhile
    }
    panic!("never answered");
}

#[test]
fn cut_connections_lose_nothing_and_double_nothing() {
    let Some(server) = server() else { return };
    let keyspace = Keyspace::migrated(server);
    let proxy = Proxy::start(server);
    let mut options = keyspace.options();
    options.contact_points = vec![proxy.address.to_string()];
    let open = || almoner::store::scylla::ScyllaStore::open(&options, io()).unwrap();
    let store = Arc::new(open());
    let epoch = engine_of(Arc::clone(&store), None).claim(0).epoch;
    let (is_over, lost, cuts) = (AtomicBool::new(false), AtomicU64::new(0), AtomicU64::new(0));
    let next = AtomicU64::new(0);
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..IN_HAND)
            .map(|_| {
                scope.spawn(|| {
                    loop {
                        let n = next.fetch_add(1, Ordering::Relaxed);
                        if n >= COUNT {
                            return;
                        }
                        donate(&store, n, epoch, &lost);
                    }
                })
            })
            .collect();
        let cutter = scope.spawn(|| {
            while !is_over.load(Ordering::Relaxed) {
                std::thread::sleep(Duration::from_millis(300)); // some work is done in between
                cuts.fetch_add(1, Ordering::Relaxed);
                let _ = proxy.cut.send(());
            }
        });
        for worker in workers {
            worker.join().unwrap();
        }
        is_over.store(true, Ordering::Relaxed);
        cutter.join().unwrap();
    });
    let engine = keyspace.engine();
    let days = engine.campaign_days();
    assert_eq!(days.iter().map(|it| it.count).sum::<u64>(), COUNT);
    assert!(engine.unfinished(0).is_empty());
    assert_eq!(engine.recent(0, i64::MIN).len() as u64, COUNT);
    assert!(
        cuts.load(Ordering::Relaxed) >= 3 && lost.load(Ordering::Relaxed) > 0,
        "nothing was cut off: the test shows nothing"
    );
}

/// One donation, from its acceptance to the acknowledged outcome.
fn donate(store: &Arc<almoner::store::scylla::ScyllaStore>, n: u64, epoch: u64, lost: &AtomicU64) {
    let engine = engine_of(Arc::clone(store), None);
    let given = donation(n);
    let mut write = match n % 5 {
        0 => held(&given, START_MS),
        _ => charging(&given),
    };
    write.epoch = epoch;
    let accepted = insist(lost, || {
        engine.call(|store, done| store.accept(write.clone(), done))
    });
    let row = match accepted {
        Accepted::New(row) => row,
        Accepted::Known(recorded) => recorded.row,
        Accepted::Fenced => panic!("fenced"),
    };
    let mut write = finish_write(&given, row, charged(START_MS / 1000));
    write.seen_version = u32::from(n.is_multiple_of(5));
    let finished = insist(lost, || {
        engine.call(|store, done| store.finish(write.clone(), done))
    });
    if let Finished::Already(recorded) = finished {
        assert_eq!(recorded.finish, Some(charged(START_MS / 1000)));
    }
    insist(lost, || {
        engine.call(|store, done| store.acknowledged(given.request.id, done))
    });
}
