//! `almoner run`: the service.

use std::io::ErrorKind;
use std::sync::Arc;
use std::time::Duration;

use almoner_actors::ports::Clock;
use almoner_actors::world::Alarm;

use super::{CommandError, ConfigFile, Problem};
use crate::app::{App, Runtimes, StartError, StartFlags, Vitals};
use crate::clock::SystemClock;
use crate::config::Config;
use crate::http::{self, ConnectionLimits, Health, ListenError, Server, WaitLimits};
use crate::logging::{self, LoggingError};
use crate::metrics::Metrics;
use crate::store::{OpenError, sqlite};

/// Runs the service: reads donation requests from Kafka, charges them at the gateway, records everything, and
/// publishes the outcomes.
///
/// It needs a broker with its topics, and the gateway's key. SIGTERM or Ctrl-C drains: what is in flight is finished or
/// made pending, and nothing is lost; a second one ends it at once.
#[derive(clap::Args, Clone, Debug)]
#[command(after_help = "Example: almoner run --config config/almoner.toml")]
pub struct Args {
    #[command(flatten)]
    config: ConfigFile,
    #[command(flatten)]
    flags: StartFlags,
}

/// How long running HTTP requests may take to end.
const HTTP_PATIENCE: Duration = Duration::from_secs(5);

/// What to do when supervision has given up.
const AFTER_ESCALATION: &str = "nothing that was recorded is lost: mend what is named above, and a start goes on from there; a \
    panic is a defect, to be reported with the log";

/// Why the service ends.
enum End {
    Signal,
    Alarm(Alarm),
}

/// Runs the service until it is told to stop.
///
/// # Errors
/// It could not be started, or it had to give up; the exit code says whether a restart may cure it.
pub fn run(args: Args) -> Result<(), CommandError> {
    let config = args.config.load()?.config;
    logging::start(&config.log).map_err(not_logged)?;
    let runtimes =
        Runtimes::start().map_err(|error| unavailable("no thread is to be had", error))?;
    let metrics =
        Metrics::install(runtimes.io.handle()).map_err(|error| unavailable("no metrics", error))?;
    let health = Arc::new(Health::new());
    let admin = serve_admin(&config, &runtimes, &health, metrics)?;
    let mut app = App::start(&config, args.flags, &runtimes).map_err(not_started)?;
    let vitals = Vitals::start(&app, &health, &runtimes);
    let api = serve_api(&config, &runtimes, &app)?;
    tracing::info!(
        api = api.as_ref().map(|it| it.address().to_string()),
        admin = admin.as_ref().map(|it| it.address().to_string()),
        partitions = app.world.settings.partitions,
        "almoner runs"
    );
    let end = runtimes.io.block_on(until_end(&mut app));
    runtimes.io.spawn(async {
        super::signalled().await;
        tracing::warn!("told to stop twice: stopping at once");
        std::process::exit(130);
    });
    tracing::info!("draining");
    vitals.draining();
    app.stop();
    for server in [api, admin].into_iter().flatten() {
        runtimes.io.block_on(server.stop(HTTP_PATIENCE));
    }
    tracing::info!("stopped");
    verdict(end)
}

async fn until_end(app: &mut App) -> End {
    loop {
        tokio::select! {
            () = super::signalled() => return End::Signal,
            why = app.store.lost() => {
                let what = format!("the store is lost: {why}");
                return End::Alarm(Alarm::Escalated { what });
            }
            alarm = app.alarms.recv() => match alarm {
                // One partition stands still and is shown; the others go on.
                Some(Alarm::RequestsLost { .. }) => {}
                Some(alarm) => return End::Alarm(alarm),
                None => return End::Signal,
            }
        }
    }
}

fn verdict(end: End) -> Result<(), CommandError> {
    match end {
        End::Signal => Ok(()),
        End::Alarm(alarm @ Alarm::SourceFailed { .. }) => {
            Err(CommandError::Unavailable(Problem::new(alarm.to_string())))
        }
        End::Alarm(alarm @ Alarm::Escalated { .. }) => Err(CommandError::Escalated(
            Problem::new(alarm.to_string()).hint(AFTER_ESCALATION),
        )),
        End::Alarm(alarm) => Err(CommandError::CouldNotRun(Problem::new(alarm.to_string()))),
    }
}

fn serve_admin(
    config: &Config,
    runtimes: &Runtimes,
    health: &Arc<Health>,
    metrics: Metrics,
) -> Result<Option<Server>, CommandError> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let served = http::serve_admin(
        runtimes.io.handle(),
        config.admin.listen,
        ConnectionLimits::ADMIN,
        Arc::clone(health),
        metrics,
        clock,
    );
    served
        .map(Some)
        .map_err(|error| not_listening("the admin listener could not be started", error))
}

fn serve_api(
    config: &Config,
    runtimes: &Runtimes,
    app: &App,
) -> Result<Option<Server>, CommandError> {
    let Some(listen) = config.http.listen.addr() else {
        return Ok(None);
    };
    let world = Arc::clone(&app.world);
    http::serve_api(
        runtimes.io.handle(),
        listen,
        ConnectionLimits::API,
        WaitLimits::default(),
        world,
    )
    .map(Some)
    .map_err(|error| not_listening("the API could not be started", error))
}

fn not_logged(error: LoggingError) -> CommandError {
    let what = "the log could not be started";
    match error {
        LoggingError::Filter(_) => misconfigured(what, error),
        LoggingError::StartedTwice(_) => unavailable(what, error),
    }
}

fn not_listening(what: &str, error: ListenError) -> CommandError {
    match error {
        ListenError::InUse { .. } => unavailable(what, error),
        ListenError::Refused { .. } => misconfigured(what, error),
    }
}

fn not_started(error: StartError) -> CommandError {
    let what = "the service did not start";
    match error {
        StartError::Kafka(ref kafka) if !kafka.is_transient() => misconfigured(what, error),
        StartError::Store(OpenError::Sqlite(sqlite::OpenError::Folder {
            error: ref system,
            ..
        })) if cannot_be_cured(system.kind()) => misconfigured(what, error),
        StartError::Store(OpenError::Scylla(ref cluster)) if !cluster.is_transient() => {
            misconfigured(what, error)
        }
        StartError::Gateway(_) => misconfigured(what, error),
        _ => unavailable(what, error),
    }
}

/// Whether a folder stays out of reach until somebody changes something.
fn cannot_be_cured(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::NotFound
            | ErrorKind::NotADirectory
            | ErrorKind::AlreadyExists
            | ErrorKind::PermissionDenied
            | ErrorKind::ReadOnlyFilesystem
    )
}

fn misconfigured(
    what: &str,
    error: impl Into<Box<dyn std::error::Error + Send + Sync>>,
) -> CommandError {
    CommandError::Misconfigured(Problem::new(what).because(error))
}

fn unavailable(
    what: &str,
    error: impl Into<Box<dyn std::error::Error + Send + Sync>>,
) -> CommandError {
    CommandError::Unavailable(Problem::new(what).because(error))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(end: End, expected: u8) {
        let exit_code = verdict(end).map_or_else(|error| error.exit_code(), |()| 0);
        assert_eq!(exit_code, expected);
    }

    #[test]
    fn each_end_has_its_exit_code() {
        let text = String::new;
        check(End::Signal, 0);
        check(End::Alarm(Alarm::Escalated { what: text() }), 70);
        check(End::Alarm(Alarm::SourceFailed { reason: text() }), 69);
        let older = Alarm::OlderStore {
            shard: almoner_domain::ids::Shard(0),
            marked: 1,
            committed: 2,
        };
        check(End::Alarm(older), 2);
    }
}
