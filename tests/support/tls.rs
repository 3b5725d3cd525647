//! A TLS listener in front of a plain one, with a certificate of an authority made for the test.

#![allow(clippy::unwrap_used)]

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use tempfile::TempDir;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, copy, split};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Handle;
use tokio_rustls::TlsAcceptor;

/// Takes TLS away and hands on what was inside, until the process ends.
pub struct TlsFront {
    pub addr: SocketAddr,
    /// The authority's certificate.
    ca: TempDir,
    /// What ALPN chose on each connection.
    chosen: Arc<Mutex<Vec<String>>>,
}

impl TlsFront {
    /// In front of `behind`, under this name, speaking what ALPN names.
    pub fn start(handle: &Handle, behind: SocketAddr, name: &str, alpn: &[&str]) -> Self {
        let (config, ca) = certified(name, alpn);
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = handle.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let addr = listener.local_addr().unwrap();
        let chosen = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&chosen);
        let spawner = handle.clone();
        handle.spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (acceptor, seen) = (acceptor.clone(), Arc::clone(&seen));
                spawner.spawn(async move {
                    // A client that does not trust us is the client's test.
                    let Ok(mut inside) = acceptor.accept(stream).await else {
                        return;
                    };
                    let protocol = inside.get_ref().1.alpn_protocol().unwrap_or_default();
                    let protocol = String::from_utf8(protocol.to_vec()).unwrap();
                    seen.lock().unwrap().push(protocol);
                    let (mut from, mut to) = TcpStream::connect(behind).await.unwrap().into_split();
                    let (mut asked, mut answered) = split(&mut inside);
                    tokio::select! {
                        _ended = copy(&mut asked, &mut to) => {}
                        _ended = answer(&mut from, &mut answered, behind, addr) => {}
                    }
                });
            }
        });
        Self { addr, ca, chosen }
    }

    pub fn ca_file(&self) -> PathBuf {
        ca_file(self.ca.path())
    }

    /// What ALPN chose, connection by connection.
    pub fn chosen(&self) -> Vec<String> {
        self.chosen.lock().unwrap().clone()
    }
}

/// Hands answers on. A broker that names itself in one is named as we are, so that its clients come back to us.
async fn answer(
    from: &mut (impl AsyncRead + Unpin),
    to: &mut (impl AsyncWrite + Unpin),
    behind: SocketAddr,
    front: SocketAddr,
) -> std::io::Result<()> {
    let named = |addr: SocketAddr| {
        let port = i32::from(addr.port()).to_be_bytes();
        [addr.ip().to_string().as_bytes(), &port].concat()
    };
    let (theirs, ours) = (named(behind), named(front));
    let mut bytes = vec![0; 64 * 1024];
    loop {
        let count = from.read(&mut bytes).await?;
        if count == 0 {
            return Ok(());
        }
        let read = &mut bytes[..count];
        let places = read.windows(theirs.len()).enumerate();
        let places: Vec<_> = places
            .filter(|(_, it)| *it == theirs)
            .map(|(at, _)| at)
            .collect();
        for at in places {
            read[at..at + ours.len()].copy_from_slice(&ours);
        }
        to.write_all(read).await?;
        to.flush().await?;
    }
}

fn ca_file(folder: &Path) -> PathBuf {
    folder.join("ca.pem")
}

static AUTHORITIES: AtomicUsize = AtomicUsize::new(0);

/// A server's side for this name, and the folder with the certificate of its authority.
fn certified(name: &str, alpn: &[&str]) -> (ServerConfig, TempDir) {
    let mut authority = CertificateParams::new([]).unwrap();
    // Each has a name of its own: OpenSSL takes who is named like its issuer for self-signed.
    let number = AUTHORITIES.fetch_add(1, Ordering::Relaxed);
    authority
        .distinguished_name
        .push(DnType::CommonName, format!("authority {number}"));
    authority.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let pem = authority.self_signed(&key).unwrap().pem();
    std::fs::write(ca_file(folder.path()), pem).unwrap();
    let authority = Issuer::new(authority, key);

    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new([name.to_owned()])
        .unwrap()
        .signed_by(&key, &authority)
        .unwrap();
    let key = PrivateKeyDer::Pkcs8(key.serialize_der().into());
    let mut config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key)
        .unwrap();
    config.alpn_protocols = alpn.iter().map(|it| it.as_bytes().to_vec()).collect();
    (config, folder)
}
