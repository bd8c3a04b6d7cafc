//! `cargo xtask docs`: the documentation that derives from the code.

mod facts;
mod markdown;
mod values;

use std::fmt::Write;

use anyhow::{Context, Result, bail};
use similar::TextDiff;

use crate::page::{Page, Read};
use crate::registration;
use crate::workspace::Workspace;
use facts::Facts;

/// Registers all plugins and writes all generated documentation or, with `check`, fails when some of it is out of date.
pub(crate) fn run(workspace: &Workspace, check: bool) -> Result<()> {
    if !check {
        registration::update(workspace)?;
    }
    let facts = Facts::of_binaries(&workspace.root)?;
    let mut problems = Vec::new();
    let read: Read<'_> = &|path| workspace.read(path);
    let charts = CHARTS.iter().map(|chart| readme_of_chart(chart, read));
    for page in pages(workspace, &facts, read).into_iter().chain(charts) {
        match page {
            Ok(page) if check => problems.extend(difference(workspace, &page)),
            Ok(page) => page.write(&workspace.root)?,
            Err(error) => problems.push(format!("{error:#}")),
        }
    }
    for problem in &problems {
        println!("{problem}\n");
    }
    match problems.len() {
        0 => Ok(()),
        1 => bail!("the documentation is wrong in one place"),
        many => bail!("the documentation is wrong in {many} places"),
    }
}

/// What is out of date in the file, if anything is.
fn difference(workspace: &Workspace, Page { path, text }: &Page) -> Option<String> {
    let old = workspace.read(path).unwrap_or_default();
    let difference = TextDiff::from_lines(&old, text);
    let lines = difference.unified_diff().context_radius(0).to_string();
    (old != *text).then(|| format!("{path} is out of date; mend it with `cargo xtask docs`:\n{lines}"))
}

/// All files with generated parts as they should be, or what a person must mend first.
fn pages(workspace: &Workspace, facts: &Facts, read: Read<'_>) -> Vec<Result<Page>> {
    let folders = registration::plugins(workspace.folders());
    let folder_of = |id: &str| folders.iter().find(|plugin| plugin.name == id);
    let plugins = facts.plugins.iter();
    let plugins: Vec<_> = plugins
        .filter_map(|plugin| Some((plugin, folder_of(&plugin.id)?.folder.as_str())))
        .collect();
    let table = markdown::plugins(&plugins);
    let mut pages = vec![
        Ok(Page::new("docs/metrics.md", markdown::catalogue(&facts.plugins))),
        Ok(Page::new(
            "docs/configuration.md",
            markdown::configuration(&facts.configuration),
        )),
        readme(table, read),
    ];
    for (plugin, folder) in plugins {
        let parts = [
            ("metrics", markdown::metrics_of_plugin(&plugin.metrics)),
            ("configuration", plugin.configuration_markdown.clone()),
        ];
        pages.push(Page::filled(&format!("{folder}/README.md"), &parts, read));
    }
    pages
}

/// The charts that people install, each with those in it.
const CHARTS: &[(&str, &[&str])] = &[
    (
        "charts/alumet",
        &[
            "alumet-relay-client",
            "alumet-relay-server",
            "alumet-api",
            "influxdb2",
        ],
    ),
    ("charts/telemetry-pipeline", &[]),
];

/// The README of a chart, with its values and those of the charts in it.
fn readme_of_chart((chart, parts): &(&str, &[&str]), read: Read<'_>) -> Result<Page> {
    let values = |folder: &str, prefix: &str| {
        let path = format!("{folder}/values.yaml");
        let yaml = read(&path).with_context(|| format!("{path} does not exist"))?;
        Ok::<_, anyhow::Error>(values::table(&yaml, prefix))
    };
    let mut text = values(chart, "")?;
    for part in *parts {
        let table = values(&format!("{chart}/charts/{part}"), &format!("{part}."))?;
        let _ = write!(text, "\n### `{part}`\n\n{table}");
    }
    Page::filled(&format!("{chart}/README.md"), &[("values", text)], read)
}

