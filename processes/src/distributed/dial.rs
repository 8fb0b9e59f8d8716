//! Connecting to brokers: what is shown to them, what they have to show, and how that fails.

use std::error::Error;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_nats::rustls;
use async_nats::{Client, ConnectError, ConnectErrorKind, ConnectOptions, Event};
use tokio::sync::watch;

use super::address::{invalid, is_loopback};
use super::cluster::Cluster;
use super::wire::{NEEDED, too_narrow};

/// How long a broker may take until it has let somebody in.
const CONNECT: Duration = Duration::from_secs(5);

/// How often a broker is asked whether it is there. After two answers that have not come another one is
/// connected to: one that is cut off is noticed within three times this.
const PING_EVERY: Duration = Duration::from_secs(4);

impl Cluster {
    /// Connects; `connections` counts the connections, of which there is a new one after each break.
    ///
    /// # Errors
    /// As [`connect`](Self::connect).
    pub(super) async fn dial(
        &self,
        name: &str,
        connections: Arc<watch::Sender<u64>>,
    ) -> io::Result<Client> {
        let (servers, log) = (self.servers()?, self.log);
        let mut options = ConnectOptions::new()
            .name(name)
            .connection_timeout(CONNECT)
            .ping_interval(PING_EVERY)
            .subscription_capacity(64 * 1024)
            .client_capacity(self.outgoing)
            .reconnect_delay_callback(|attempt| {
                Duration::from_millis(50 * u64::try_from(attempt.min(20)).unwrap_or(20))
            })
            .event_callback(move |event| {
                if let Some(log) = log {
                    log(&format!("the connection: {event}"));
                }
                if matches!(event, Event::Connected) {
                    connections.send_modify(|count| *count += 1);
                }
                std::future::ready(())
            });
        if servers.iter().all(|server| is_loopback(server.host())) {
            // Servers that this one tells of may be elsewhere.
            options = options.ignore_discovered_servers();
        }
        // User, password and token of the address are not used by themselves.
        options = match super::address::login(&servers)? {
            Some(login) => match login.password {
                Some(password) => options.user_and_password(login.name, password),
                None => options.token(login.name),
            },
            None => options,
        };
        options = self.with_files(options)?;
        if self.needs_tls(&servers) {
            options = options.require_tls(true);
        }
        let client = options.connect(servers).await.map_err(|error| self.refused(&error))?;
        let takes = client.max_payload();
        if takes < NEEDED {
            let place = self.place();
            let message = format!("connect to the cluster at {place}: {}", too_narrow(takes));
            return Err(io::Error::new(io::ErrorKind::NotConnected, message));
        }
        Ok(client)
    }

    /// What is in the files that the settings name.
    ///
    /// # Errors
    /// One cannot be read, or is of another kind.
    fn with_files(&self, mut options: ConnectOptions) -> io::Result<ConnectOptions> {
        if let Some(path) = &self.credentials {
            let text = read("the credentials", path, "NATS USER JWT-----")?;
            options = options.credentials(&text).or_else(|error| {
                invalid(format!("the credentials {} are none: {error}", path.display()))
            })?;
        }
        if let Some(path) = &self.roots {
            read("the certificates", path, "BEGIN CERTIFICATE-----")?;
            options = options.add_root_certificates(path.clone());
        }
        if let Some((certificate, key)) = &self.identity {
            read("the certificate", certificate, "BEGIN CERTIFICATE-----")?;
            read("the key", key, "PRIVATE KEY-----")?;
            options = options.add_client_certificate(certificate.clone(), key.clone());
        }
        Ok(options)
    }

    /// Says why there is no connection.
    fn refused(&self, error: &ConnectError) -> io::Error {
        use rustls::Error::{AlertReceived, InvalidCertificate};
        let (kind, why) = match (error.kind(), tls_error(error)) {
            (ConnectErrorKind::Authentication | ConnectErrorKind::AuthorizationViolation, _) => {
                (io::ErrorKind::PermissionDenied, "it refuses who this is".to_owned())
            }
            (ConnectErrorKind::ServerParse, _) => (io::ErrorKind::InvalidInput, error.to_string()),
            (_, Some(AlertReceived(alert))) if is_about_certificate(*alert) => {
                let which = match self.identity {
                    Some(_) => "it refuses the certificate of this side",
                    None => "it wants a certificate of this side, see `Cluster::identity`",
                };
                (io::ErrorKind::PermissionDenied, format!("{which} ({alert:?})"))
            }
            (_, Some(wrong @ InvalidCertificate(_))) => {
                (io::ErrorKind::NotConnected, format!("it is not trusted: {wrong}"))
            }
            _ => (io::ErrorKind::NotConnected, error.to_string()),
        };
        io::Error::new(kind, format!("connect to the cluster at {}: {why}", self.place()))
    }
}

/// The text of a file, in which `mark` has to be.
///
/// # Errors
/// It cannot be read; `InvalidInput`: it is something else.
fn read(what: &str, path: &Path, mark: &str) -> io::Result<String> {
    let text = std::fs::read_to_string(path).map_err(|error| {
        io::Error::new(error.kind(), format!("{what} {}: {error}", path.display()))
    })?;
    if !text.contains(mark) {
        return invalid(format!("{what} {}: there are none in it", path.display()));
    }
    Ok(text)
}

/// What TLS has said, if it has.
fn tls_error(error: &ConnectError) -> Option<&rustls::Error> {
    let mut next = error.source();
    while let Some(error) = next {
        let inner = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        let found = inner.and_then(|inner| inner.downcast_ref()).or_else(|| error.downcast_ref());
        if found.is_some() {
            return found;
        }
        next = error.source();
    }
    None
}

/// Whether a broker says with this that it does not like the certificate, or that there is none.
fn is_about_certificate(alert: rustls::AlertDescription) -> bool {
    use rustls::AlertDescription as Alert;
    matches!(
        alert,
        Alert::NoCertificate
            | Alert::BadCertificate
            | Alert::UnsupportedCertificate
            | Alert::CertificateRevoked
            | Alert::CertificateExpired
            | Alert::CertificateUnknown
            | Alert::CertificateRequired
            | Alert::UnknownCA
            | Alert::AccessDenied
    )
}
