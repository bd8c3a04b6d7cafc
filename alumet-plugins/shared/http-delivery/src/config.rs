use std::collections::BTreeMap;
use std::path::PathBuf;

use alumet_core::Failure;
use alumet_core::duration::HumanDuration;
use alumet_core::plugin::{ConfigFault, Faults};
use alumet_shared_trust::{Secret, TlsConfig, read_secret};
use reqwest::Url;
use reqwest::header::{HeaderName, HeaderValue};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How an output speaks with an HTTP server. The address is a key of the output itself, which embeds this with
/// `#[serde(flatten)]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct HttpConfig {
    /// How connections are encrypted, when the address begins with `https://`.
    pub tls: TlsConfig,
    /// The secret that the server knows this program by.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = ["${SERVER_TOKEN}"]))]
    pub token: Option<Secret>,
    /// A file that holds this secret, read again for each request.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = ["/etc/alumet/server.token"]))]
    pub token_file: Option<PathBuf>,
    /// What stands before the token in the header `Authorization`. Left out: what the server is known to want.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = ["Bearer"]))]
    pub token_scheme: Option<String>,
    /// The name of a user, who has a password.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = ["alumet"]))]
    pub user: Option<String>,
    /// The password of the user.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = ["${SERVER_PASSWORD}"]))]
    pub password: Option<Secret>,
    /// A file that holds the password, or `user:password` if there is no `user`; read again for each request.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = ["/etc/alumet/server.password"]))]
    pub password_file: Option<PathBuf>,
    /// Headers that each request gets.
    pub headers: BTreeMap<String, Secret>,
    /// How requests are compressed.
    pub compression: Compression,
    /// `"environment"` for what `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY` say, `"none"`, or the address of a proxy.
    pub proxy: String,
    /// How long it may take until a connection stands.
    pub connect_timeout: HumanDuration,
    /// How long it may take until a request is answered completely.
    pub timeout: HumanDuration,
}

/// How requests are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub enum Compression {
    /// Not at all.
    #[default]
    None,
    /// As gzip, which most servers understand.
    Gzip,
    /// As zstd: smaller, and with less work.
    Zstd,
}

impl Default for HttpConfig {
    fn default() -> Self {
        Self {
            tls: TlsConfig::default(),
            token: None,
            token_file: None,
            token_scheme: None,
            user: None,
            password: None,
            password_file: None,
            headers: BTreeMap::new(),
            compression: Compression::None,
            proxy: "environment".to_owned(),
            connect_timeout: HumanDuration::from_secs(5),
            timeout: HumanDuration::from_secs(30),
        }
    }
}

impl HttpConfig {
    /// The name of the user and the password, as they are now; none without a password.
    ///
    /// # Errors
    /// When a file with them cannot be read or holds something else.
    pub fn login(&self) -> Result<Option<(String, String)>, Failure> {
        let password = read_secret(self.password.as_ref(), self.password_file.as_deref())?;
        match (&self.user, password) {
            (_, None) => Ok(None),
            (Some(user), Some(password)) => Ok(Some((user.clone(), password))),
            (None, Some(both)) => both
                .split_once(':')
                .map(|(user, password)| Some((user.to_owned(), password.to_owned())))
                .ok_or_else(|| {
                    Failure::retry(
                        "without `user`, `password_file` must name a file that holds `user:password`",
                    )
                }),
        }
    }

    /// Refuses what types cannot; `url` is the address that the output has under `key`.
    pub fn check(&self, key: &str, url: &str, faults: &mut Faults) {
        self.tls.check("tls", faults);
        if let Some(base) = faults.keep(base_url(key, url))
            && base.scheme() == "http"
            && self.tls != TlsConfig::default()
        {
            let message = "it has no effect with `http://`; begin the address with `https://`";
            faults.add("tls", message);
        }
        for (key, both) in [
            ("token", self.token.is_some() && self.token_file.is_some()),
            (
                "password",
                self.password.is_some() && self.password_file.is_some(),
            ),
        ] {
            if both {
                faults.add(key, format!("write either `{key}` or `{key}_file`"));
            }
        }
        let has_token = self.token.is_some() || self.token_file.is_some();
        let has_password = self.password.is_some() || self.password_file.is_some();
        if self.user.is_some() != has_password && self.password_file.is_none() {
            faults.add("user", "a user needs a password and a password a user");
        }
        if has_token && has_password {
            faults.add("token", "write either a token or a user with a password");
        }
        for (name, value) in &self.headers {
            let known = HeaderName::try_from(name.as_str());
            if known.is_err() || HeaderValue::try_from(value.0.as_str()).is_err() {
                faults.add("headers", format!("{name:?} cannot be a header with this value"));
            }
            if OTHER_HEADERS.contains(&&*name.to_ascii_lowercase()) {
                let message =
                    format!("`{name}` is set by other keys, such as `token`, `user` and `compression`");
                faults.add("headers", message);
            }
        }
        if !matches!(self.proxy.as_str(), "environment" | "none") && reqwest::Proxy::all(&self.proxy).is_err()
        {
            let message = "write \"environment\", \"none\", or an address such as \"http://proxy:3128\"";
            faults.add("proxy", message);
        }
        faults.refuse_zero("connect_timeout", *self.connect_timeout);
        faults.refuse_zero("timeout", *self.timeout);
    }
}

