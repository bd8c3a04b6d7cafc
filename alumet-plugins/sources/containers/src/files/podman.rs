//! The containers of Podman, as its storage lists them.
//!
//! Formats: `store/containers.go` (`containerStore`, `Container`) of github.com/containers/storage; `libpod/storage.go`
//! (`RuntimeContainerMetadata`) of Podman.

use std::fs;
use std::path::{Path, PathBuf};

use alumet_reader_cgroupfs::layout::container::Runtime;
use serde::Deserialize;

use super::read;
use crate::attributes::Description;
use crate::names::Answer;
use crate::trouble::Trouble;

#[derive(Deserialize)]
struct Stored {
    id: Box<str>,
    #[serde(default)]
    names: Vec<String>,
    /// JSON in JSON.
    #[serde(default)]
    metadata: String,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
struct Metadata {
    image_name: String,
    name: String,
}

/// What the storage of root, or of a user, says of these containers.
pub(super) fn look_up(
    root: &Path,
    user_id: Option<u32>,
    ids: &[Box<str>],
) -> Result<Vec<(Box<str>, Answer)>, Trouble> {
    let (mut found, mut trouble) = (Vec::new(), None);
    for list in lists(root, user_id) {
        match read::<Vec<Stored>>(&list) {
            Ok(stored) => {
                let wanted = stored.into_iter().flatten().filter(|one| ids.contains(&one.id));
                found.extend(wanted.map(answer));
            }
            Err(error) => trouble = Some(error),
        }
    }
    match trouble {
        Some(trouble) if found.is_empty() => Err(trouble),
        _ => Ok(found),
    }
}

fn answer(stored: Stored) -> (Box<str>, Answer) {
    let metadata: Metadata = serde_json::from_str(&stored.metadata).unwrap_or_default();
    let name = stored.names.first().unwrap_or(&metadata.name);
    let description = Description {
        name: Some(name),
        image: Some(&metadata.image_name),
        compose: None,
        runtime: Runtime::Podman.name(),
    };
    (stored.id, Answer::Told(description.attributes()))
}

/// The lists of all drivers, of permanent containers and of those that end with their process.
fn lists(root: &Path, user_id: Option<u32>) -> Vec<PathBuf> {
    let storages = match user_id {
        None => vec![
            root.join("var/lib/containers/storage"),
            root.join("run/containers/storage"),
        ],
        Some(user) => {
            let of_run = root.join(format!("run/user/{user}/containers"));
            let home = home(root, user).map(|home| home.join(".local/share/containers/storage"));
            home.into_iter().chain([of_run]).collect()
        }
    };
    let drivers = ["overlay", "vfs", "btrfs", "zfs"];
    let names = ["containers.json", "volatile-containers.json"];
    let folders = storages
        .iter()
        .flat_map(|storage| drivers.map(|driver| storage.join(format!("{driver}-containers"))));
    folders
        .flat_map(|folder| names.map(|name| folder.join(name)))
        .collect()
}

/// The home of a user, as `/etc/passwd` below `root` says.
fn home(root: &Path, user: u32) -> Option<PathBuf> {
    let users = fs::read(root.join("etc/passwd")).ok()?;
    let users = String::from_utf8_lossy(&users);
    let home = users.lines().find_map(|line| {
        let mut fields = line.split(':').skip(2);
        let is_user = fields.next()?.parse() == Ok(user);
        fields.nth(2).filter(|_| is_user)
    })?;
    Some(root.join(home.strip_prefix('/')?))
}

#[cfg(test)]
mod tests {
    use alumet_core::testkit::FakeRoot;

    use super::*;

    fn told(root: &FakeRoot, user_id: Option<u32>, ids: &[&str]) -> Vec<String> {
        let ids: Vec<Box<str>> = ids.iter().map(|id| (*id).into()).collect();
        let found = look_up(root.path(), user_id, &ids).unwrap();
        let text = |(id, answer): &(Box<str>, Answer)| match answer {
            Answer::Told(attributes) => format!("{id} {attributes}"),
            Answer::Nameless => id.to_string(),
        };
        found.iter().map(text).collect()
    }

    #[test]
    fn root_and_each_user_have_lists_of_their_own_with_names_and_images() {
        let root = FakeRoot::new();
        root.write(
            "var/lib/containers/storage/overlay-containers/containers.json",
            r#"[{"id":"a","names":["web"],"image":"sha","metadata":"{\"image-name\":\"docker.io/nginx:1\",\"name\":\"web\"}"},
                {"id":"z","names":["other"]}]"#,
        );
        root.write(
            "var/lib/containers/storage/overlay-containers/volatile-containers.json",
            r#"[{"id":"b","metadata":"{\"name\":\"short\"}"}]"#,
        );
        root.write(
            "etc/passwd",
            "root:x:0:0:root:/root:/bin/sh\nbad line\nann:x:1000:1000:Ann:/people/ann:/bin/sh\n",
        );
        root.write(
            "people/ann/.local/share/containers/storage/vfs-containers/containers.json",
            r#"[{"id":"a","names":["hers"],"metadata":"no json"}]"#,
        );
        assert_eq!(
            told(&root, None, &["a", "b", "c"]),
            [
                "a {container=web, image=docker.io/nginx:1, runtime=podman}",
                "b {container=short, runtime=podman}"
            ]
        );
        assert_eq!(
            told(&root, Some(1000), &["a"]),
            ["a {container=hers, runtime=podman}"]
        );
        assert!(told(&root, Some(7), &["a"]).is_empty());
    }

    #[test]
    fn a_list_that_is_broken_is_named_when_nothing_was_found() {
        let root = FakeRoot::new();
        root.write(
            "var/lib/containers/storage/overlay-containers/containers.json",
            "[{",
        );
        let error = look_up(root.path(), None, &["a".into()]).unwrap_err();
        assert!(
            error.to_string().contains("overlay-containers/containers.json"),
            "{error}"
        );
    }
}
