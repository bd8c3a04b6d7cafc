//! The containers of containerd, as the bundles of its tasks describe them.
//!
//! Formats: `core/runtime/v2/bundle.go` of containerd; `config.md` (annotations) of the OCI runtime specification;
//! `pkg/labels/labels.go` of nerdctl, which writes its labels there as well.

use std::fs;
use std::path::Path;

use alumet_reader_cgroupfs::layout::container::Runtime;
use serde::Deserialize;

use super::read;
use crate::attributes::{ComposeLabels, Description};
use crate::names::Answer;
use crate::trouble::Trouble;

#[derive(Deserialize)]
struct Bundle {
    #[serde(default)]
    annotations: Option<Annotations>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Annotations {
    #[serde(rename = "nerdctl/name")]
    name: Option<String>,
    #[serde(flatten)]
    compose: ComposeLabels,
}

/// What the bundles of these containers say, in whatever namespace they are.
pub(super) fn look_up(root: &Path, ids: &[Box<str>]) -> Result<Vec<(Box<str>, Answer)>, Trouble> {
    let tasks = root.join("run/containerd/io.containerd.runtime.v2.task");
    let (mut found, mut trouble) = (Vec::new(), None);
    for namespace in fs::read_dir(tasks).into_iter().flatten().flatten() {
        for id in ids {
            match read::<Bundle>(&namespace.path().join(&**id).join("config.json")) {
                Ok(Some(bundle)) => found.push((id.clone(), answer(&bundle))),
                Ok(None) => {}
                Err(error) => trouble = Some(error),
            }
        }
    }
    match trouble {
        Some(trouble) if found.is_empty() => Err(trouble),
        _ => Ok(found),
    }
}

fn answer(bundle: &Bundle) -> Answer {
    let annotations = bundle.annotations.as_ref();
    let description = Description {
        name: annotations.and_then(|all| all.name.as_deref()),
        image: None,
        compose: annotations.map(|all| &all.compose),
        runtime: Runtime::Containerd.name(),
    };
    Answer::Told(description.attributes())
}

#[cfg(test)]
mod tests {
    use alumet_core::testkit::FakeRoot;

    use super::*;

    #[test]
    fn a_bundle_in_any_namespace_tells_the_name_that_nerdctl_gave() {
        let root = FakeRoot::new();
        let file = |path: &str, content: &str| {
            root.write(
                format!("run/containerd/io.containerd.runtime.v2.task/{path}/config.json"),
                content,
            );
        };
        file(
            "default/a",
            r#"{"ociVersion":"1.1.0","annotations":{"nerdctl/name":"web","x":"y"}}"#,
        );
        file("work/b", "{}");
        let ids = ["a", "b", "c"].map(Into::into);
        let found = look_up(root.path(), &ids).unwrap();
        let told = |id: &str| {
            found
                .iter()
                .find(|(one, _)| &**one == id)
                .map(|(_, answer)| answer.clone())
        };
        let attributes = |text: &[(&'static str, &str)]| Some(Answer::Told(text.iter().copied().collect()));
        assert_eq!(
            told("a"),
            attributes(&[("container", "web"), ("runtime", "containerd")])
        );
        assert_eq!(told("b"), attributes(&[("runtime", "containerd")]));
        assert_eq!(told("c"), None);
    }
}
