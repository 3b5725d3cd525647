//! Requests to the server: bounded in number, counted, and their errors sorted into what was surely not done and what may
//! have been.

use std::fmt::Display;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

use almoner_actors::ports::StoreError;
use futures::TryStreamExt;
use scylla::client::session::Session;
use scylla::deserialize::row::DeserializeRow;
use scylla::errors::{DbError, ExecutionError, RequestAttemptError};
use scylla::response::PagingState;
use scylla::response::query_result::QueryResult;
use scylla::serialize::row::SerializeRow;
use scylla::statement::prepared::PreparedStatement;
use scylla::value::CqlValue;
use tokio::sync::Semaphore;

use super::schema::AnyRow;
use super::statements::Statements;
use super::telemetry::Telemetry;

/// See the file's head.
pub(super) struct Db {
    pub(super) session: Session,
    pub(super) statements: Statements,
    permits: Semaphore,
    trips: Trips,
    is_usable: AtomicBool,
    telemetry: Telemetry,
}

#[derive(Default)]
struct Trips {
    conditional: AtomicU64,
    upserts: AtomicU64,
    reads: AtomicU64,
}

/// How many requests were sent to the server, since the store was opened.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct RoundTrips {
    /// Conditional writes: each is a round of Paxos.
    pub conditional: u64,
    /// Plain writes.
    pub upserts: u64,
    /// Reads.
    pub reads: u64,
}

/// What came of a conditional write.
#[derive(Debug)]
pub(super) enum Applied {
    Yes,
    /// Its condition did not hold.
    No,
    /// It may be durable, now or in a moment: read it back.
    Unknown(StoreError),
}

impl Db {
    pub(super) fn new(session: Session, statements: Statements, in_flight_max: usize) -> Self {
        Self {
            session,
            statements,
            permits: Semaphore::new(in_flight_max),
            trips: Trips::default(),
            is_usable: AtomicBool::new(true),
            telemetry: Telemetry::new(),
        }
    }

    /// Whether the latest request was answered.
    pub(super) fn is_usable(&self) -> bool {
        self.is_usable.load(Relaxed)
    }

    pub(super) fn round_trips(&self) -> RoundTrips {
        RoundTrips {
            conditional: self.trips.conditional.load(Relaxed),
            upserts: self.trips.upserts.load(Relaxed),
            reads: self.trips.reads.load(Relaxed),
        }
    }

    /// All rows of a read that is bounded by itself.
    pub(super) async fn read<R>(
        &self,
        statement: &PreparedStatement,
        values: impl SerializeRow,
    ) -> Result<Vec<R>, StoreError>
    where
        R: for<'f, 'm> DeserializeRow<'f, 'm>,
    {
        self.trips.reads.fetch_add(1, Relaxed);
        self.telemetry.read();
        let result = self.execute(statement, values).await.map_err(refused)?;
        let rows = result.into_rows_result().map_err(unreadable)?;
        let rows = rows.rows::<R>().map_err(unreadable)?;
        rows.map(|row| row.map_err(unreadable)).collect()
    }

    /// The first row of a read.
    pub(super) async fn read_one<R>(
        &self,
        statement: &PreparedStatement,
        values: impl SerializeRow,
    ) -> Result<Option<R>, StoreError>
    where
        R: for<'f, 'm> DeserializeRow<'f, 'm>,
    {
        Ok(self.read(statement, values).await?.into_iter().next())
    }

    /// One page of a read of any length, and where the next one begins.
    pub(super) async fn read_page<R>(
        &self,
        statement: &PreparedStatement,
        after: PagingState,
    ) -> Result<(Vec<R>, Option<PagingState>), StoreError>
    where
        R: for<'f, 'm> DeserializeRow<'f, 'm>,
    {
        let page = self.session.execute_single_page(statement, (), after);
        let (result, next) = page.await.map_err(unanswered)?;
        let rows = result.into_rows_result().map_err(unreadable)?;
        let rows = rows.rows::<R>().map_err(unreadable)?;
        let rows = rows
            .map(|row| row.map_err(unreadable))
            .collect::<Result<_, _>>()?;
        Ok((rows, next.into_paging_control_flow().continue_value()))
    }

    /// Gives `each` every row of a read of any length, page after page.
    pub(super) async fn each<R>(
        &self,
        statement: &PreparedStatement,
        values: impl SerializeRow,
        mut each: impl FnMut(R) -> Result<(), StoreError>,
    ) -> Result<(), StoreError>
    where
        R: for<'f, 'm> DeserializeRow<'f, 'm> + 'static,
    {
        let pager = self.session.execute_iter(statement.clone(), values).await;
        let rows = pager.map_err(unanswered)?.rows_stream::<R>();
        let mut rows = rows.map_err(unreadable)?;
        while let Some(row) = rows.try_next().await.map_err(unanswered)? {
            each(row)?;
        }
        Ok(())
    }

