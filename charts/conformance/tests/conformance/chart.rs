//! The charts, and helm.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use crate::program;
use crate::render::{Render, text};

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
    presets: &["values-nvml.yaml"],
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
        // It speaks of each link, on a line of its own.
        let own = |message: String| {
            let lines = message
                .lines()
                .filter(|line| !line.contains("found symbolic link in path"));
            lines.collect::<Vec<_>>().join("\n")
        };
        program::output(command.args(words).current_dir(program::root())).map_err(own)
    }

    /// What it makes of a chart.
    pub(crate) fn try_render(&self, chart: Chart, arguments: &str) -> Result<Render, String> {
        let Chart { folder, release, .. } = chart;
        let line = format!("template {release} {folder} -n {NAMESPACE} {arguments}");
        self.run(&line).and_then(|text| Render::of(&text))
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

    /// What it tells the person who installs a chart. Without a cluster, helm itself shows that to nobody; so the same template
    /// becomes an object here.
    pub(crate) fn notes(&self, chart: Chart, arguments: &str) -> String {
        let folder = tempfile::tempdir().unwrap();
        let copy = folder.path().join("chart");
        let source = program::root().join(chart.folder);
        program::output(Command::new("cp").arg("-rL").arg(source).arg(&copy)).unwrap();
        fs::rename(copy.join("templates/NOTES.txt"), copy.join("notes")).unwrap();
        let object = r#"{"kind": "Notes", "metadata": {"name": "notes"}, "text": {{ tpl (.Files.Get "notes") . | toJson }}}"#;
        fs::write(copy.join("templates/notes.yaml"), object).unwrap();
        let copy = shell_words::quote(copy.to_str().unwrap()).into_owned();
        let line = format!("template {} {copy} -n {NAMESPACE} {arguments}", chart.release);
        let render = self.run(&line).and_then(|text| Render::of(&text));
        let render = render.unwrap_or_else(|message| panic!("{arguments}: {message}"));
        text(&render.find("Notes", "notes").unwrap()["text"]).to_owned()
    }
}
