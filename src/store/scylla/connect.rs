//! The session with the cluster, and what is wrong where there is none: one line for each fault, with what to do.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use scylla::client::execution_profile::{ExecutionProfile, ExecutionProfileHandle};
use scylla::client::session::Session;
use scylla::client::session_builder::SessionBuilder;
use scylla::errors::{
    ConnectionError, ConnectionPoolError, ConnectionSetupRequestErrorKind, DbError, ExecutionError,
    MetadataError, NewSessionError, PrepareError,
};
use scylla::policies::retry::{DefaultRetryPolicy, FallthroughRetryPolicy, RetryPolicy};
use scylla::policies::speculative_execution::SimpleSpeculativeExecutionPolicy;
use scylla::statement::{Consistency, SerialConsistency};
use secrecy::{ExposeSecret, SecretString};

/// How long a connection may take.
const CONNECT_WITHIN: Duration = Duration::from_secs(5);

/// How the cluster is reached.
#[derive(Clone, Debug)]
pub struct ScyllaOptions {
    /// Nodes to begin with, `host:port`; the others are learnt from them.
    pub contact_points: Vec<String>,
    /// The data centre whose nodes are asked, and of which a quorum decides.
    pub local_datacenter: String,
    /// The keyspace.
    pub keyspace: String,
    /// How many copies a new keyspace keeps in the data centre.
    pub replication_factor: u32,
    /// Who we are, where the cluster asks.
    pub credentials: Option<(String, SecretString)>,
    /// TLS, where the cluster speaks it.
    pub tls: Option<Tls>,
    /// How long a request may take.
    pub request_timeout: Duration,
    /// Whether the driver repeats by itself what may be repeated.
    pub retries: bool,
    /// After so long a read is sent to a second node as well.
    pub speculative_after: Option<Duration>,
    /// The most requests under way.
    pub in_flight_max: usize,
}

/// Whom to trust.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Tls {
    /// A PEM file with the authorities; none: the public ones.
    pub ca_file: Option<std::path::PathBuf>,
}

/// Why the store cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Nobody answers.
    #[error(
        "no node of the cluster answers at {contact_points}: {why}; check [store.scylla] contact_points and tls, and that \
         the cluster is up"
    )]
    Unreachable {
        /// As configured.
        contact_points: String,
        /// What the driver says of the last one.
        why: String,
    },
    /// They are asked for, or refused.
    #[error("the cluster refuses the credentials: {0}; check [store.scylla] username and password")]
    Credentials(String),
    /// No node is in it.
    #[error(
        "no node of the cluster is in the data centre \"{configured}\", only in {found}; write one of these as \
         [store.scylla] local_datacenter"
    )]
    Datacenter {
        /// As configured.
        configured: String,
        /// Those that there are.
        found: String,
    },
    /// It was not made yet.
    #[error(
        "the cluster has no keyspace \"{0}\"; run `almoner migrate`, which makes it, or check [store.scylla] keyspace"
    )]
    Keyspace(String),
    /// Only letters, digits and `_`.
    #[error("\"{0}\" cannot be a keyspace: write up to 48 letters, digits or _, a letter first")]
    KeyspaceName(String),
    /// It was migrated by an older release.
    #[error(
        "the schema is version {found}, and this release needs {wanted}; run `almoner migrate`"
    )]
    Older {
        /// As recorded; 0 if there is none.
        found: i32,
        /// This release's.
        wanted: i32,
    },
    /// It was migrated by a newer release.
    #[error(
        "a newer release made the schema version {found}, and this one knows {wanted}; run that release"
    )]
    Newer {
        /// As recorded.
        found: i32,
        /// This release's.
        wanted: i32,
    },
    /// Somebody else migrates, for too long.
    #[error("another `almoner migrate` is under way; run it again when that is done")]
    Locked,
    /// A file of certificates, or a build without TLS.
    #[error("TLS to the cluster cannot be used: {0}")]
    Tls(String),
    /// The requests topic has another number of partitions than when the store was first used.
    #[error(
        "the requests topic has {now} partitions, and this store was made for {recorded}: a user's shard follows from \
         the number, so it is fixed; give the topic {recorded} partitions again, or begin with an empty keyspace"
    )]
    Partitions {
        /// As recorded.
        recorded: u32,
        /// As the broker says.
        now: u32,
    },
    /// Anything else that the server says.
    #[error("the cluster cannot be used: {0}")]
    Server(String),
}

impl OpenError {
    /// Whether time alone may cure it.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        matches!(
            self,
            Self::Unreachable { .. } | Self::Locked | Self::Server(_)
        )
    }
}

impl From<ExecutionError> for OpenError {
    fn from(error: ExecutionError) -> Self {
        Self::Server(error.to_string())
    }
}

impl From<PrepareError> for OpenError {
    fn from(error: PrepareError) -> Self {
        Self::Server(error.to_string())
    }
}

impl From<almoner_actors::ports::StoreError> for OpenError {
    fn from(error: almoner_actors::ports::StoreError) -> Self {
        Self::Server(error.to_string())
    }
}