    /// A plain write, which may be repeated.
    pub(super) async fn upsert(
        &self,
        statement: &PreparedStatement,
        values: impl SerializeRow,
    ) -> Result<(), StoreError> {
        self.trips.upserts.fetch_add(1, Relaxed);
        self.telemetry.upsert();
        self.execute(statement, values).await.map_err(refused)?;
        Ok(())
    }

    /// A conditional write.
    ///
    /// # Errors
    /// Only where it was surely not done, and never will be.
    pub(super) async fn conditional(
        &self,
        statement: &PreparedStatement,
        values: impl SerializeRow,
    ) -> Result<Applied, StoreError> {
        self.trips.conditional.fetch_add(1, Relaxed);
        self.telemetry.conditional();
        match self.execute(statement, values).await {
            Ok(result) => match is_applied(result) {
                Ok(true) => Ok(Applied::Yes),
                Ok(false) => Ok(Applied::No),
                Err(error) => Ok(Applied::Unknown(unreadable(error))),
            },
            Err(error) if was_not_done(&error) => Err(refused(error)),
            Err(error) => Ok(Applied::Unknown(refused(error))),
        }
    }

    async fn execute(
        &self,
        statement: &PreparedStatement,
        values: impl SerializeRow,
    ) -> Result<QueryResult, ExecutionError> {
        // The semaphore is never closed.
        let _permit = self.permits.acquire().await;
        let began = self.telemetry.begin();
        let result = self.session.execute_unpaged(statement, values).await;
        self.telemetry.end(began);
        let is_usable = result.as_ref().err().is_none_or(is_of_one_request);
        if self.is_usable.swap(is_usable, Relaxed) != is_usable {
            self.telemetry.usable(is_usable);
            match &result {
                Err(error) => tracing::error!(%error, "the store does not answer"),
                Ok(_) => tracing::info!("the store answers again"),
            }
        }
        result
    }
}

/// A number that no other writer has.
pub(super) fn random() -> i64 {
    rand::random()
}

/// Whether a conditional write was applied: the one column by that name, wherever it stands.
pub(super) fn is_applied(
    result: QueryResult,
) -> Result<bool, Box<dyn std::error::Error + Send + Sync>> {
    let rows = result.into_rows_result()?;
    let column = rows.column_specs().get_by_name("[applied]");
    let (column, _) = column.ok_or("the server does not say whether it applied the write")?;
    let row: AnyRow = rows.first_row()?;
    match row.columns.get(column) {
        Some(Some(CqlValue::Boolean(is_applied))) => Ok(*is_applied),
        _ => Err("the server does not say whether it applied the write".into()),
    }
}

/// Whether the server, and every one after it, refused before it did anything.
fn was_not_done(error: &ExecutionError) -> bool {
    match error {
        ExecutionError::BadQuery(_)
        | ExecutionError::EmptyPlan
        | ExecutionError::PrepareError(_)
        | ExecutionError::ConnectionPoolError(_) => true,
        ExecutionError::LastAttemptError(RequestAttemptError::DbError(error, _)) => matches!(
            error,
            DbError::SyntaxError
                | DbError::Invalid
                | DbError::Unauthorized
                | DbError::Unavailable { .. }
                | DbError::IsBootstrapping
        ),
        ExecutionError::LastAttemptError(
            RequestAttemptError::SerializationError(_)
            | RequestAttemptError::CqlRequestSerialization(_)
            | RequestAttemptError::UnableToAllocStreamId,
        ) => true,
        _ => false,
    }
}

/// Whether an error is about the values of one request, rather than about the server.
fn is_of_one_request(error: &ExecutionError) -> bool {
    match error {
        ExecutionError::BadQuery(_) => true,
        ExecutionError::LastAttemptError(RequestAttemptError::DbError(error, _)) => {
            matches!(error, DbError::SyntaxError | DbError::Invalid)
        }
        ExecutionError::LastAttemptError(
            RequestAttemptError::SerializationError(_)
            | RequestAttemptError::CqlRequestSerialization(_),
        ) => true,
        _ => false,
    }
}

fn refused(error: ExecutionError) -> StoreError {
    if is_of_one_request(&error) {
        StoreError::Impossible(error.to_string().into())
    } else {
        unanswered(error)
    }
}

pub(super) fn unanswered(error: impl Display) -> StoreError {
    StoreError::Unanswered(error.to_string().into())
}

/// What is recorded cannot be read: by this release, or at all.
pub(super) fn unreadable(error: impl Display) -> StoreError {
    StoreError::Impossible(Arc::from(format!(
        "what is recorded cannot be read: {error}"
    )))
}
