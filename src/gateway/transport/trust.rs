//! Whose certificates the gateway may show: those of the public authorities, or those of a file alone.

use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};

/// TLS that trusts the certificates in `ca_file` (PEM) and no others; without a file, the public authorities.
///
/// # Errors
/// What is wrong with the file, as the end of a sentence that names it.
pub(crate) fn tls(ca_file: Option<&Path>) -> Result<ClientConfig, String> {
    let roots = match ca_file {
        Some(path) => read(path)?,
        None => RootCertStore::from_iter(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()),
    };
    // Named, since a build with the store's TLS has two.
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| format!("cannot be used: {error}"))?;
    Ok(config.with_root_certificates(roots).with_no_client_auth())
}

fn read(path: &Path) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    let certificates = CertificateDer::pem_file_iter(path)
        .map_err(|error| format!("cannot be read: {error}; write the path of a PEM file"))?;
    for certificate in certificates {
        certificate
            .map_err(|error| error.to_string())
            .and_then(|it| roots.add(it).map_err(|error| error.to_string()))
            .map_err(|why| {
                format!("holds a certificate that cannot be used: {why}; write it as PEM")
            })?;
    }
    if roots.is_empty() {
        return Err("holds no certificate; write those of your authority there, as PEM".to_owned());
    }
    Ok(roots)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn check(content: Option<&str>, expected: &str) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ca.pem");
        if let Some(content) = content {
            fs::write(&path, content).unwrap();
        }
        let error = tls(Some(&path)).unwrap_err();
        assert!(error.contains(expected), "{error}");
    }

    #[test]
    fn a_file_that_names_no_authority_is_refused() {
        check(None, "cannot be read");
        check(Some(""), "no certificate");
        check(Some("not PEM at all\n"), "no certificate");
        let garbage = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        check(Some(garbage), "cannot be used");
    }

    #[test]
    fn without_a_file_the_public_authorities_are_trusted() {
        assert!(tls(None).is_ok());
    }
}
