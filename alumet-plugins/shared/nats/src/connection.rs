//! The connection to the servers.

use std::path::Path;
use std::sync::Arc;

use alumet_core::Failure;
use alumet_core::pipeline::Control;
use alumet_core::plugin::{StartContext, StartError};
use alumet_shared_trust::{ClientTls, certificate, open_secret, read_secret, try_server};
use async_nats::jetstream::context::ContextBuilder;
use async_nats::jetstream::{self, Context};
use async_nats::{ConnectOptions, Event, ServerAddr};
use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

use crate::config::{ConnectionConfig, StreamConfig};
use crate::explain::not_connected;
use crate::stream::find_or_make;

/// Makes connections as the configuration and its files say.
///
/// A connection that breaks is not mended: whoever has it makes another, with what the files hold then.
#[derive(Debug)]
pub struct Connector {
    config: ConnectionConfig,
    stream: StreamConfig,
    addresses: Vec<ServerAddr>,
    tls: Option<ClientTls>,
}

/// A connection with the stream.
#[derive(Debug)]
pub struct Session {
    /// What JetStream is asked through.
    pub context: Context,
    /// The stream, as it was when the connection was made.
    pub stream: jetstream::stream::Stream,
    lost: CancellationToken,
    /// What the server has complained about last.
    complaint: Arc<Mutex<Option<String>>>,
}

/// How many acknowledgements of messages may be waited for at once.
const IN_FLIGHT: usize = 256;

impl Connector {
    /// Reads the configuration and its files; connects to nothing.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn new(config: &ConnectionConfig, stream: &StreamConfig) -> Result<Self, StartError> {
        let tls = config.tls.as_ref().map(|tls| ClientTls::new(tls, None));
        let connector = Self {
            config: config.clone(),
            stream: stream.clone(),
            addresses: config.addresses()?,
            tls: tls.transpose()?,
        };
        connector
            .options()
            .map_err(|failure| StartError::new(failure.to_string()))?;
        Ok(connector)
    }

    /// The servers, for people.
    pub fn servers(&self) -> String {
        self.config.servers.join(", ")
    }

    /// Lets each status of a pipeline tell the certificates.
    pub fn report_to(&self, control: &Control) {
        if let Some(tls) = &self.tls {
            tls.report_to(control);
        }
    }

    /// Connects to a server, and finds the stream there or makes it.
    ///
    /// # Errors
    /// Why that is not possible at the moment.
    pub async fn open(&self) -> Result<Session, Failure> {
        let lost = CancellationToken::new();
        let complaint = Arc::new(Mutex::new(None));
        let (ending, hearing) = (lost.clone(), Arc::clone(&complaint));
        let options = self.options()?.event_callback(move |event| {
            match event {
                Event::Disconnected | Event::Closed => ending.cancel(),
                Event::ServerError(error) => *hearing.lock() = Some(error.to_string()),
                _ => {}
            }
            std::future::ready(())
        });
        let connecting = options.connect(self.addresses.as_slice()).await;
        let client = connecting.map_err(|error| {
            Failure::retry(not_connected(&error, &self.servers(), self.config.tls.as_ref()))
        })?;
        let context = ContextBuilder::new()
            .timeout(*self.config.timeout)
            .max_ack_inflight(IN_FLIGHT)
            .backpressure_on_inflight(true)
            .build(client);
        let stream = find_or_make(&context, &self.stream).await?;
        Ok(Session {
            context,
            stream,
            lost,
            complaint,
        })
    }

    /// Notes what a trial shows; a server that is away is no fault.
    ///
    /// # Errors
    /// When a certificate is out of date.
    pub fn try_out(&self, alumet: &mut StartContext<'_>) -> Result<(), StartError> {
        alumet.note(try_server(
            format!("NATS server {}", self.servers()),
            *self.config.connect_timeout + *self.config.timeout,
            "mend that before samples are to arrive; until then they wait",
            async {
                let session = self.open().await.map_err(|failure| failure.to_string())?;
                let state = &session.stream.cached_info().state;
                Ok(format!(
                    "has the stream {} with {} messages",
                    self.stream.name, state.messages
                ))
            },
        ));
        let tls = self.config.tls.iter();
        for path in tls.flat_map(|tls| [&tls.ca, &tls.certificate]).flatten() {
            alumet.note(certificate(path)?);
        }
        for finding in self
            .config
            .secrets()
            .filter_map(|(what, path)| open_secret(what, path))
        {
            alumet.note(finding);
        }
        Ok(())
    }

    fn options(&self) -> Result<ConnectOptions, Failure> {
        let config = &self.config;
        let mut options = ConnectOptions::new()
            .name("alumet")
            .connection_timeout(*config.connect_timeout)
            .retain_servers_order()
            // Each server once; whoever wants a connection later asks for a new one.
            .max_reconnects(self.addresses.len());
        if let Some(tls) = &self.tls {
            options = options
                .require_tls(true)
                .tls_client_config((*tls.config()?).clone());
        }
        if let (Some(user), Some(password)) = (
            &config.username,
            read_secret(config.password.as_ref(), config.password_file.as_deref())?,
        ) {
            options = options.user_and_password(user.clone(), password);
        }
        if let Some(token) = read_secret(config.token.as_ref(), config.token_file.as_deref())? {
            options = options.token(token);
        }
        if let Some(seed) = read_secret(None, config.nkey_file.as_deref())? {
            options = options.nkey(seed);
        }
        if let Some(path) = config.credentials_file.as_deref()
            && let Some(text) = read_secret(None, Some(path))?
        {
            options = options
                .credentials(&text)
                .map_err(|error| no_credentials(path, &error))?;
        }
        Ok(options)
    }
}

impl Session {
    /// Does something as long as the connection stands.
    ///
    /// # Errors
    /// Those of the work, with what the server has complained about; and that the connection has broken.
    pub async fn within<T>(
        &self,
        work: impl Future<Output = Result<T, Failure>> + Send,
    ) -> Result<T, Failure> {
        let result = tokio::select! {
            result = work => result,
            () = self.lost.cancelled() => Err(Failure::retry("the connection to the NATS server broke; it is made anew")),
        };
        let complaint = result.is_err().then(|| self.complaint.lock().take()).flatten();
        match (result, complaint) {
            (Err(failure), Some(said)) => Err(Failure::new(
                failure.remedy(),
                format!("{failure}; before that, the NATS server said: {said}"),
            )),
            (result, _) => result,
        }
    }
}

fn no_credentials(path: &Path, error: &std::io::Error) -> Failure {
    Failure::retry(format!(
        "{} holds no credentials ({error}); let `nsc generate creds` write it",
        path.display()
    ))
}
