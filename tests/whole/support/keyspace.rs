//! A keyspace of one's own on the real CQL server, dropped with it. `ALMONER_CASSANDRA` says where the server is.

use std::net::{SocketAddr, ToSocketAddrs};
use std::time::Duration;

use almoner::store::scylla::{ScyllaOptions, ScyllaStore};
use almoner_domain::ids::DonationId;
use scylla::client::session::Session;
use scylla::client::session_builder::SessionBuilder;
use serde::Deserialize;
use uuid::Uuid;

use super::RUNTIME;
use crate::real_kafka::own_name;

/// Where the server is: `tests/run.sh` starts one and says so.
const SERVER: &str = "ALMONER_CASSANDRA";

/// The keyspace. `almoner migrate` makes it.
pub struct Keyspace {
    pub server: SocketAddr,
    pub name: String,
}

/// The sends of a donation, as they are recorded.
#[derive(Clone, Debug)]
pub struct Sends {
    pub donation_id: DonationId,
    /// Whose epoch the first send has, which the acceptance permits.
    pub accepted_epoch: u64,
    /// The others, and the first one if it was not charged, by number.
    pub rows: Vec<(u16, u64)>,
}

/// What of a recorded send is looked at.
#[derive(Deserialize)]
struct Kept {
    epoch: u64,
}

impl Keyspace {
    /// None where there is no server.
    pub fn own() -> Option<Self> {
        let server = std::env::var(SERVER).ok()?;
        Some(Self {
            server: server.to_socket_addrs().unwrap().next().unwrap(),
            name: own_name(),
        })
    }

    /// The store, as an instance opens it.
    pub fn open(&self) -> ScyllaStore {
        let options = ScyllaOptions {
            contact_points: vec![self.server.to_string()],
            local_datacenter: "datacenter1".into(),
            keyspace: self.name.clone(),
            replication_factor: 1,
            credentials: None,
            tls: None,
            request_timeout: Duration::from_secs(30),
            retries: true,
            speculative_after: None,
            in_flight_max: 64,
        };
        ScyllaStore::open(&options, RUNTIME.handle().clone()).unwrap()
    }

    /// The sends of every donation, from the tables themselves.
    pub fn sends(&self) -> Vec<Sends> {
        let query = format!(
            "SELECT id, accepted_epoch, sends FROM {}.donation",
            self.name
        );
        RUNTIME.block_on(async {
            let session = self.session().await;
            let mut rows = session
                .query_iter(query, ())
                .await
                .unwrap()
                .rows_stream::<Row>()
                .unwrap();
            let mut found = Vec::new();
            while let Some(row) = futures::StreamExt::next(&mut rows).await {
                found.push(sends(row.unwrap()));
            }
            found
        })
    }

    async fn session(&self) -> Session {
        let session = SessionBuilder::new().known_node_addr(self.server);
        session.build().await.unwrap()
    }
}

type Row = (Uuid, i64, Option<std::collections::BTreeMap<i32, Vec<u8>>>);

fn sends((id, accepted_epoch, sends): Row) -> Sends {
    let row = |(number, blob): (i32, Vec<u8>)| {
        let kept: Kept = rmp_serde::from_slice(&blob).unwrap();
        (u16::try_from(number).unwrap(), kept.epoch)
    };
    Sends {
        donation_id: DonationId(id.into_bytes()),
        accepted_epoch: accepted_epoch.cast_unsigned(),
        rows: sends.into_iter().flatten().map(row).collect(),
    }
}

impl Drop for Keyspace {
    fn drop(&mut self) {
        let drop_it = format!("DROP KEYSPACE IF EXISTS {}", self.name);
        RUNTIME.block_on(async {
            // A server that is gone has nothing to drop.
            let _ = self.session().await.query_unpaged(drop_it, ()).await;
        });
    }
}
