//! What the engine says: JSON in, names out.

use serde::Deserialize;

use crate::attributes::{ComposeLabels, Description};
use crate::names::Answer;

/// What happened to a container.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Event {
    /// From now on all is told.
    Begun,
    /// It has this name from now on.
    Named(Box<str>, Answer),
    /// It is no more.
    Gone(Box<str>),
}

/// An element of the answer to `GET /containers/json`.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Listed {
    id: Box<str>,
    #[serde(default)]
    names: Option<Vec<String>>,
    #[serde(default)]
    image: Option<String>,
    #[serde(default)]
    labels: Option<ComposeLabels>,
}

/// An element of the answer to `GET /events`.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Happened {
    #[serde(default)]
    r#type: String,
    #[serde(default)]
    action: String,
    #[serde(default)]
    actor: Actor,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Actor {
    #[serde(rename = "ID")]
    id: Box<str>,
    /// The labels of the container, and what follows.
    #[serde(rename = "Attributes")]
    attributes: ActorAttributes,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct ActorAttributes {
    name: Option<String>,
    image: Option<String>,
    #[serde(flatten)]
    labels: ComposeLabels,
}

/// The containers of a list. `runtime` is said of each.
pub(super) fn containers(
    body: &[u8],
    runtime: &'static str,
) -> Result<Vec<(Box<str>, Answer)>, serde_json::Error> {
    let listed: Vec<Listed> = serde_json::from_slice(body)?;
    let answer = |one: Listed| {
        // `/web` is the name, `/other/alias` a link to it.
        let names = one.names.unwrap_or_default();
        let own = names
            .iter()
            .map(|name| name.trim_start_matches('/'))
            .find(|name| !name.contains('/'));
        let description = Description {
            name: own,
            image: one.image.as_deref(),
            compose: one.labels.as_ref(),
            runtime,
        };
        (one.id, Answer::Told(description.attributes()))
    };
    Ok(listed.into_iter().map(answer).collect())
}

/// What one line of the events says; `None` if it is of no interest.
pub(super) fn event(line: &[u8], runtime: &'static str) -> Result<Option<Event>, serde_json::Error> {
    let Happened {
        r#type,
        action,
        actor,
    } = serde_json::from_slice(line)?;
    if r#type != "container" || actor.id.is_empty() {
        return Ok(None);
    }
    let attributes = &actor.attributes;
    Ok(match &*action {
        "create" | "start" | "rename" => {
            let description = Description {
                name: attributes
                    .name
                    .as_deref()
                    .map(|name| name.trim_start_matches('/')),
                image: attributes.image.as_deref(),
                compose: Some(&attributes.labels),
                runtime,
            };
            let answer = Answer::Told(description.attributes());
            Some(Event::Named(actor.id, answer))
        }
        "destroy" | "remove" => Some(Event::Gone(actor.id)),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn text(answer: &Answer) -> String {
        match answer {
            Answer::Told(attributes) => {
                let pairs = attributes.iter().map(|(key, value)| format!("{key}={value}"));
                pairs.collect::<Vec<_>>().join(" ")
            }
            Answer::Nameless => "nameless".to_owned(),
        }
    }

    #[test]
    fn a_list_tells_names_images_and_compose_services() {
        let body = br#"[
            {"Id": "a1", "Names": ["/db/alias", "/web"], "Image": "nginx:1.27", "State": "running", "Labels":
             {"com.docker.compose.project": "shop", "com.docker.compose.service": "front", "x": "y"}},
            {"Id": "b2", "Names": null, "Image": "", "Labels": null},
            {"Id": "c3"}
        ]"#;
        let answers = containers(body, "docker").unwrap();
        let texts: Vec<_> = answers
            .iter()
            .map(|(id, answer)| format!("{id} {}", text(answer)))
            .collect();
        assert_eq!(
            texts,
            [
                "a1 compose_project=shop compose_service=front container=web image=nginx:1.27 runtime=docker",
                "b2 runtime=docker",
                "c3 runtime=docker"
            ]
        );
    }

    #[test]
    fn events_tell_names_before_a_start_and_after_a_renaming_and_what_is_no_more() {
        let line = |action: &str| {
            format!(
                r#"{{"status":"x","Type":"container","Action":"{action}","Actor":{{"ID":"a1","Attributes":
                {{"image":"nginx","name":"web","oldName":"/x","com.docker.compose.project":"shop"}}}},"timeNano":1}}"#
            )
        };
        for action in ["create", "start", "rename"] {
            let Some(Event::Named(id, answer)) = event(line(action).as_bytes(), "podman").unwrap() else {
                panic!("{action}");
            };
            assert_eq!(
                (&*id, &*text(&answer)),
                (
                    "a1",
                    "compose_project=shop container=web image=nginx runtime=podman"
                )
            );
        }
        for action in ["destroy", "remove"] {
            assert_eq!(
                event(line(action).as_bytes(), "podman").unwrap(),
                Some(Event::Gone("a1".into()))
            );
        }
        assert_eq!(event(line("exec_start: sh").as_bytes(), "podman").unwrap(), None);
        assert_eq!(
            event(
                br#"{"Type":"image","Action":"create","Actor":{"ID":"a1"}}"#,
                "docker"
            )
            .unwrap(),
            None
        );
        assert_eq!(event(b"{}", "docker").unwrap(), None);
        assert!(event(b"<html>", "docker").is_err());
    }

    proptest! {
        #[test]
        fn any_bytes_are_taken_or_refused(bytes: Vec<u8>, text in r#"[\[\]{}":,a-zA-Z0-9]{0,60}"#) {
            for bytes in [&bytes[..], text.as_bytes()] {
                let _ = (containers(bytes, "docker"), event(bytes, "docker"));
            }
        }
    }
}
