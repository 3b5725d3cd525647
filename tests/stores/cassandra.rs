//! The store on a real CQL server: a keyspace for each test, made and dropped by it. Without a server the tests are left
//! out, and one line says so.

use std::any::Any;
use std::hash::BuildHasher;
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, LazyLock, Once};
use std::time::Duration;

use ::scylla::client::session_builder::SessionBuilder;
use ::scylla::statement::unprepared::Statement;
use almoner::store::scylla::{self, ScyllaOptions, ScyllaStore};
use almoner_actors::ports::{Letters, Store};
use tokio::runtime::{Handle, Runtime};

use crate::support::Engine;

/// Where the server is: `tests/run.sh` starts one and says so.
const SERVER: &str = "ALMONER_CASSANDRA";

/// The I/O runtime of all stores.
pub fn io() -> Handle {
    static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        builder.worker_threads(2).enable_all().build().unwrap()
    });
    RUNTIME.handle().clone()
}

/// The server's address, if there is one.
pub fn server() -> Option<SocketAddr> {
    static SAID: Once = Once::new();
    let Ok(server) = std::env::var(SERVER) else {
        SAID.call_once(|| {
            eprintln!(
                "left out: the tests on a real CQL server; run them with {SERVER}=$(tests/services/cassandra.sh start)"
            );
        });
        return None;
    };
    let mut addresses = server.to_socket_addrs().unwrap();
    Some(addresses.next().unwrap())
}

/// How a test reaches its keyspace on this server.
pub fn options(server: SocketAddr, keyspace: &str) -> ScyllaOptions {
    ScyllaOptions {
        contact_points: vec![server.to_string()],
        local_datacenter: "datacenter1".into(),
        keyspace: keyspace.into(),
        replication_factor: 1,
        credentials: None,
        tls: None,
        // Three others may have the machine.
        request_timeout: Duration::from_secs(30),
        retries: true,
        speculative_after: None,
        in_flight_max: 128,
    }
}

/// A keyspace of this test's own, dropped with it.
pub struct Keyspace {
    pub server: SocketAddr,
    pub name: String,
}

impl Keyspace {
    /// A name that no other test has; the keyspace is not made yet.
    pub fn unused(server: SocketAddr) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let next = NEXT.fetch_add(1, Ordering::Relaxed);
        // Another run may have had this process's number.
        let run = std::collections::hash_map::RandomState::new().hash_one(next) % 10_000;
        let name = format!("almoner_{}_{run}_{next}", std::process::id());
        Self { server, name }
    }

    pub fn migrated(server: SocketAddr) -> Self {
        let keyspace = Self::unused(server);
        scylla::migrate(&keyspace.options(), &io()).unwrap();
        keyspace
    }

    pub fn options(&self) -> ScyllaOptions {
        options(self.server, &self.name)
    }

    pub fn open(&self) -> ScyllaStore {
        ScyllaStore::open(&self.options(), io()).unwrap()
    }

    /// An instance of its own.
    pub fn engine(&self) -> Engine {
        engine_of(Arc::new(self.open()), None)
    }

    /// Runs some CQL beside the store.
    pub fn cql(&self, text: &str) {
        self.try_cql(text).unwrap();
    }

    fn try_cql(&self, text: &str) -> Result<(), String> {
        let mut statement = Statement::new(text);
        statement.set_request_timeout(Some(Duration::from_secs(60)));
        io().block_on(async {
            let session = SessionBuilder::new().known_node_addr(self.server);
            let session = session.build().await.map_err(|error| error.to_string())?;
            let done = session.query_unpaged(statement, ()).await;
            done.map(drop).map_err(|error| error.to_string())
        })
    }
}

impl Drop for Keyspace {
    fn drop(&mut self) {
        // The test has said what it found; what is left over goes with the server.
        if let Err(error) = self.try_cql(&format!("DROP KEYSPACE IF EXISTS {}", self.name)) {
            eprintln!("the keyspace {} stays: {error}", self.name);
        }
    }
}

/// An engine in a keyspace of its own, if there is a server.
pub fn cassandra() -> Option<Engine> {
    let keyspace = Keyspace::migrated(server()?);
    let store = Arc::new(keyspace.open());
    Some(engine_of(store, Some(Box::new(keyspace))))
}

/// An engine on this store, with what goes with it.
pub fn engine_of(store: Arc<ScyllaStore>, keeper: Option<Box<dyn Any>>) -> Engine {
    let (read, kept) = (Arc::clone(&store), Arc::clone(&store));
    Engine {
        keeper: Arc::clone(&store) as Arc<dyn Letters>,
        letters: Box::new(move || kept.letters().unwrap()),
        store: store as Arc<dyn Store>,
        sums: Box::new(move || read.campaign_days().unwrap()),
        _place: keeper,
    }
}
