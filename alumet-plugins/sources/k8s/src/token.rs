//! The token of the service account.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use alumet_core::failure::words;
use alumet_core::time::{Clock, Timestamp};
use alumet_shared_trust::{Secret, read_secret};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde::Deserialize;
use tokio::process::Command;
use tokio::sync::Mutex;

use crate::config::{KubectlToken, TokenRetrieval, UsualToken};
use crate::trouble::Trouble;

/// Where a pod has the token of its service account.
const IN_POD: &str = "/var/run/secrets/kubernetes.io/serviceaccount/token";

/// How long `kubectl` may take.
const KUBECTL: Duration = Duration::from_secs(30);

/// A token that ends sooner is as good as none.
const MARGIN: Duration = Duration::from_secs(60);

/// Gets tokens, and keeps those that are not in files.
pub(crate) struct Tokens {
    retrieval: TokenRetrieval,
    /// The program that is asked.
    kubectl: PathBuf,
    clock: Arc<dyn Clock>,
    kept: Mutex<Option<Kept>>,
}

struct Kept {
    token: Secret,
    until: Option<Timestamp>,
}

impl Tokens {
    pub(crate) fn new(retrieval: TokenRetrieval, clock: Arc<dyn Clock>) -> Self {
        Self {
            retrieval,
            kubectl: "kubectl".into(),
            clock,
            kept: Mutex::new(None),
        }
    }

    /// The file that holds the token, if there is one.
    pub(crate) fn file(&self) -> Option<&Path> {
        match &self.retrieval {
            TokenRetrieval::File { file } => Some(file),
            TokenRetrieval::Usual(UsualToken::File) => Some(Path::new(IN_POD)),
            TokenRetrieval::Usual(UsualToken::Auto) => Some(Path::new(IN_POD)).filter(|file| file.exists()),
            TokenRetrieval::Usual(UsualToken::Kubectl) | TokenRetrieval::Kubectl { .. } => None,
        }
    }

    /// A token, another one than that which was `refused`, if there is. `None` when the server can do without.
    ///
    /// # Errors
    /// Why there is none.
    pub(crate) async fn get(
        &self,
        refused: Option<&Secret>,
        is_tls: bool,
    ) -> Result<Option<Secret>, Trouble> {
        if let Some(file) = self.file() {
            let token = read_secret(None, Some(file)).map_err(|error| {
                let reason = std::error::Error::source(&error)
                    .map(ToString::to_string)
                    .unwrap_or_default();
                no_token(format!("{error} ({reason})"))
            })?;
            return Ok(token.map(Secret));
        }
        let mut kept = self.kept.lock().await;
        if let Some(Kept { token, until }) = &*kept
            && Some(token) != refused
            && until.is_none_or(|until| self.clock.now().wall < until.saturating_sub(MARGIN))
        {
            return Ok(Some(token.clone()));
        }
        let whose = match &self.retrieval {
            TokenRetrieval::Kubectl { kubectl } => kubectl.clone(),
            _ => KubectlToken::default(),
        };
        match self.create(&whose).await {
            Ok(token) => {
                let until = expiry(&token.0);
                Ok(Some(kept.insert(Kept { token, until }).token.clone()))
            }
            Err(why) => {
                let is_auto = self.retrieval == TokenRetrieval::Usual(UsualToken::Auto);
                if is_auto && !is_tls {
                    tracing::debug!(why, "there is no token; `kubectl proxy` needs none");
                    return Ok(None);
                }
                let also = match is_auto {
                    true => format!("there is no file {IN_POD}, and "),
                    false => String::new(),
                };
                Err(no_token(format!("{also}{why}")))
            }
        }
    }

    /// Asks `kubectl` for a token. What it prints is shown to nobody.
    async fn create(&self, whose: &KubectlToken) -> Result<Secret, String> {
        let KubectlToken {
            service_account,
            namespace,
        } = whose;
        let called = format!("`kubectl create token {service_account} -n {namespace}`");
        let mut command = Command::new(&self.kubectl);
        command
            .args(["create", "token", service_account, "-n", namespace])
            .stdin(Stdio::null())
            .kill_on_drop(true);
        let output = match tokio::time::timeout(KUBECTL, command.output()).await {
            Ok(Ok(output)) => output,
            Ok(Err(error)) if error.kind() == io::ErrorKind::NotFound => {
                return Err(format!(
                    "{called} needs `kubectl`, which is not in `PATH`; install it, or set `token_retrieval`"
                ));
            }
            Ok(Err(error)) => return Err(format!("{called} could not be started ({error})")),
            Err(_) => {
                return Err(format!(
                    "{called} did not end within {} s; run it by hand",
                    KUBECTL.as_secs()
                ));
            }
        };
        if !output.status.success() {
            let said = words(&output.stderr);
            return Err(format!(
                "{called} failed ({said}); run it by hand, as the user of this program"
            ));
        }
        match String::from_utf8(output.stdout) {
            Ok(text) if !text.trim().is_empty() => Ok(Secret(text.trim().to_owned())),
            _ => Err(format!("{called} printed no token; run it by hand")),
        }
    }
}

/// Without anything of a token.
impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tokens({:?})", self.retrieval)
    }
}

fn no_token(text: String) -> Trouble {
    Trouble::new("there is no token for the server", text)
}