/// Connects, with a keyspace that need not be there.
///
/// # Errors
/// See [`OpenError`].
pub(super) async fn connect(options: &ScyllaOptions) -> Result<Session, OpenError> {
    let name = &options.keyspace;
    let is_name = name.len() <= 48
        && name.starts_with(|it: char| it.is_ascii_alphabetic())
        && name
            .chars()
            .all(|it| it.is_ascii_lowercase() || it.is_ascii_digit() || it == '_');
    if !is_name {
        return Err(OpenError::KeyspaceName(name.clone()));
    }
    let mut builder = SessionBuilder::new()
        .known_nodes(&options.contact_points)
        .connection_timeout(CONNECT_WITHIN)
        // Each table that is made waits for this, and none needs what else the driver would read of it.
        .schema_agreement_interval(Duration::from_millis(20))
        .refresh_metadata_on_auto_schema_agreement(false)
        .prefer_datacenter(options.local_datacenter.clone())
        .default_execution_profile_handle(profile(options).build().into_handle());
    if let Some((user, password)) = &options.credentials {
        builder = builder.user(user, password.expose_secret());
    }
    if let Some(tls) = &options.tls {
        builder = with_tls(builder, tls)?;
    }
    let session = builder.build().await;
    let session = session.map_err(|error| not_connected(options, &error))?;
    check_datacenter(&session, &options.local_datacenter)?;
    Ok(session)
}

/// Uses the keyspace.
///
/// # Errors
/// [`OpenError::Keyspace`] where it is not there.
pub(super) async fn use_keyspace(session: &Session, keyspace: &str) -> Result<(), OpenError> {
    match session.use_keyspace(keyspace, false).await {
        Ok(()) => Ok(()),
        Err(error) if error.to_string().contains("does not exist") => {
            Err(OpenError::Keyspace(keyspace.to_owned()))
        }
        Err(error) => Err(OpenError::Server(error.to_string())),
    }
}

/// How reads are run: to a second node as well when the first is slow.
pub(super) fn reading(options: &ScyllaOptions) -> ExecutionProfileHandle {
    let policy = options.speculative_after.map(|after| {
        Arc::new(SimpleSpeculativeExecutionPolicy {
            max_retry_count: 1,
            retry_interval: after,
        }) as Arc<_>
    });
    let reading = profile(options).speculative_execution_policy(policy);
    reading.build().into_handle()
}

fn profile(options: &ScyllaOptions) -> scylla::client::execution_profile::ExecutionProfileBuilder {
    let retries: Arc<dyn RetryPolicy> = if options.retries {
        Arc::new(DefaultRetryPolicy::new())
    } else {
        Arc::new(FallthroughRetryPolicy::new())
    };
    ExecutionProfile::builder()
        .retry_policy(retries)
        .request_timeout(Some(options.request_timeout))
        .consistency(Consistency::LocalQuorum)
        .serial_consistency(Some(SerialConsistency::LocalSerial))
}

/// Requests to a data centre that is not there would all fail, one by one.
fn check_datacenter(session: &Session, configured: &str) -> Result<(), OpenError> {
    let cluster = session.get_cluster_state();
    let nodes = cluster.get_nodes_info().iter();
    let mut found: Vec<_> = nodes.filter_map(|node| node.datacenter.clone()).collect();
    found.sort();
    found.dedup();
    if found.iter().any(|it| it == configured) {
        return Ok(());
    }
    Err(OpenError::Datacenter {
        configured: configured.to_owned(),
        found: format!("\"{}\"", found.join("\", \"")),
    })
}

fn not_connected(options: &ScyllaOptions, error: &NewSessionError) -> OpenError {
    use ConnectionSetupRequestErrorKind::{DbError as Refused, MissingAuthentication};
    if let NewSessionError::MetadataError(MetadataError::ConnectionPoolError(
        ConnectionPoolError::Broken {
            last_connection_error: ConnectionError::ConnectionSetupRequestError(error),
        },
    )) = error
    {
        match error.get_error() {
            Refused(DbError::AuthenticationError | DbError::Unauthorized, why) => {
                return OpenError::Credentials(why.clone());
            }
            MissingAuthentication => {
                return OpenError::Credentials("it asks for some, and none are given".into());
            }
            _ => {}
        }
    }
    OpenError::Unreachable {
        contact_points: options.contact_points.join(", "),
        why: error.to_string(),
    }
}

/// How a keyspace is made.
pub(super) fn new_keyspace(options: &ScyllaOptions) -> String {
    let factor = NonZeroU32::new(options.replication_factor).map_or(1, NonZeroU32::get);
    format!(
        "CREATE KEYSPACE IF NOT EXISTS {} WITH replication = {{'class': 'NetworkTopologyStrategy', '{}': {factor}}}",
        options.keyspace,
        options.local_datacenter.replace('\'', "''"),
    )
}

#[cfg(feature = "scylla-tls")]
fn with_tls(builder: SessionBuilder, tls: &Tls) -> Result<SessionBuilder, OpenError> {
    let config = crate::gateway::trust::tls(tls.ca_file.as_deref()).map_err(|why| {
        let file = tls.ca_file.as_deref().unwrap_or(std::path::Path::new(""));
        OpenError::Tls(format!("[store.scylla] ca_file {} {why}", file.display()))
    })?;
    Ok(builder.tls_context(Some(Arc::new(config))))
}

#[cfg(not(feature = "scylla-tls"))]
fn with_tls(_: SessionBuilder, _: &Tls) -> Result<SessionBuilder, OpenError> {
    Err(OpenError::Tls(
        "this build has none; build with the feature scylla-tls".to_owned(),
    ))
}
