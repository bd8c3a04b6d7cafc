//! What `certs` says: which files it has made, where they belong, and the configuration that uses them.

use std::path::{Path, PathBuf};

use alumet_relay_protocol::certs::Listed;
use toml::Value;
use x509_parser::time::ASN1Time;

/// The port of the relay when nobody chooses another one.
const PORT: u16 = 50051;

/// After an authority and a server certificate were made in `folder`.
pub(super) fn of_init(folder: &Path, made: &[PathBuf]) -> String {
    let path = |name: &str| quoted(&folder.join(name).to_string_lossy());
    format!(
        "{}\n\
         Configuration of the server, by default alumet-server-config.toml (these keys replace those that the table has):\n\n\
         [plugins.relay-server]\n\
         address = \"[::]:{PORT}\"\n\
         tls.certificate = {}\n\
         tls.key = {}\n\
         tls.client_ca = {}\n\
         tls.client_crl = {}\n\n\
         Next, for each agent: alumet-server certs issue {} NODE\n",
        files(made),
        path("server.pem"),
        path("server.key"),
        path("ca.pem"),
        path("ca.crl"),
        shell_word(&folder.to_string_lossy()),
    )
}

/// After the certificate of an agent was made in `folder`; `server` is the host of the server if it is known.
pub(super) fn of_issue(folder: &Path, node: &str, server: Option<&str>, made: &[PathBuf]) -> String {
    let (server, other_server) = match server {
        Some(server) => (server, "another name of the server"),
        None => ("SERVER", "the name or address of the server"),
    };
    let path = |name: &str| quoted(&folder.join(name).to_string_lossy());
    format!(
        "{}\n\
         Copy both and {} to {node}; the key goes nowhere else.\n\n\
         Configuration of the agent, by default alumet-config.toml (these keys replace those that the table has; {server}\n\
         may be {other_server} for which its certificate is, and the paths are where the files are on {node}):\n\n\
         [plugins.relay-client]\n\
         enabled = true\n\
         client_name = {}\n\
         relay_server = {}\n\
         tls.ca = {}\n\
         tls.certificate = {}\n\
         tls.key = {}\n",
        files(made),
        folder.join("ca.pem").display(),
        quoted(node),
        quoted(&format!("{server}:{PORT}")),
        path("ca.pem"),
        path(&format!("{node}.pem")),
        path(&format!("{node}.key")),
    )
}

/// What certificates there are.
pub(super) fn of_list(listed: &[Listed]) -> String {
    let states = listed.iter().map(|certificate| match certificate {
        Listed { is_revoked: true, .. } => "revoked".to_owned(),
        Listed { days_left: ..=0, .. } => "expired".to_owned(),
        Listed { not_before, .. } if *not_before > ASN1Time::now() => "not valid yet".to_owned(),
        Listed { days_left, .. } => format!("{days_left} days left"),
    });
    let rows = listed.iter().zip(states).map(|(certificate, state)| {
        let date = |time: ASN1Time| time.to_datetime().date().to_string();
        let (from, until) = (date(certificate.not_before), date(certificate.not_after));
        let path = certificate.path.display().to_string();
        [
            certificate.name.clone(),
            certificate.kind.to_owned(),
            from,
            until,
            state,
            path,
        ]
    });
    let head = ["NAME", "KIND", "VALID FROM", "UNTIL", "STATE", "FILE"].map(str::to_owned);
    let rows: Vec<_> = std::iter::once(head).chain(rows).collect();
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max();
    let widths: [_; 6] = std::array::from_fn(|column| width(column).unwrap_or_default());
    let line = |row: &[String; 6]| {
        let cells = row
            .iter()
            .zip(widths)
            .map(|(cell, width)| format!("{cell:width$}"));
        format!("{}\n", cells.collect::<Vec<_>>().join("  ").trim_end())
    };
    rows.iter().map(line).collect()
}

/// After the certificate of a node was added to a list.
pub(super) fn of_revoke(node: &str, list: &Path) -> String {
    let path = quoted(&list.to_string_lossy());
    format!(
        "The certificate of {node} is revoked in {}.\n\n\
         A server that has the list reads it again by itself; {node} is refused when it connects the next time. Copy it to the\n\
         server if that is another machine.\n\n\
         Configuration of the server, if it does not name the list yet:\n\n\
         [plugins.relay-server]\n\
         tls.client_crl = {path}\n",
        list.display()
    )
}

