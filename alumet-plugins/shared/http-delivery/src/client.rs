use std::sync::Arc;
use std::time::Duration;

use alumet_core::Failure;
use alumet_core::plugin::{Faults, StartContext, StartError};
use alumet_shared_trust::{ClientTls, certificate, read_secret, try_server};
use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::Frame;
use hyper::http;
use parking_lot::Mutex;
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Body, Client, Method, RequestBuilder, redirect, retry};
use rustls::{ClientConfig, RootCertStore};

use crate::answer::{Answer, is_page};
use crate::config::{HttpConfig, base_url};
use crate::explain::explain;
use crate::grpc;
use crate::request::Request;

/// Speaks with one HTTP server. Cheap to clone; all clones share their connections.
#[derive(Debug, Clone)]
pub struct HttpClient(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    /// The address, without a slash at its end.
    server: String,
    config: HttpConfig,
    is_grpc: bool,
    headers: HeaderMap,
    /// Missing when the address asks for plain text.
    tls: Option<ClientTls>,
    /// What is used then.
    plain: Arc<ClientConfig>,
    /// Missing until the files could be used; made anew when these change.
    made: Mutex<Option<(Arc<ClientConfig>, Client)>>,
}

/// Servers and proxies close a connection after a minute or more of silence. Below that, no request meets the end of one.
const IDLE: Duration = Duration::from_secs(30);

/// An answer larger than this is not what an output has asked for.
const ANSWER_LIMIT: usize = 16 << 20;

/// Is given the pieces of an answer, and says whether there may be more.
type Take<'a> = &'a mut (dyn FnMut(&[u8]) -> bool + Send);

/// How long a server may take while a plugin is only tried.
const TRIAL: Duration = Duration::from_secs(5);

impl HttpClient {
    /// A client of the server at `url`, which the configuration of the output has under `key`.
    ///
    /// # Errors
    /// What is wrong with the configuration, or with the files that it names.
    pub fn new(key: &str, url: &str, config: &HttpConfig) -> Result<Self, StartError> {
        Self::with(key, url, config, false)
    }

    /// A client of the server at `url`, of which it asks [calls](Self::call) of gRPC and nothing else.
    ///
    /// # Errors
    /// As for [`Self::new`].
    pub fn grpc(key: &str, url: &str, config: &HttpConfig) -> Result<Self, StartError> {
        Self::with(key, url, config, true)
    }

    fn with(key: &str, url: &str, config: &HttpConfig, is_grpc: bool) -> Result<Self, StartError> {
        let mut faults = Faults::default();
        config.check(key, url, &mut faults);
        faults.or_ok()?;
        let base = base_url(key, url).map_err(Faults::from)?;
        let is_tls = base.scheme() == "https";
        let mut headers = HeaderMap::new();
        for (name, value) in &config.headers {
            let value = sensitive(&value.0, "header").map_err(no_start)?;
            headers.insert(HeaderName::try_from(name.as_str())?, value);
        }
        let client = Self(Arc::new(Inner {
            server: base.as_str().trim_end_matches('/').to_owned(),
            config: config.clone(),
            is_grpc,
            headers,
            tls: is_tls.then(|| ClientTls::new(&config.tls, None)).transpose()?,
            plain: without_authorities()?,
            made: Mutex::new(None),
        }));
        client.0.credentials().map_err(no_start)?;
        Ok(client)
    }

    /// A request that sends a body, compressed as the configuration says.
    pub fn post(
        &self,
        path: impl Into<String>,
        content_type: &'static str,
        body: impl Into<Bytes>,
    ) -> Request {
        Request::post(path.into(), content_type, body.into(), self.0.config.compression)
    }

    /// A call of a gRPC method, such as `/package.Service/Method`. Its answer holds the message that comes back.
    pub fn call(&self, method: impl Into<String>, message: &[u8]) -> Request {
        Request::call(method.into(), message, self.0.config.compression)
    }

    /// A request that asks for something.
    pub fn get(&self, path: impl Into<String>) -> Request {
        Request {
            path: path.into(),
            ..Request::default()
        }
    }

    /// A request that removes something.
    pub fn delete(&self, path: impl Into<String>) -> Request {
        Request {
            method: Method::DELETE,
            ..self.get(path)
        }
    }

    /// Sends a request and waits for its answer.
    ///
    /// # Errors
    /// What can be done about it: the same again, perhaps after a pause that the server asks for, smaller parts, or nothing.
    pub async fn send(&self, request: Request) -> Result<Answer, Failure> {
        self.receive(request, None).await
    }

    /// Sends a request and gives `take` what is answered, as it comes and however much that is, until `take` says `false`.
    ///
    /// # Errors
    /// As for [`Self::send`].
    pub async fn stream(&self, request: Request, take: Take<'_>) -> Result<(), Failure> {
        self.receive(request, Some(take)).await.map(drop)
    }

