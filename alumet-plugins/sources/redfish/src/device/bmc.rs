//! Questions and answers, in a session if there is one.
//!
//! Sessions: DMTF DSP0266 ("Redfish Specification"), clause "Redfish session login authentication".

use alumet_core::Failure;
use alumet_core::failure::words;
use alumet_core::plugin::StartError;
use alumet_shared_http_delivery::{Answer, HttpClient, HttpConfig, StatusCode};
use serde_json::{Value as Json, json};

use crate::config::{Config, Login};

/// Speaks with one management controller.
#[derive(Debug)]
pub(crate) struct Bmc {
    client: HttpClient,
    url: String,
    /// Whose sessions are used; none where each request has its credentials, or none.
    login: Option<HttpConfig>,
    /// Where sessions begin.
    sessions: String,
    session: Option<Session>,
}

#[derive(Debug)]
struct Session {
    token: String,
    /// What is deleted at its end.
    path: Option<String>,
}

/// What came of a question.
#[derive(Debug)]
pub(crate) enum Got {
    /// The resource, and when it was shown on the clock of the controller, in seconds since 1970.
    Resource(Json, Option<i64>),
    /// There is none, or none any more.
    Gone,
    /// The controller will not or cannot tell.
    Refused(String),
}

/// Where everything begins, for everybody.
pub(crate) const ROOT: &str = "/redfish/v1/";

/// Where sessions begin unless the root says otherwise.
const SESSIONS: &str = "/redfish/v1/SessionService/Sessions";

const TOKEN: &str = "x-auth-token";

/// Answers that say something about one resource, and nothing about the controller.
const ANSWERS: [u16; 8] = [400, 401, 403, 404, 405, 410, 500, 501];

impl Bmc {
    /// The controller at `url`.
    ///
    /// # Errors
    /// What is wrong with the configuration, or with the files that it names.
    pub(crate) fn new(url: &str, config: &Config) -> Result<Self, StartError> {
        let mut http = config.http.clone();
        let mut login = None;
        if config.login == Login::Session && (http.password.is_some() || http.password_file.is_some()) {
            login = Some(http.clone());
            (http.user, http.password, http.password_file) = (None, None, None);
        }
        Ok(Self {
            client: HttpClient::new("url", url, &http)?,
            url: url.trim_end_matches('/').to_owned(),
            login,
            sessions: SESSIONS.to_owned(),
            session: None,
        })
    }

    /// What speaks HTTP.
    pub(crate) const fn client(&self) -> &HttpClient {
        &self.client
    }

    /// Its address.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// The root, which says where the rest is.
    ///
    /// # Errors
    /// When there is no answer, or none of Redfish.
    pub(crate) async fn root(&mut self) -> Result<Json, Failure> {
        let root = self.client.send(self.client.get(ROOT)).await?;
        let (url, said) = (&self.url, words(&root.body));
        let root: Json = serde_json::from_slice(&root.body)
            .ok()
            .filter(|root: &Json| root.get("RedfishVersion").is_some())
            .ok_or_else(|| {
                Failure::retry(format!(
                    "{url} answers {ROOT} with `{said}`, which is not the root of Redfish; check the address"
                ))
            })?;
        if let Some(path) = link(&root, "/Links/Sessions") {
            path.clone_into(&mut self.sessions);
        }
        Ok(root)
    }

    /// The resource at `path`.
    ///
    /// # Errors
    /// When there is no answer, or no session.
    pub(crate) async fn get(&mut self, path: &str) -> Result<Got, Failure> {
        let mut answer = self.ask(path).await?;
        // The controller has ended the session, or says so where it means that the user may not read there: one that is left
        // open each time would soon be one too many.
        if answer.status == StatusCode::UNAUTHORIZED && self.session.is_some() {
            let _ = self.log_out().await;
            answer = self.ask(path).await?;
        }
        let (url, status) = (&self.url, answer.status);
        if matches!(status.as_u16(), 404 | 405 | 410 | 501) {
            return Ok(Got::Gone);
        }
        if !status.is_success() {
            let said = answer.words();
            let mend = match status.as_u16() {
                401 | 403 => "; check `user` and `password_file`, and that this user may read there",
                _ => "",
            };
            return Ok(Got::Refused(format!(
                "{url}{path} answers {status}: {said}{mend}"
            )));
        }
        Ok(match serde_json::from_slice(&answer.body) {
            Ok(resource) => Got::Resource(resource, date(&answer)),
            Err(_) => Got::Refused(format!(
                "{url}{path} answers `{}`, which is no JSON",
                answer.words()
            )),
        })
    }