/// The files with what each is.
fn files(made: &[PathBuf]) -> String {
    let width = made.iter().map(|path| path.display().to_string().len()).max();
    let mut text = String::from("Made:\n");
    for path in made {
        let name = path.file_name().map(|name| name.to_string_lossy());
        let is_key = path.extension().is_some_and(|extension| extension == "key");
        let what = match name.as_deref() {
            Some("ca.pem") => "the authority: the server and every agent have a copy",
            Some("ca.key") => "the secret of the authority, which signs certificates: it stays here",
            Some("ca.crl") => "the certificates that are revoked, none yet: the server has a copy",
            Some("server.pem") => "the certificate of the server",
            Some("server.key") => "the secret of the server",
            _ if is_key => "the secret of the agent",
            _ => "the certificate of the agent",
        };
        let path = path.display().to_string();
        text.push_str(&format!(
            "  {path:width$}  {what}\n",
            width = width.unwrap_or_default()
        ));
    }
    text
}

/// A TOML string.
fn quoted(text: &str) -> String {
    Value::String(text.to_owned()).to_string()
}

/// A word as a shell reads it.
fn shell_word(text: &str) -> String {
    let is_plain = |c: char| c.is_alphanumeric() || "/._-+@%".contains(c);
    if text.chars().all(is_plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn snippet(text: &str) -> toml::Table {
        let begin = text.find("[plugins.").unwrap();
        let end = text.find("\nNext").unwrap_or(text.len());
        text[begin..end].parse().unwrap()
    }

    fn paths(names: &[&str]) -> Vec<PathBuf> {
        names.iter().map(|name| Path::new("/a b").join(name)).collect()
    }

    #[test]
    fn the_snippet_of_the_server_names_its_files_and_the_authority() {
        let text = of_init(
            Path::new("/a b"),
            &paths(&["ca.pem", "ca.key", "server.pem", "server.key"]),
        );
        let tls = &snippet(&text)["plugins"]["relay-server"]["tls"];
        assert_eq!(tls["certificate"].as_str(), Some("/a b/server.pem"));
        assert_eq!(tls["key"].as_str(), Some("/a b/server.key"));
        assert_eq!(tls["client_ca"].as_str(), Some("/a b/ca.pem"));
        assert_eq!(tls["client_crl"].as_str(), Some("/a b/ca.crl"));
        assert!(text.ends_with("certs issue '/a b' NODE\n"), "{text}");
    }

    #[test]
    fn the_snippet_of_an_agent_names_its_own_files_and_its_name() {
        let text = of_issue(
            Path::new("/a b"),
            "node-1",
            Some("s1"),
            &paths(&["node-1.pem", "node-1.key"]),
        );
        let client = &snippet(&text)["plugins"]["relay-client"];
        // The default file of an agent switches the plugin off.
        assert_eq!(client["enabled"].as_bool(), Some(true));
        assert_eq!(client["relay_server"].as_str(), Some("s1:50051"));
        assert_eq!(client["client_name"].as_str(), Some("node-1"));
        assert_eq!(client["tls"]["certificate"].as_str(), Some("/a b/node-1.pem"));
        assert_eq!(client["tls"]["key"].as_str(), Some("/a b/node-1.key"));
        assert_eq!(client["tls"]["ca"].as_str(), Some("/a b/ca.pem"));
    }

    #[test]
    fn a_name_with_quotes_stays_one_string_of_toml() {
        let text = of_issue(Path::new("/x\"y"), "a\"b", None, &[]);
        let client = &snippet(&text)["plugins"]["relay-client"];
        assert_eq!(client["relay_server"].as_str(), Some("SERVER:50051"));
        assert_eq!(client["client_name"].as_str(), Some("a\"b"));
        assert_eq!(client["tls"]["key"].as_str(), Some("/x\"y/a\"b.key"));
    }

    #[test]
    fn every_file_is_explained_in_one_column() {
        let text = files(&paths(&[
            "ca.pem",
            "ca.key",
            "server.pem",
            "server.key",
            "n.pem",
            "n.key",
        ]));
        let lines: Vec<&str> = text.lines().skip(1).collect();
        assert_eq!(lines.len(), 6);
        let column = lines[0].find("the ").unwrap();
        assert!(
            lines.iter().all(|line| line.find("the ") == Some(column)),
            "{text}"
        );
        assert_eq!(
            lines.iter().filter(|line| line.contains("secret")).count(),
            3,
            "{text}"
        );
    }

    #[test]
    fn a_folder_with_blanks_and_quotes_is_one_word_of_a_shell() {
        assert_eq!(shell_word("/etc/alumet"), "/etc/alumet");
        assert_eq!(shell_word("it's here"), r"'it'\''s here'");
    }
}