    async fn receive(&self, request: Request, mut take: Option<Take<'_>>) -> Result<Answer, Failure> {
        let inner = &*self.0;
        let response = inner.request(&request)?.send().await;
        let response = response.map_err(|error| inner.no_answer(error))?;
        let (head, mut frames) = http::Response::<Body>::from(response).into_parts();
        let (mut headers, mut body) = (head.headers, Vec::new());
        // Of anything else, the words are kept.
        take = take.filter(|_| head.status.is_success() && !is_page(&headers));
        while let Some(frame) = frames.frame().await {
            match frame.map(Frame::into_data) {
                Ok(Ok(chunk)) if take.is_some() => {
                    if !take.as_mut().is_some_and(|take| take(&chunk)) {
                        break;
                    }
                }
                Ok(Ok(chunk)) if body.len() + chunk.len() <= ANSWER_LIMIT => body.extend_from_slice(&chunk),
                Ok(Err(frame)) => headers.extend(frame.into_trailers().unwrap_or_default()),
                // Of an error, the beginning is enough.
                _ if !head.status.is_success() => break,
                Ok(Ok(_)) => {
                    let server = &inner.server;
                    return Err(Failure::retry(format!(
                        "{server} answers with more than {ANSWER_LIMIT} bytes; check what listens there"
                    )));
                }
                Err(error) => return Err(inner.no_answer(error)),
            }
        }
        let answer = Answer {
            status: head.status,
            headers,
            body: body.into(),
        };
        // What takes samples never answers with one; whatever stands before it or in its place does.
        let is_page = request.method == Method::POST && is_page(&answer.headers);
        if request.accepted.contains(&answer.status.as_u16()) && !is_page {
            return Ok(answer);
        }
        let answer = answer.judge(&inner.server, is_page)?;
        match inner.is_grpc {
            true => grpc::judge(answer, &inner.server),
            false => Ok(answer),
        }
    }

    /// Tries the server while a plugin is only tried, and notes what came of it. Otherwise only lets each status of the pipeline
    /// tell the certificates. A server that is away is no fault: samples wait for it.
    ///
    /// # Errors
    /// When a certificate is out of date.
    pub fn try_out(&self, request: Request, alumet: &mut StartContext<'_>) -> Result<(), StartError> {
        if !alumet.is_trial() {
            if let Some(tls) = &self.0.tls {
                tls.report_to(alumet.control());
            }
            return Ok(());
        }
        self.0.client().map_err(no_start)?;
        alumet.note(try_server(
            format!("server {}", self.0.server),
            TRIAL,
            "mend that before samples are to arrive; until then they wait",
            async {
                let answer = self.send(request).await.map_err(|failure| failure.to_string())?;
                Ok(format!("answers {}", answer.status))
            },
        ));
        if let (Some(_), Some(path)) = (&self.0.tls, &self.0.config.tls.certificate) {
            alumet.note(certificate(path)?);
        }
        Ok(())
    }
}

impl Inner {
    fn request(&self, request: &Request) -> Result<RequestBuilder, Failure> {
        let url = format!("{}{}", self.server, request.path);
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
    fn credentials(&self) -> Result<Credentials, Failure> {
        let config = &self.config;
        if let Some(token) = read_secret(config.token.as_ref(), config.token_file.as_deref())? {
            let scheme = config.token_scheme.as_deref().unwrap_or("Bearer");
            let value = format!("{scheme} {token}");
            return Ok(Credentials::Token(sensitive(&value, "token")?));
        }
        Ok(match config.login()? {
            None => Credentials::None,
            Some((user, password)) => Credentials::Password(user, password),
        })
    }

    /// What sends the next request.
    fn client(&self) -> Result<Client, Failure> {
        let tls = match &self.tls {
            Some(tls) => tls.config()?,
            None => Arc::clone(&self.plain),
        };
        let mut made = self.made.lock();
        match &*made {
            Some((used, client)) if Arc::ptr_eq(used, &tls) => Ok(client.clone()),
            _ => {
                let client = self.make(&tls).map_err(|error| {
                    Failure::retry(format!("an HTTP client cannot be made: {}", Failure::from(error)))
                })?;
                Ok(made.insert((tls, client)).1.clone())
            }
        }
    }

    fn make(&self, tls: &ClientConfig) -> Result<Client, reqwest::Error> {
        let builder = Client::builder()
            .tls_backend_preconfigured(tls.clone())
            .user_agent(concat!("alumet/", env!("CARGO_PKG_VERSION")))
            // Whoever delivers counts attempts; and a redirect would take the credentials along.
            .retry(retry::never())
            .redirect(redirect::Policy::none())
            .referer(false)
            .pool_idle_timeout(IDLE)
            .connect_timeout(*self.config.connect_timeout)
            .timeout(*self.config.timeout);
        let builder = match self.is_grpc {
            true => builder.http2_prior_knowledge(),
            false => builder.http1_only(),
        };
        match self.config.proxy.as_str() {
            "environment" => builder,
            "none" => builder.no_proxy(),
            address => builder.proxy(reqwest::Proxy::all(address)?),
        }
        .build()
    }

    fn no_answer(&self, error: reqwest::Error) -> Failure {
        // Calls share a connection, and it may be this that hangs.
        if self.is_grpc && error.is_timeout() {
            *self.made.lock() = None;
        }
        let is_tls = self.tls.is_some();
        Failure::retry(explain(error, &self.server, is_tls, self.is_grpc, &self.config))
    }
}

enum Credentials {
    None,
    Token(HeaderValue),
    Password(String, String),
}

/// What would fail later fails at the start already.
fn no_start(failure: Failure) -> StartError {
    StartError::new(failure.to_string())
}

/// A value that no debug form shows.
pub(crate) fn sensitive(text: &str, what: &str) -> Result<HeaderValue, Failure> {
    let mut value = HeaderValue::try_from(text).map_err(|_| {
        Failure::retry(format!(
            "the {what} has characters that no header can carry; write it anew, in one line"
        ))
    })?;
    value.set_sensitive(true);
    Ok(value)
}

/// What plain text needs, because the library looks for a provider even then.
fn without_authorities() -> Result<Arc<ClientConfig>, rustls::Error> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    let config = builder
        .with_root_certificates(RootCertStore::empty())
        .with_no_client_auth();
    Ok(Arc::new(config))
}