/// The README of the repository, with the table of plugins and the picture of `top`, which a test of the agent writes.
fn readme(plugins: String, read: Read<'_>) -> Result<Page> {
    let Some(picture) = read(PICTURE) else {
        bail!("{PICTURE} does not exist; `UPDATE=1 cargo test -p alumet-agent --lib the_picture` writes it");
    };
    let picture = format!("```text\n{picture}```");
    Page::filled("README.md", &[("plugins", plugins), ("top", picture)], read)
}

/// What `top` shows in a terminal of 80 by 24.
const PICTURE: &str = "docs/top.txt";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workspace::Member;

    fn workspace() -> Workspace {
        Workspace {
            root: std::env::temp_dir(),
            members: vec![
                Member::at("alumet-plugins/sources/load"),
                Member::at("alumet-plugins/readers/load"),
            ],
        }
    }

    fn readme(path: &str) -> Option<String> {
        match path {
            "README.md" => Some(
                "# Alumet\n<!-- top:begin -->\n<!-- top:end -->\n<!-- plugins:begin -->\n<!-- plugins:end -->\n".to_owned(),
            ),
            PICTURE => Some("cpu 42 %\n".to_owned()),
            "alumet-plugins/sources/load/README.md" => Some(
                "## Metrics\n<!-- metrics:begin -->\nold\n<!-- metrics:end -->\n\
                 ## Configuration\n<!-- configuration:begin -->\nold\n<!-- configuration:end -->\n"
                    .to_owned(),
            ),
            _ => None,
        }
    }

    #[test]
    fn facts_go_to_the_catalogue_the_reference_and_the_readmes() {
        let pages = pages(&workspace(), &facts::tests::facts(), &readme);
        let pages: Vec<Page> = pages.into_iter().collect::<Result<_>>().unwrap();
        let paths: Vec<&str> = pages.iter().map(|page| page.path.as_str()).collect();
        let load = "alumet-plugins/sources/load/README.md";
        assert_eq!(
            paths,
            ["docs/metrics.md", "docs/configuration.md", "README.md", load]
        );
        assert!(pages[0].text.contains("`load_average`"), "{}", pages[0].text);
        assert!(pages[1].text.contains("poll_interval"), "{}", pages[1].text);
        assert!(
            pages[2].text.contains("[`load`](alumet-plugins/sources/load)"),
            "{}",
            pages[2].text
        );
        assert!(!pages[2].text.contains("`alumet`"), "{}", pages[2].text);
        assert!(
            pages[2].text.contains("```text\ncpu 42 %\n```\n"),
            "{}",
            pages[2].text
        );
        assert!(pages[3].text.contains("`load_average`"), "{}", pages[3].text);
        assert!(pages[3].text.contains("| `poll_interval` |"), "{}", pages[3].text);
        assert!(!pages[3].text.contains("old"), "{}", pages[3].text);
    }

    #[test]
    fn the_readme_of_a_chart_has_its_values_and_those_of_the_charts_in_it() {
        let read = |path: &str| {
            let text = match path {
                "c/README.md" => "# C\n<!-- values:begin -->\n<!-- values:end -->\n",
                "c/values.yaml" => "# -- One\na: 1\n",
                "c/charts/d/values.yaml" => "# -- Two\nb: 2\n",
                _ => return None,
            };
            Some(text.to_owned())
        };
        let Page { text, .. } = readme_of_chart(&("c", &["d"]), &read).unwrap();
        assert!(text.contains("| `a` | `1` | One |\n\n### `d`\n\n"), "{text}");
        assert!(text.contains("| `d.b` | `2` | Two |\n"), "{text}");
    }

    #[test]
    fn a_missing_marker_or_file_is_a_problem_and_leaves_the_file_alone() {
        let read = |path: &str| {
            ["README.md", PICTURE]
                .contains(&path)
                .then(|| "# Alumet\n".to_owned())
        };
        let pages = pages(&workspace(), &facts::tests::facts(), &read);
        let problems = pages.iter().filter_map(|page| page.as_ref().err());
        let problems: Vec<String> = problems.map(|error| format!("{error:#}")).collect();
        assert_eq!(pages.len(), 4);
        assert_eq!(problems.len(), 2);
        assert!(problems[0].starts_with("README.md: "), "{}", problems[0]);
        assert!(problems[0].contains("<!-- plugins:begin -->"), "{}", problems[0]);
        assert!(problems[1].contains("does not exist"), "{}", problems[1]);
    }
}
