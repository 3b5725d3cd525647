//! `almoner health`: asks the service that runs beside, for a health check in an image without a shell.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use http_body_util::{BodyExt, Empty};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::{Request, StatusCode, header};
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use tokio::net::TcpStream;

use super::{CommandError, ConfigFile, Problem, print};

/// Longer than a service that lives ever takes.
const WITHIN: Duration = Duration::from_secs(5);

/// What to ask.
#[derive(clap::Args, Clone, Debug)]
pub struct Args {
    /// Ask only whether it lives, not whether it is ready.
    #[arg(long)]
    live: bool,
    #[command(flatten)]
    config: ConfigFile,
}

/// What is needed of the answer.
#[derive(Deserialize)]
struct Report {
    status: String,
    checks: Vec<Check>,
}

#[derive(Deserialize)]
struct Check {
    name: String,
    ok: bool,
    detail: String,
}

/// Runs the command.
///
/// # Errors
/// It is not as it should be: exit code 1. Nobody answers: 69.
pub fn run(args: Args) -> Result<(), CommandError> {
    let addr = reachable(args.config.load()?.config.admin.listen);
    let path = if args.live { "/livez" } else { "/readyz" };
    let unanswered = |error: Box<dyn std::error::Error + Send + Sync>| {
        let what = format!("nobody answers at {addr}");
        let hint = "does the service run here, with this [admin] listen?";
        CommandError::Unavailable(Problem::new(what).because(error).hint(hint))
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| unanswered(error.into()))?;
    let asked = async { tokio::time::timeout(WITHIN, ask(addr, path)).await };
    let answer = match runtime.block_on(asked) {
        Ok(answer) => answer.map_err(unanswered)?,
        Err(late) => return Err(unanswered(late.into())),
    };
    said(&answer)
}

/// Where a service that listens everywhere can be asked.
fn reachable(listen: SocketAddr) -> SocketAddr {
    let ip = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, listen.port())
}

async fn ask(
    addr: SocketAddr,
    path: &str,
) -> Result<(StatusCode, Bytes), Box<dyn std::error::Error + Send + Sync>> {
    let stream = TcpStream::connect(addr).await?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let request = Request::get(path)
        .header(header::HOST, addr.to_string())
        .body(Empty::<Bytes>::new())?;
    let answered = async {
        let (head, body) = sender.send_request(request).await?.into_parts();
        Ok((head.status, body.collect().await?.to_bytes()))
    };
    tokio::select! {
        answer = answered => answer,
        Err(error) = connection => Err(error.into()),
    }
}

fn said((status, body): &(StatusCode, Bytes)) -> Result<(), CommandError> {
    let Ok(report) = serde_json::from_slice::<Report>(body) else {
        let what = format!("what answers is not this service: {status}");
        return Err(CommandError::Verdict(
            Problem::new(what).hint("whose port is [admin] listen?"),
        ));
    };
    if status.is_success() {
        return print(&format!("{}\n", report.status));
    }
    let failing = report.checks.iter().filter(|check| !check.ok);
    let failing: Vec<_> = failing
        .map(|check| format!("{}: {}", check.name, check.detail))
        .collect();
    Err(CommandError::Verdict(Problem::new(failing.join("; "))))
}