/// When a token ends, if it says so (RFC 7519, section 4.1.4).
fn expiry(token: &str) -> Option<Timestamp> {
    #[derive(Deserialize)]
    struct Claims {
        exp: u32,
    }
    let claims = BASE64_URL_SAFE_NO_PAD.decode(token.split('.').nth(1)?).ok()?;
    let Claims { exp } = serde_json::from_slice(&claims).ok()?;
    Some(Timestamp::from_nanos(i64::from(exp) * 1_000_000_000))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use alumet_core::testkit::ManualClock;

    use super::*;

    /// A program cannot be started while another test, which starts one as well, still has it open for writing.
    static ONE: Mutex<()> = Mutex::const_new(());

    const SECOND: i64 = 1_000_000_000;

    fn jwt(exp: i64) -> String {
        let claims = BASE64_URL_SAFE_NO_PAD.encode(format!("{{\"exp\":{exp},\"sub\":\"a\"}}"));
        format!("head.{claims}.sign")
    }

    /// A folder with a `kubectl` that notes how it is called.
    fn kubectl(then: &str) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("kubectl");
        let calls = folder.path().join("calls");
        fs::write(
            &path,
            format!("#!/bin/sh\necho \"$@\" >> {}\n{then}\n", calls.display()),
        )
        .unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        folder
    }

    fn calls(folder: &Path) -> Vec<String> {
        let calls = fs::read_to_string(folder.join("calls")).unwrap_or_default();
        calls.lines().map(str::to_owned).collect()
    }

    fn tokens(retrieval: TokenRetrieval, folder: &Path) -> (Tokens, ManualClock) {
        let clock = ManualClock::new();
        let tokens = Tokens {
            kubectl: folder.join("kubectl"),
            ..Tokens::new(retrieval, Arc::new(clock.clone()))
        };
        (tokens, clock)
    }

    #[tokio::test]
    async fn kubectl_is_asked_once_per_token_and_again_before_it_expires_or_when_it_is_refused() {
        let _one = ONE.lock().await;
        let folder = kubectl(&format!("echo {}", jwt(7200)));
        let (tokens, clock) = tokens(TokenRetrieval::Usual(UsualToken::Kubectl), folder.path());
        let asked = || calls(folder.path()).len();
        clock.set_wall(Timestamp::from_nanos(3600 * SECOND));
        let first = tokens.get(None, true).await.unwrap().unwrap();
        assert_eq!(first.0, jwt(7200));
        tokens.get(None, true).await.unwrap();
        assert_eq!(asked(), 1);
        tokens.get(Some(&first), true).await.unwrap();
        assert_eq!(asked(), 2, "it was refused");
        clock.set_wall(Timestamp::from_nanos(7139 * SECOND));
        tokens.get(None, true).await.unwrap();
        assert_eq!(asked(), 2);
        clock.set_wall(Timestamp::from_nanos(7140 * SECOND));
        tokens.get(None, true).await.unwrap();
        assert_eq!(asked(), 3, "it is about to expire");
        assert_eq!(calls(folder.path())[0], "create token alumet-reader -n alumet");
        assert!(!format!("{tokens:?}").contains("head"));
    }

    #[tokio::test]
    async fn a_table_says_for_whom_the_token_is() {
        let _one = ONE.lock().await;
        let folder = kubectl("echo opaque");
        let whose = KubectlToken {
            service_account: "reader".to_owned(),
            namespace: "energy".to_owned(),
        };
        let (tokens, _) = tokens(TokenRetrieval::Kubectl { kubectl: whose }, folder.path());
        assert_eq!(tokens.get(None, true).await.unwrap().unwrap().0, "opaque");
        assert_eq!(calls(folder.path()), ["create token reader -n energy"]);
    }

    #[tokio::test]
    async fn without_a_token_there_is_an_error_with_a_remedy_unless_none_is_needed() {
        let _one = ONE.lock().await;
        let nothing = tempfile::tempdir().unwrap();
        for (folder, says) in [
            (kubectl("echo 'error: forbidden' >&2; exit 1"), "error: forbidden"),
            (kubectl(""), "printed no token"),
            (nothing, "is not in `PATH`"),
        ] {
            let of = |usual| tokens(TokenRetrieval::Usual(usual), folder.path()).0;
            let trouble = of(UsualToken::Auto).get(None, true).await.unwrap_err();
            let text = trouble.text;
            assert!(text.contains(says) && text.contains(IN_POD), "{text}");
            assert_eq!(of(UsualToken::Auto).get(None, false).await.unwrap(), None);
            assert!(of(UsualToken::Kubectl).get(None, false).await.is_err());
        }
    }

    #[tokio::test]
    async fn a_file_is_read_again_each_time() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("token");
        let (tokens, _) = tokens(TokenRetrieval::File { file: file.clone() }, folder.path());
        let trouble = tokens.get(None, false).await.unwrap_err();
        assert!(
            trouble.text.contains(&file.display().to_string()),
            "{}",
            trouble.text
        );
        for token in ["one", "two"] {
            fs::write(&file, format!("{token}\n")).unwrap();
            assert_eq!(tokens.get(None, true).await.unwrap().unwrap().0, token);
        }
    }

    #[test]
    fn what_is_no_jwt_has_no_end() {
        assert_eq!(expiry(&jwt(7)), Some(Timestamp::from_nanos(7 * SECOND)));
        for token in ["", "a", "a.b.c", "a.e30.c"] {
            assert_eq!(expiry(token), None, "{token}");
        }
    }
}
