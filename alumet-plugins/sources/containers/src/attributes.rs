//! What samples of a container say beside the path of its control group.

use alumet_core::Attributes;
use alumet_reader_cgroupfs::layout::container::{Container, Label};
use serde::Deserialize;

/// The keys of all attributes that there can be.
pub(crate) const KEYS: &[&str] = &[
    "container_id",
    "container",
    "image",
    "runtime",
    "compose_project",
    "compose_service",
];

/// What the name of the control group tells.
pub(crate) fn of_path(container: &Container<'_>) -> Attributes {
    let label = match &container.label {
        Label::Id(id) => ("container_id", (*id).to_owned()),
        Label::Name(name) => ("container", name.clone().into_owned()),
    };
    let runtime = container
        .runtime
        .map(|runtime| ("runtime", runtime.name().to_owned()));
    [label].into_iter().chain(runtime).collect()
}

/// What an engine tells of a container.
#[derive(Debug)]
pub(crate) struct Description<'a> {
    pub(crate) name: Option<&'a str>,
    pub(crate) image: Option<&'a str>,
    /// `None` if it has no labels.
    pub(crate) compose: Option<&'a ComposeLabels>,
    /// Who tells it.
    pub(crate) runtime: &'static str,
}

/// The labels of Docker Compose, which podman-compose writes as well.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct ComposeLabels {
    #[serde(rename = "com.docker.compose.project")]
    pub(crate) project: Option<String>,
    #[serde(rename = "com.docker.compose.service")]
    pub(crate) service: Option<String>,
}

impl Description<'_> {
    pub(crate) fn attributes(&self) -> Attributes {
        let of_compose =
            |label: fn(&ComposeLabels) -> &Option<String>| self.compose.and_then(|all| label(all).as_deref());
        let all = [
            ("container", self.name),
            ("image", self.image),
            ("compose_project", of_compose(|all| &all.project)),
            ("compose_service", of_compose(|all| &all.service)),
            ("runtime", Some(self.runtime)),
        ];
        let told = all
            .into_iter()
            .filter_map(|(key, value)| Some((key, value.filter(|value| !value.is_empty())?)));
        told.collect()
    }
}
