//! `almoner gateway-sim`: the gateway simulator alone, for tests and load tests of whatever speaks Stripe's API.

use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;

use tokio::runtime::Builder;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::{CommandError, Problem};
use crate::simulator::{
    ListenError, OpenError, Options, Profile, ProfileError, Running, Simulator,
};

/// Starts a payment gateway that behaves as Stripe's API does, faults included, and moves no real money.
///
/// Every `pm_…` is charged, and Stripe's test names behave as Stripe documents them (`pm_card_chargeDeclined`). What it
/// did is kept in the folder given by `--data`, also when it is killed. Ctrl-C or SIGTERM ends it.
///
/// Example: almoner gateway-sim --listen 127.0.0.1:12111 --data /tmp/gateway --faults mild
#[derive(clap::Args, Clone, Debug)]
pub struct Args {
    /// Where to listen; port 0 takes a free one, which is printed.
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:12111")]
    listen: SocketAddr,

    /// The folder of its journal; without one it forgets everything when it ends.
    #[arg(long, value_name = "FOLDER")]
    data: Option<PathBuf>,

    /// The file of its request log: one JSON line for each request, appended.
    #[arg(long, value_name = "FILE")]
    request_log: Option<PathBuf>,

    /// What goes wrong: `none`, `mild`, `nasty`, or a TOML file of rates per mille.
    #[arg(long, value_name = "PROFILE", default_value = "none")]
    faults: String,

    /// Decides which requests it goes wrong for; the same seed hits the same idempotency keys.
    #[arg(long, default_value_t = 1)]
    seed: u64,

    /// How long every answer takes at least, in milliseconds.
    #[arg(long, value_name = "MS", default_value_t = 0)]
    latency_ms: u32,

    /// The only bearer key that it takes.
    #[arg(long, value_name = "KEY", default_value_t = Options::default().api_key)]
    api_key: String,

    /// How long an idempotency key lives, in seconds; Stripe keeps them a day.
    #[arg(long, value_name = "S", default_value_t = Options::default().key_lifetime_s)]
    key_lifetime_s: u32,

    /// Within how many milliseconds it carries out what came late or was left indeterminate.
    #[arg(long, value_name = "MS", default_value_t = Options::default().reconcile_bound_ms)]
    reconcile_bound_ms: u32,

    /// How far searches lag behind, in milliseconds.
    #[arg(long, value_name = "MS", default_value_t = Options::default().search_lag_ms)]
    search_lag_ms: u32,

    /// Answer 429 beyond so many requests a second; 0 for no limit.
    #[arg(long, value_name = "N", default_value_t = 0)]
    requests_per_second_max: u32,
}

/// Why the simulator did not run.
#[derive(Debug, thiserror::Error)]
pub enum GatewaySimError {
    /// The fault profile.
    #[error(transparent)]
    Profile(#[from] ProfileError),
    /// The journal.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The port.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// The runtime, the signals or stdout.
    #[error("the gateway simulator could not run: {0}")]
    Io(#[from] std::io::Error),
}

impl From<GatewaySimError> for CommandError {
    fn from(error: GatewaySimError) -> Self {
        match error {
            GatewaySimError::Listen(_) | GatewaySimError::Io(_) => {
                Self::Unavailable(Problem::new(error.to_string()))
            }
            GatewaySimError::Profile(_) | GatewaySimError::Open(_) => {
                Self::CouldNotRun(Problem::new(error.to_string()))
            }
        }
    }
}

/// Runs the simulator until it is told to stop.
///
/// # Errors
/// The profile or the journal cannot be read, or the address cannot be listened on.
pub fn run(args: Args) -> Result<(), GatewaySimError> {
    // One thread: what comes together is then journalled and answered together.
    let runtime = Builder::new_current_thread().enable_all().build()?;
    // Before anybody is told that it runs: who then stops it must not kill it.
    let told_to_stop = {
        let _context = runtime.enter();
        (
            signal(SignalKind::terminate())?,
            signal(SignalKind::interrupt())?,
        )
    };
    let options = Options {
        listen: args.listen,
        data: args.data,
        request_log: args.request_log,
        profile: Profile::named(&args.faults)?,
        seed: args.seed,
        latency_ms: args.latency_ms,
        api_key: args.api_key,
        key_lifetime_s: args.key_lifetime_s,
        reconcile_bound_ms: args.reconcile_bound_ms,
        search_lag_ms: args.search_lag_ms,
        requests_per_second_max: args.requests_per_second_max,
        ..Options::default()
    };
    let running = Simulator::open(options)?.serve(runtime.handle())?;
    let mut out = std::io::stdout().lock();
    writeln!(
        out,
        "gateway simulator listens on {0}; point a Stripe client at http://{0} with its --api-key as secret key",
        running.addr()
    )?;
    out.flush()?;
    runtime.block_on(run_until(told_to_stop, running));
    Ok(())
}

async fn run_until((mut terminate, mut interrupt): (Signal, Signal), running: Running) {
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    running.stop().await;
}
