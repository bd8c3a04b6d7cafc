use std::error::Error;

use rustls::{AlertDescription, CertificateError, InvalidMessage};

use crate::config::TlsConfig;
use crate::server::ServerFiles;

/// Why a client could not begin to speak TLS with a server, which file is concerned and how to mend it; `None` when the
/// reason is not TLS.
pub fn explain_client(error: &(dyn Error + 'static), tls: &TlsConfig) -> Option<String> {
    let own = tls.certificate.as_ref().map(|path| path.display());
    Some(match tls_error(error)? {
        rustls::Error::InvalidCertificate(error) => match error {
            CertificateError::UnknownIssuer | CertificateError::BadSignature => match &tls.ca {
                Some(ca) => format!(
                    "the certificate of the server is not signed by an authority in {}; copy the certificate of its authority \
                     (`ca.pem`) there",
                    ca.display()
                ),
                None => "the certificate of the server is signed by nobody whom this system trusts; name the certificate of \
                         its authority in `tls.ca`"
                    .to_owned(),
            },
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => format!(
                "{error}; connect to one of the names in the certificate, or set `tls.server_name`"
            ),
            error => untrusted(error, "server", "replace it there"),
        },
        rustls::Error::AlertReceived(alert) => match (alert, own, complaint(*alert)) {
            // Servers in Go say that what was not shown is bad.
            (AlertDescription::CertificateRequired | AlertDescription::BadCertificate, None, _) => {
                "the server wants a certificate; set `tls.certificate` and `tls.key`".to_owned()
            }
            (_, Some(own), Some(complaint)) => format!(
                "the server does not take the certificate in {own} ({complaint}); let its authority issue a new one"
            ),
            (alert, ..) => format!("the server ended the handshake ({alert:?}); its log says why"),
        },
        rustls::Error::InvalidMessage(InvalidMessage::InvalidContentType) => {
            "the server does not speak TLS; check the port, or write the address with `http://`".to_owned()
        }
        error => format!("TLS with the server failed: {error}"),
    })
}

/// Why a server could not begin to speak TLS with a client, which file is concerned and how to mend it; `None` when the
/// reason is not TLS.
pub fn explain_server(error: &(dyn Error + 'static), files: &ServerFiles) -> Option<String> {
    let own = files.certificate.display();
    let ca = files.client_ca.as_ref().map(|path| path.display());
    let error = tls_error(error)?;
    let failed = || format!("TLS with the client failed: {error}");
    Some(match (error, ca) {
        (rustls::Error::NoCertificatesPresented, _) => {
            "the client shows no certificate; set `tls.certificate` and `tls.key` there".to_owned()
        }
        (rustls::Error::InvalidCertificate(error), Some(ca)) => match error {
            CertificateError::UnknownIssuer | CertificateError::BadSignature => format!(
                "the certificate of the client is not signed by an authority in {ca}; issue one there"
            ),
            CertificateError::Revoked => match &files.client_crl {
                Some(crl) => format!(
                    "the certificate of the client was revoked in {}; issue a new one if it shall connect",
                    crl.display()
                ),
                None => untrusted(error, "client", ""),
            },
            error => untrusted(error, "client", "issue a new one"),
        },
        (rustls::Error::AlertReceived(alert), _) => match complaint(*alert) {
            Some(complaint) => format!(
                "the client does not take the certificate in {own} ({complaint}); give it the authority that signed this \
                 certificate and a name that is in it, or replace it"
            ),
            None => failed(),
        },
        (rustls::Error::InvalidMessage(InvalidMessage::InvalidContentType), _) => {
            "the client does not speak TLS; set `tls` there, or write the address with `https://`".to_owned()
        }
        _ => failed(),
    })
}

/// Whether the other side speaks TLS where plain text was expected: it begins with a handshake, or answers with an alert (RFC
/// 8446, section 5.1). HTTP begins with neither, HTTP/2 included: its first byte is that of a length below 2²⁰.
pub const fn begins_tls(first: u8) -> bool {
    matches!(first, 0x15 | 0x16)
}

/// What is wrong with the certificate of the other side, `whose` it is.
fn untrusted(error: &CertificateError, whose: &str, renew: &str) -> String {
    match error {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            format!("the certificate of the {whose} has expired; {renew}, or set the clock of this machine")
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            format!("the certificate of the {whose} is not valid yet; set the clock of this machine")
        }
        error => format!("the certificate of the {whose} cannot be trusted: {error}"),
    }
}

/// The error of rustls somewhere among the causes.
fn tls_error<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a rustls::Error> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref::<rustls::Error>() {
            return Some(found);
        }
        // An `io::Error` hides what it was made of from `source`.
        let inner = error
            .downcast_ref::<std::io::Error>()
            .and_then(std::io::Error::get_ref);
        next = match inner {
            Some(inner) => Some(inner),
            None => error.source(),
        };
    }
    None
}

/// What the other side has against a certificate; `None` when it is about something else.
const fn complaint(alert: AlertDescription) -> Option<&'static str> {
    match alert {
        AlertDescription::CertificateExpired => {
            Some("it has expired or is not valid yet, or the clock there is wrong")
        }
        // Of two authorities of the same name, only the signature tells that it is the wrong one.
        AlertDescription::UnknownCA | AlertDescription::DecryptError => {
            Some("it is signed by an authority that is not known there")
        }
        AlertDescription::CertificateRevoked => Some("it was revoked"),
        AlertDescription::AccessDenied => Some("it gives no access"),
        AlertDescription::BadCertificate
        | AlertDescription::UnsupportedCertificate
        | AlertDescription::CertificateUnknown => {
            Some("it cannot be verified there, or has another name than is wanted there")
        }
        _ => None,
    }
}