    async fn ask(&mut self, path: &str) -> Result<Answer, Failure> {
        let mut request = self.client.get(path).accepting(&ANSWERS);
        if let Some(login) = &self.login {
            let session = match self.session.take() {
                Some(session) => session,
                None => self.begin_session(login).await?,
            };
            request = request.secret_header(TOKEN, &session.token)?;
            self.session = Some(session);
        }
        self.client.send(request).await
    }

    async fn begin_session(&self, login: &HttpConfig) -> Result<Session, Failure> {
        let Some((user, password)) = login.login()? else {
            return Err(Failure::retry("a session needs `user` and `password_file`"));
        };
        let body = json!({ "UserName": user, "Password": password }).to_string();
        let request = self.client.post(self.sessions.as_str(), "application/json", body);
        let instead = "; write `login = \"basic\"` if this controller has no sessions";
        let url = &self.url;
        let answer =
            self.client.send(request).await.map_err(|failure| {
                Failure::retry(format!("no session begins at {url}: {failure}{instead}"))
            })?;
        let header = |name: &str| Some(answer.headers.get(name)?.to_str().ok()?.to_owned());
        let Some(token) = header(TOKEN) else {
            return Err(Failure::retry(format!(
                "no session begins at {url}: its answer has no `X-Auth-Token`{instead}"
            )));
        };
        Ok(Session {
            token,
            path: header("location").as_deref().and_then(path_of).map(str::to_owned),
        })
    }

    /// Ends the session, if there is one.
    ///
    /// # Errors
    /// When the controller does not answer; it ends the session by itself after a while.
    pub(crate) async fn log_out(&mut self) -> Result<(), Failure> {
        if let Some(Session {
            token,
            path: Some(path),
        }) = self.session.take()
        {
            let request = self.client.delete(path).secret_header(TOKEN, &token)?;
            self.client.send(request).await?;
        }
        Ok(())
    }
}

/// The path that a member of a resource points to. What is no path of this server is no link.
pub(crate) fn link<'a>(resource: &'a Json, pointer: &str) -> Option<&'a str> {
    let path = resource.pointer(pointer)?.get("@odata.id")?.as_str()?;
    path.starts_with('/').then_some(path)
}

/// The path of an address, with or without the server in it.
fn path_of(location: &str) -> Option<&str> {
    let rest = location.split_once("://").map_or(location, |(_, rest)| rest);
    rest.find('/').map(|start| &rest[start..])
}

/// When an answer was made (RFC 9110, section 6.6.1).
fn date(answer: &Answer) -> Option<i64> {
    let date = answer.headers.get("date")?.to_str().ok()?;
    let date = httpdate::parse_http_date(date).ok()?;
    let since = date.duration_since(std::time::UNIX_EPOCH).ok()?;
    i64::try_from(since.as_secs()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_never_leaves_the_server() {
        for (id, expected) in [
            (json!("/redfish/v1/Chassis"), Some("/redfish/v1/Chassis")),
            (json!("@other.example/"), None),
            (json!("https://other.example/"), None),
            (json!(7), None),
        ] {
            let resource = json!({ "Chassis": { "@odata.id": id } });
            assert_eq!(link(&resource, "/Chassis"), expected);
        }
        for location in ["/S/5", "https://bmc/S/5", "bmc/S/5"] {
            assert_eq!(path_of(location), Some("/S/5"));
        }
        assert_eq!(path_of("https://bmc"), None);
    }
}