/// What no output sets by a key of its own.
const OTHER_HEADERS: [&str; 4] = ["authorization", "host", "content-length", "content-encoding"];

/// The address of a server, to which paths are appended.
pub(crate) fn base_url(key: &str, url: &str) -> Result<Url, ConfigFault> {
    let fault = |reason: &str| {
        // Without what may be a password in it.
        ConfigFault::new(
            key,
            format!("{reason}; write it as \"https://server.example:443\""),
        )
    };
    let url = Url::parse(url).map_err(|error| fault(&format!("it is no address ({error})")))?;
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
        return Err(fault("an address begins with `http://` or `https://`"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(fault(
            "a password does not belong into an address, which logs show: use `user` and `password_file`",
        ));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(fault("it must end before `?` and `#`"));
    }
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The configuration of an output.
    #[derive(Deserialize)]
    struct Output {
        url: String,
        #[serde(flatten)]
        http: HttpConfig,
    }

    fn fault(toml: &str) -> Option<String> {
        let output: Output = toml::from_str(&format!("url = 'https://a'\n{toml}"))
            .or_else(|_| toml::from_str(toml))
            .unwrap();
        let mut faults = Faults::default();
        output.http.check("url", &output.url, &mut faults);
        assert!(!faults.to_string().contains("hunter2"), "{faults}");
        (faults != Faults::default()).then(|| faults.keys().join(" "))
    }

    #[test]
    fn wrong_values_are_refused_with_their_key_and_without_secrets() {
        for (toml, key) in [
            ("url = ''", "url"),
            ("url = 'ftp://a'", "url"),
            ("url = 'http://a?x'", "url"),
            ("url = 'http://user:hunter2@a'", "url"),
            ("url = 'http://a'\ntls = { ca = 'c' }", "tls"),
            ("tls = { key = 'k' }", "tls.certificate"),
            ("token = 'hunter2'\ntoken_file = 'b'", "token"),
            (
                "user = 'a'\npassword = 'hunter2'\npassword_file = 'b'",
                "password",
            ),
            ("user = 'a'", "user"),
            ("password = 'hunter2'", "user"),
            ("token = 'hunter2'\nuser = 'a'\npassword = 'hunter2'", "token"),
            ("headers = { 'a b' = 'hunter2' }", "headers"),
            ("headers = { Authorization = 'hunter2' }", "headers"),
            ("proxy = ':'", "proxy"),
            ("timeout = '0s'", "timeout"),
            ("connect_timeout = '0s'", "connect_timeout"),
        ] {
            assert_eq!(fault(toml).as_deref(), Some(key), "{toml}");
        }
    }

    #[test]
    fn no_listing_shows_a_secret() {
        let schema = schemars::schema_for!(HttpConfig);
        for place in ["token", "password", "headers/additionalProperties"] {
            let mark = schema.pointer(&format!("/properties/{place}/writeOnly"));
            assert_eq!(mark.and_then(|mark| mark.as_bool()), Some(true), "{place}");
        }
    }

    #[test]
    fn right_values_are_taken_and_no_debug_form_shows_a_secret() {
        for toml in [
            "",
            "token = 'hunter2'\ncompression = 'zstd'\nproxy = 'none'",
            "password_file = 'both'",
            "user = 'a'\npassword = 'hunter2'\nheaders = { X-Key = 'hunter2' }\nproxy = 'http://p:1'",
        ] {
            assert_eq!(fault(toml), None, "{toml}");
            let config: HttpConfig = toml::from_str(toml).unwrap();
            assert!(!format!("{config:?}").contains("hunter2"));
            assert_eq!(
                toml::from_str::<HttpConfig>(&toml::to_string(&config).unwrap()).unwrap(),
                config
            );
        }
    }
}
