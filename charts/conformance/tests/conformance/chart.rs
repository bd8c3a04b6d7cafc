//! The charts, and helm.

use std::path::PathBuf;
use std::process::Command;

use crate::program;
use crate::render::Render;

/// A chart of this repository, as the tests install it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Chart {
    /// Its folder.
    pub(crate) folder: &'static str,
    /// The name of the release.
    pub(crate) release: &'static str,
    /// The files of values that it brings.
    pub(crate) presets: &'static [&'static str],
}

pub(crate) const ALUMET: Chart = Chart {
    folder: "charts/alumet",
    release: "test-alumet",
    presets: &[
        "values-seed000.yaml",
        "values-client-only.yaml",
        "values-gpu.yaml",
    ],
};

pub(crate) const PIPELINE: Chart = Chart {
    folder: "charts/telemetry-pipeline",
    release: "my-telemetry-pipeline",
    presets: &[],
};

/// Both.
pub(crate) const CHARTS: [Chart; 2] = [ALUMET, PIPELINE];

/// The namespace of all releases.
pub(crate) const NAMESPACE: &str = "test";

impl Chart {
    /// What `helm` is told for the defaults and for each preset.
    pub(crate) fn preset_arguments(self) -> impl Iterator<Item = String> {
        let presets = self.presets.iter();
        let presets = presets.map(move |preset| format!("-f {}/{preset}", self.folder));
        std::iter::once(String::new()).chain(presets)
    }
}

/// Helm, of one version.
#[derive(Debug, Clone)]
pub(crate) struct Helm(PathBuf);

impl Helm {
    /// Version 3, with which nearly all tests work.
    pub(crate) fn find() -> Option<Self> {
        program::find("helm").map(Self)
    }

    /// Version 4.
    pub(crate) fn find_4() -> Option<Self> {
        program::find("helm4").map(Self)
    }

    /// Runs it in the folder of the workspace, with arguments as a shell has them. A message is its own and not about these.
    pub(crate) fn run(&self, line: &str) -> Result<String, String> {
        let mut command = Command::new(&self.0);
        let words = shell_words::split(line).unwrap();
        program::output(command.args(words).current_dir(program::root()))
    }

    /// What it makes of a chart.
    pub(crate) fn try_render(&self, chart: Chart, arguments: &str) -> Result<Render, String> {
        let Chart { folder, release, .. } = chart;
        let text = self.run(&format!("template {release} {folder} -n {NAMESPACE} {arguments}"))?;
        Render::of(&text)
    }

    /// The same, and nothing where the chart itself says what cannot work together, and what to set instead.
    pub(crate) fn render_or_refusal(&self, chart: Chart, arguments: &str) -> Result<Option<Render>, String> {
        match self.try_render(chart, arguments) {
            Ok(render) => Ok(Some(render)),
            Err(message) if message.contains("execution error at") && message.contains("set ") => Ok(None),
            Err(message) => Err(format!("{} {arguments}: {message}", chart.folder)),
        }
    }

    /// What it makes of a chart that takes these arguments.
    pub(crate) fn render(&self, chart: Chart, arguments: &str) -> Render {
        self.try_render(chart, arguments)
            .unwrap_or_else(|message| panic!("{} {arguments}: {message}", chart.folder))
    }

    /// Why a chart refuses these arguments.
    pub(crate) fn refusal(&self, chart: Chart, arguments: &str) -> String {
        match self.try_render(chart, arguments) {
            Err(message) => message,
            Ok(_) => panic!("{} takes {arguments}", chart.folder),
        }
    }

    /// What it tells the person who installs a chart.
    pub(crate) fn notes(&self, chart: Chart, arguments: &str) -> String {
        let Chart { folder, release, .. } = chart;
        let line = format!("install {release} {folder} -n {NAMESPACE} --dry-run=client {arguments}");
        let text = self
            .run(&line)
            .unwrap_or_else(|message| panic!("{arguments}: {message}"));
        let (_, notes) = text.split_once("\nNOTES:\n").unwrap_or_default();
        notes.to_owned()
    }
}
