use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use alumet_core::Failure;
use alumet_core::plugin::{Faults, Finding, StartContext};
use alumet_shared_trust::{ClientTls, Secret, TlsError, valid_until};
use parking_lot::Mutex;
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Client, Method, RequestBuilder, Url, redirect, retry};
use rustls::{ClientConfig, RootCertStore};

use crate::answer::Answer;
use crate::config::{HttpConfig, Proxy, base_url};
use crate::explain::explain;
use crate::request::Request;

/// Speaks with one HTTP server. Cheap to clone; all clones share their connections.
#[derive(Debug, Clone)]
pub struct HttpClient(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    base: Url,
    /// The server, for messages.
    server: String,
    config: HttpConfig,
    headers: HeaderMap,
    /// Missing when the address asks for plain text.
    tls: Option<ClientTls>,
    /// Missing until the files could be used; made anew when these change.
    made: Mutex<Option<(Arc<ClientConfig>, Client)>>,
}

/// Why nothing can be sent.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// The configuration is wrong.
    #[error(transparent)]
    Config(#[from] Faults),
    /// The files for TLS cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// A file with a secret cannot be read.
    #[error("the file {} cannot be read; check its path and that the user of the program may read it", .path.display())]
    Secret {
        /// The file.
        path: PathBuf,
        /// The reason.
        source: io::Error,
    },
    /// A secret cannot be sent.
    #[error("the {0} has characters that no header can carry; write it anew, in one line")]
    Unsendable(&'static str),
    /// There is no answer, or none that can be used.
    #[error("{0}")]
    NoAnswer(String),
    /// The client cannot be made.
    #[error("an HTTP client cannot be made")]
    Library(#[source] reqwest::Error),
}

/// Servers and proxies close a connection after a minute or more of silence. Below that, no request meets the end of one.
const IDLE: Duration = Duration::from_secs(30);

/// How long a server may take while a plugin is only tried.
const TRIAL: Duration = Duration::from_secs(5);

impl HttpClient {
    /// A client of the server at `url`.
    ///
    /// # Errors
    /// What is wrong with the configuration, or with the files that it names.
    pub fn new(url: &str, config: &HttpConfig) -> Result<Self, HttpError> {
        let mut faults = Faults::default();
        config.check(url, &mut faults);
        faults.or_ok()?;
        let base = base_url(url).map_err(Faults::from)?;
        let is_tls = base.scheme() == "https";
        let mut headers = HeaderMap::new();
        for (name, value) in &config.headers {
            let name = HeaderName::try_from(name.as_str()).map_err(|_| HttpError::Unsendable("header"))?;
            headers.insert(name, sensitive(&value.0, "header")?);
        }
        let client = Self(Arc::new(Inner {
            server: base.as_str().trim_end_matches('/').to_owned(),
            base,
            config: config.clone(),
            headers,
            tls: is_tls.then(|| ClientTls::new(&config.tls, None)).transpose()?,
            made: Mutex::new(None),
        }));
        client.0.credentials()?;
        Ok(client)
    }

    /// A request that sends a body, compressed as the configuration says.
    pub fn post(&self, path: impl Into<String>, content_type: &'static str, body: Vec<u8>) -> Request {
        Request::new(Method::POST, path).with_body(content_type, body, self.0.config.compression)
    }

    /// A request that asks for something.
    pub fn get(&self, path: impl Into<String>) -> Request {
        Request::new(Method::GET, path)
    }

    /// Sends a request and waits for its answer.
    ///
    /// # Errors
    /// What can be done about it: the same again, perhaps after a pause that the server asks for, smaller parts, or nothing.
    pub async fn send(&self, request: Request) -> Result<Answer, Failure> {
        let inner = &*self.0;
        let response = inner.request(&request)?.send().await;
        let mut response = response.map_err(|error| inner.no_answer(error))?;
        let mut body = Vec::new();
        loop {
            match response.chunk().await {
                Ok(None) => break,
                Ok(Some(chunk)) if body.len() + chunk.len() <= request.answer_limit => {
                    body.extend_from_slice(&chunk)
                }
                // Of an error, the beginning is enough.
                _ if !response.status().is_success() => break,
                Ok(Some(_)) => {
                    let limit = request.answer_limit;
                    let server = &inner.server;
                    let text =
                        format!("{server} answers with more than {limit} bytes; check what listens there");
                    return Err(HttpError::NoAnswer(text).into());
                }
                Err(error) => return Err(inner.no_answer(error).into()),
            }
        }
        let answer = Answer {
            status: response.status(),
            headers: std::mem::take(response.headers_mut()),
            body: body.into(),
        };
        answer.judge(&inner.server, &request.accepted)
    }

    /// Tries the server while a plugin is only tried, and notes what came of it; does nothing otherwise. A server that is
    /// away is no fault: samples wait for it.
    ///
    /// # Errors
    /// When a certificate is out of date.
    pub fn try_out(&self, request: Request, alumet: &mut StartContext<'_>) -> Result<(), HttpError> {
        if !alumet.is_trial() {
            return Ok(());
        }
        self.0.client()?;
        let subject = format!("server {}", self.0.server);
        // A plugin may be tried in a program that has a runtime already, which must not be blocked.
        let tried = std::thread::scope(|scope| scope.spawn(|| self.send_alone(request)).join());
        alumet.note(match tried {
            Ok(Ok(answer)) => Finding::works(subject, format!("answers {}", answer.status)),
            Ok(Err(failure)) => Finding::limited(
                subject,
                failure.to_string(),
                "mend that before samples are to arrive; until then they wait",
            ),
            Err(_) => Finding::limited(subject, "the trial broke", "look for a panic in the log"),
        });
        if let (Some(_), Some(path)) = (&self.0.tls, &self.0.config.tls.certificate) {
            let until = valid_until(path)?;
            let subject = format!("certificate {}", path.display());
            alumet.note(Finding::works(subject, format!("valid until {until}")));
        }
        Ok(())
    }

    fn send_alone(&self, request: Request) -> Result<Answer, Failure> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        runtime.block_on(async {
            let late = || Failure::retry(format!("no answer within {} s", TRIAL.as_secs()));
            tokio::time::timeout(TRIAL, self.send(request))
                .await
                .unwrap_or_else(|_| Err(late()))
        })
    }
}

impl Inner {
    fn request(&self, request: &Request) -> Result<RequestBuilder, HttpError> {
        let url = format!("{}{}", self.base.as_str().trim_end_matches('/'), request.path);
        let builder = self
            .client()?
            .request(request.method.clone(), url)
            .headers(self.headers.clone())
            .headers(request.headers.clone())
            .body(request.body.clone());
        Ok(match self.credentials()? {
            Credentials::None => builder,
            Credentials::Token(value) => builder.header(AUTHORIZATION, value),
            Credentials::Password(user, password) => builder.basic_auth(user, Some(password)),
        })
    }

    /// The credentials as they are now.
    fn credentials(&self) -> Result<Credentials, HttpError> {
        let config = &self.config;
        if let Some(token) = read(config.token.as_ref(), config.token_file.as_ref())? {
            let value = format!("{} {token}", config.token_scheme);
            return Ok(Credentials::Token(sensitive(&value, "token")?));
        }
        let password = read(config.password.as_ref(), config.password_file.as_ref())?;
        let both = config.user.clone().zip(password);
        Ok(both.map_or(Credentials::None, |(user, password)| {
            Credentials::Password(user, password)
        }))
    }

    /// What sends the next request.
    fn client(&self) -> Result<Client, HttpError> {
        let tls = self.tls.as_ref().map(ClientTls::config).transpose()?;
        let mut made = self.made.lock();
        match (&*made, tls) {
            (Some((_, client)), None) => Ok(client.clone()),
            (Some((used, client)), Some(tls)) if Arc::ptr_eq(used, &tls) => Ok(client.clone()),
            (_, tls) => {
                let tls = tls.map_or_else(without_authorities, Ok)?;
                let client = self.make(&tls).map_err(HttpError::Library)?;
                Ok(made.insert((tls, client)).1.clone())
            }
        }
    }

    fn make(&self, tls: &ClientConfig) -> Result<Client, reqwest::Error> {
        let builder = Client::builder()
            .tls_backend_preconfigured(tls.clone())
            .user_agent(concat!("alumet/", env!("CARGO_PKG_VERSION")))
            .http1_only()
            // Whoever delivers counts attempts; and a redirect would take the credentials along.
            .retry(retry::never())
            .redirect(redirect::Policy::none())
            .referer(false)
            .pool_idle_timeout(IDLE)
            .connect_timeout(*self.config.connect_timeout)
            .timeout(*self.config.timeout);
        match &self.config.proxy {
            Proxy::Environment => builder,
            Proxy::None => builder.no_proxy(),
            Proxy::At(address) => builder.proxy(reqwest::Proxy::all(address)?),
        }
        .build()
    }

    fn no_answer(&self, error: reqwest::Error) -> HttpError {
        HttpError::NoAnswer(explain(error, &self.server, self.tls.is_some(), &self.config))
    }
}

enum Credentials {
    None,
    Token(HeaderValue),
    Password(String, String),
}

/// A secret, which is in the configuration or alone in a file.
fn read(secret: Option<&Secret>, file: Option<&PathBuf>) -> Result<Option<String>, HttpError> {
    match (secret, file) {
        (Some(secret), _) => Ok(Some(secret.0.clone())),
        (None, Some(path)) => match std::fs::read_to_string(path) {
            Ok(text) => Ok(Some(text.trim().to_owned())),
            Err(source) => Err(HttpError::Secret {
                path: path.clone(),
                source,
            }),
        },
        (None, None) => Ok(None),
    }
}

/// A value that no debug form shows.
fn sensitive(text: &str, what: &'static str) -> Result<HeaderValue, HttpError> {
    let mut value = HeaderValue::try_from(text).map_err(|_| HttpError::Unsendable(what))?;
    value.set_sensitive(true);
    Ok(value)
}

/// What plain text needs, because the library looks for a provider even then.
fn without_authorities() -> Result<Arc<ClientConfig>, HttpError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| HttpError::NoAnswer(format!("TLS cannot be set up: {error}")))?;
    let config = builder
        .with_root_certificates(RootCertStore::empty())
        .with_no_client_auth();
    Ok(Arc::new(config))
}
