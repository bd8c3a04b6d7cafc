//! Asks a server of Kubernetes: the API server, or the kubelet.

use std::error::Error;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use alumet_core::failure::words;
use alumet_core::plugin::StartError;
use alumet_core::time::Clock;
use alumet_shared_trust::{ClientTls, Secret, TlsConfig, explain_client};
use parking_lot::Mutex;
use reqwest::header::{ACCEPT, LOCATION, RETRY_AFTER};
use reqwest::{Response, StatusCode, redirect, retry};
use rustls::{ClientConfig, RootCertStore};
use tokio::time::timeout;

use crate::config::{NamesFrom, TokenRetrieval};
use crate::object::Status;
use crate::token::Tokens;
use crate::trouble::Trouble;

/// Speaks with one server.
#[derive(Debug)]
pub(crate) struct Client {
    /// The address, without a slash at its end.
    pub(crate) server: String,
    whose: NamesFrom,
    tokens: Tokens,
    /// Missing when the address asks for plain text.
    tls: Option<ClientTls>,
    /// What is used then.
    plain: Arc<ClientConfig>,
    /// Made anew when the files of TLS change.
    made: Mutex<Option<(Arc<ClientConfig>, reqwest::Client)>>,
}

/// How long a connection, and then the beginning of an answer, may take.
const CONNECT: Duration = Duration::from_secs(5);
const ANSWER: Duration = Duration::from_secs(60);

/// A connection that is dead is noticed after about a minute, though a watch may be silent for longer.
const KEEPALIVE: Duration = Duration::from_secs(15);

/// The most that is read of an answer: some 10 000 pods with all that a pod can say.
const LARGEST: usize = 256 << 20;

/// The longest pause that a server is granted.
const LONGEST_PAUSE: Duration = Duration::from_secs(10 * 60);

