//! Whom a question goes to.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use alumet_core::plugin::StartError;
use alumet_shared_http_delivery::{HttpClient, HttpConfig};
use parking_lot::Mutex;

use super::config::CollectorsConfig;

/// How long what a name stands for is taken as known.
const FRESH: Duration = Duration::from_secs(5);

/// What an address of the configuration says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Address {
    /// One server.
    Url(String),
    /// All machines of a name, with a scheme and a port.
    Name {
        scheme: &'static str,
        host: String,
        port: u16,
    },
}

/// Clients of all collectors.
#[derive(Debug)]
pub(super) struct Addresses {
    addresses: Vec<Address>,
    http: HttpConfig,
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    /// By names and ports.
    names: HashMap<(String, u16), (Instant, Vec<SocketAddr>)>,
    /// By addresses.
    clients: HashMap<String, HttpClient>,
}

/// A collector that is missing in an answer, and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{who} does not answer: {why}")]
pub(super) struct Missing {
    pub(super) who: String,
    pub(super) why: String,
}

impl Address {
    /// Reads an address.
    ///
    /// # Errors
    /// What would be right.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let Some(name) = text.strip_prefix("dns:") else {
            return Ok(Self::Url(text.trim_end_matches('/').to_owned()));
        };
        let (scheme, name) = match name.split_once("://") {
            None => ("http", name),
            Some(("http", name)) => ("http", name),
            Some(("https", name)) => ("https", name),
            Some((other, _)) => return Err(format!("`{other}` is neither `http` nor `https`")),
        };
        let parsed = name.rsplit_once(':').and_then(|(host, port)| {
            let is_in_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
            let is_name = !host.is_empty() && host.chars().all(is_in_name);
            Some((host.to_owned(), port.parse().ok().filter(|_| is_name)?))
        });
        let (host, port) = parsed.ok_or_else(|| {
            format!("{text:?} lacks a name or a port; write it as \"dns:collectors.example:8081\"")
        })?;
        Ok(Self::Name { scheme, host, port })
    }

    /// The address of a server that it may mean.
    pub(super) fn example(&self) -> String {
        match self {
            Self::Url(url) => url.clone(),
            Self::Name { scheme, host, port } => format!("{scheme}://{host}:{port}"),
        }
    }
}

impl Addresses {
    /// Those that are configured.
    ///
    /// # Errors
    /// What is wrong with them, or with the files that the configuration names.
    pub(super) fn new(config: &CollectorsConfig) -> Result<Self, StartError> {
        config.check()?;
        let addresses = config.addresses.iter().map(|address| Address::parse(address));
        let all = Self {
            addresses: addresses.collect::<Result<_, _>>().map_err(StartError::new)?,
            http: config.http.clone(),
            known: Mutex::default(),
        };
        for address in &all.addresses {
            all.client(&address.example(), None)?;
        }
        Ok(all)
    }

    /// Those that there are now, in the order of their addresses, and those that are not found.
    pub(super) async fn now(&self) -> (Vec<(String, HttpClient)>, Vec<Missing>) {
        let (mut urls, mut missing) = (Vec::new(), Vec::new());
        for address in &self.addresses {
            match address {
                Address::Url(url) => urls.push((url.clone(), None)),
                Address::Name { scheme, host, port } => match self.resolve(host, *port).await {
                    Ok(found) => {
                        let found = found.iter().map(|at| (format!("{scheme}://{at}"), Some(&**host)));
                        urls.extend(found);
                    }
                    Err(why) => missing.push(Missing {
                        who: format!("the DNS, asked for {host},"),
                        why,
                    }),
                },
            }
        }
        urls.sort_unstable();
        urls.dedup_by(|(a, _), (b, _)| a == b);
        let known: Vec<_> = urls.iter().map(|(url, _)| url.clone()).collect();
        self.known.lock().clients.retain(|url, _| known.contains(url));
        let mut clients = Vec::new();
        for (url, name) in urls {
            match self.client(&url, name) {
                Ok(client) => clients.push((url, client)),
                Err(error) => missing.push(Missing {
                    who: format!("the collector at {url}"),
                    why: error.to_string(),
                }),
            }
        }
        (clients, missing)
    }

    async fn resolve(&self, host: &str, port: u16) -> Result<Vec<SocketAddr>, String> {
        let key = (host.to_owned(), port);
        if let Some((at, found)) = self.known.lock().names.get(&key)
            && at.elapsed() < FRESH
        {
            return Ok(found.clone());
        }
        let found = tokio::net::lookup_host(&key).await;
        let mut found: Vec<SocketAddr> = found.map_err(|error| error.to_string())?.collect();
        // A machine may have addresses of both families: those of the preferred one are enough.
        if let Some(first) = found.first().copied() {
            found.retain(|at| at.is_ipv4() == first.is_ipv4());
        }
        self.known
            .lock()
            .names
            .insert(key, (Instant::now(), found.clone()));
        Ok(found)
    }

    /// The client of the server at `url`, whose certificate is that of `name`.
    fn client(&self, url: &str, name: Option<&str>) -> Result<HttpClient, StartError> {
        let mut known = self.known.lock();
        if let Some(client) = known.clients.get(url) {
            return Ok(client.clone());
        }
        let mut http = self.http.clone();
        if let Some(name) = name.filter(|_| url.starts_with("https:")) {
            http.tls.server_name.get_or_insert_with(|| name.to_owned());
        }
        let client = HttpClient::new("addresses", url, &http)?;
        known.clients.insert(url.to_owned(), client.clone());
        Ok(client)
    }
}