impl Client {
    /// A client of the server at `server`.
    ///
    /// # Errors
    /// When the files of TLS cannot be used.
    pub(crate) fn new(
        server: String,
        whose: NamesFrom,
        retrieval: &TokenRetrieval,
        tls: &TlsConfig,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, StartError> {
        let tokens = Tokens::new(retrieval.clone(), clock);
        let is_tls = server.starts_with("https:");
        if !is_tls && !is_on_this_machine(&server) {
            tracing::warn!(
                server,
                "the token goes in plain text, and whoever is on the way can read it; write `https://`"
            );
        }
        let mut tls = tls.clone();
        if tls.ca.is_none() && !tls.insecure_skip_verify {
            let beside = tokens.file().map(|token| token.with_file_name("ca.crt"));
            tls.ca = beside.filter(|ca| ca.exists());
        }
        Ok(Self {
            server,
            whose,
            tokens,
            tls: is_tls.then(|| ClientTls::new(&tls, None)).transpose()?,
            plain: without_authorities()?,
            made: Mutex::new(None),
        })
    }

    /// The answer to a question that is all right; its body is still to be read.
    ///
    /// # Errors
    /// Why there is none, and how to mend it.
    pub(crate) async fn get(&self, path: &str) -> Result<Response, Trouble> {
        let is_tls = self.tls.is_some();
        let token = self.tokens.get(None, is_tls).await?;
        let mut response = self.send(path, token.as_ref()).await?;
        if response.status() == StatusCode::UNAUTHORIZED {
            // It may have been replaced in this moment.
            let another = self.tokens.get(token.as_ref(), is_tls).await?;
            if another != token {
                response = self.send(path, another.as_ref()).await?;
            }
        }
        match response.status().is_success() {
            true => Ok(response),
            false => Err(self.refused(response).await),
        }
    }

    async fn send(&self, path: &str, token: Option<&Secret>) -> Result<Response, Trouble> {
        let mut request = self
            .client()?
            .get(format!("{}{path}", self.server))
            .header(ACCEPT, "application/json");
        if let Some(token) = token {
            request = request.bearer_auth(&token.0);
        }
        match timeout(ANSWER, request.send()).await {
            Ok(response) => response.map_err(|error| self.no_answer(error)),
            Err(_) => Err(self.silent(ANSWER)),
        }
    }

    /// The next part of an answer; `None` at its end.
    ///
    /// # Errors
    /// When the connection breaks, or nothing comes for as long as `patience`.
    pub(crate) async fn part(
        &self,
        response: &mut Response,
        patience: Duration,
    ) -> Result<Option<impl AsRef<[u8]> + use<>>, Trouble> {
        match timeout(patience, response.chunk()).await {
            Ok(part) => part.map_err(|error| self.no_answer(error)),
            Err(_) => Err(self.silent(patience)),
        }
    }

    /// The whole answer.
    ///
    /// # Errors
    /// When the connection breaks, nothing comes for long, or far too much.
    pub(crate) async fn whole(&self, mut response: Response) -> Result<Vec<u8>, Trouble> {
        let mut body = Vec::new();
        while let Some(part) = self.part(&mut response, ANSWER).await? {
            body.extend_from_slice(part.as_ref());
            if body.len() > LARGEST {
                return Err(Trouble::nonsense(
                    &self.server,
                    format_args!("more than {LARGEST} bytes"),
                ));
            }
        }
        Ok(body)
    }

    /// What a status in an answer, or of one, means.
    pub(crate) fn status(&self, code: u16, said: &str) -> Trouble {
        let said = match said {
            "" => format!("{} answers {code}", self.server),
            said => format!("{} answers {code}: {said}", self.server),
        };
        let (missing, remedy) = match (code, self.whose) {
            (401, _) => (
                "the server refuses the token",
                "check `token_retrieval`, and that the service account exists; a new token is used at once",
            ),
            (403, NamesFrom::ApiServer) => (
                "the token gives no right to list pods",
                "give its service account the right to list and watch pods: `kubectl apply -f alumet-user.yaml`",
            ),
            (403, NamesFrom::Kubelet) => (
                "the token gives no right to list pods",
                "give its service account the right to get `nodes/pods`, or `nodes/proxy` before Kubernetes 1.36",
            ),
            (410, _) => ("the pods are listed anew", "nothing is to be done"),
            (429, _) => ("the server is busy", "it is left alone for a while"),
            (500.., _) => ("the server has an error", "its log says why"),
            _ => (
                "the answer of the server is not understood",
                "check the address and what listens there",
            ),
        };
        Trouble {
            is_usual: code == 410,
            ..Trouble::new(missing, format!("{said}; {remedy}"))
        }
    }

    async fn refused(&self, mut response: Response) -> Trouble {
        let code = response.status();
        if code.is_redirection() {
            let to = response.headers().get(LOCATION).and_then(|to| to.to_str().ok());
            let to = to.and_then(|to| to.split(['?', '#']).next()).unwrap_or("nowhere");
            let text = format!(
                "{} answers {code} and points to {to}, which is not followed because the token would go along; write that \
                 address into the configuration",
                self.server
            );
            return Trouble::new("the server points to another one", text);
        }
        let after = response
            .headers()
            .get(RETRY_AFTER)
            .and_then(|after| after.to_str().ok());
        let after = after
            .and_then(|after| after.trim().parse().ok())
            .map(Duration::from_secs);
        // Of an error, the beginning is enough.
        let begin = self.part(&mut response, ANSWER).await.ok().flatten();
        let begin = begin.as_ref().map_or(&[][..], AsRef::as_ref);
        let said = match serde_json::from_slice::<Status>(begin) {
            Ok(status) => words(status.message),
            Err(_) => words(begin),
        };
        Trouble {
            pause: after.map(|after| after.min(LONGEST_PAUSE)),
            ..self.status(code.as_u16(), &said)
        }
    }

    fn silent(&self, patience: Duration) -> Trouble {
        let text = format!(
            "{} has said nothing for {} s; find out what keeps it busy",
            self.server,
            patience.as_secs()
        );
        Trouble::new("the server is silent", text)
    }

    fn no_answer(&self, error: reqwest::Error) -> Trouble {
        let (server, error) = (&self.server, error.without_url());
        let tls = self.tls.as_ref();
        if let Some(why) = tls.and_then(|tls| explain_client(&error, tls.source())) {
            return Trouble::new(
                "the server is not trusted",
                format!("no trusted connection to {server}: {why}"),
            );
        }
        let causes = std::iter::successors(Some(&error as &(dyn Error + 'static)), |&error| error.source());
        let cause = causes.last().map(ToString::to_string).unwrap_or_default();
        let text = match error.is_connect() {
            true => format!(
                "cannot connect to {server} ({cause}); check the address, that it runs there and that nothing between blocks it"
            ),
            false => format!("the connection to {server} broke ({cause}); it is made anew"),
        };
        Trouble::new("the server cannot be reached", text)
    }

    /// What sends the next question.
    fn client(&self) -> Result<reqwest::Client, Trouble> {
        let unusable = |text: String| Trouble::new("the server is not trusted", text);
        let tls = match &self.tls {
            Some(tls) => tls.config().map_err(|error| unusable(error.to_string()))?,
            None => Arc::clone(&self.plain),
        };
        let mut made = self.made.lock();
        match &*made {
            Some((used, client)) if Arc::ptr_eq(used, &tls) => Ok(client.clone()),
            _ => {
                let client = make(&tls).map_err(|error| unusable(error.to_string()))?;
                Ok(made.insert((tls, client)).1.clone())
            }
        }
    }
}

fn make(tls: &ClientConfig) -> Result<reqwest::Client, reqwest::Error> {
    reqwest::Client::builder()
        .tls_backend_preconfigured(tls.clone())
        .user_agent(concat!("alumet/", env!("CARGO_PKG_VERSION")))
        // A redirect would take the token along.
        .redirect(redirect::Policy::none())
        .retry(retry::never())
        .referer(false)
        // What is asked is on this machine or in this cluster.
        .no_proxy()
        .http1_only()
        .connect_timeout(CONNECT)
        .tcp_keepalive(KEEPALIVE)
        .tcp_keepalive_interval(KEEPALIVE)
        .tcp_keepalive_retries(3)
        .build()
}

fn is_on_this_machine(server: &str) -> bool {
    let url = reqwest::Url::parse(server).ok();
    let host = url.as_ref().and_then(reqwest::Url::host_str).unwrap_or_default();
    let address = host.trim_matches(['[', ']']).parse::<IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_text_is_for_this_machine() {
        for (server, is_here) in [
            ("http://127.0.0.1:8080", true),
            ("http://[::1]:8080", true),
            ("http://localhost", true),
            ("http://10.0.0.1:8080", false),
            ("http://localhost.example.org", false),
        ] {
            assert_eq!(is_on_this_machine(server), is_here, "{server}");
        }
    }
}
