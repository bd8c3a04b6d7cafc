//! `cargo xtask docs`: the documentation that derives from the code.

mod facts;
mod markdown;
pub(crate) mod region;

use std::fs;

use anyhow::{Result, bail};
use similar::TextDiff;

use crate::files::Page;
use crate::registration;
use crate::role::Role;
use crate::workspace::Workspace;
use facts::Facts;

/// Registers all plugins and writes all generated documentation or, with `check`, fails when some of it is out of date.
pub(crate) fn run(workspace: &Workspace, check: bool) -> Result<()> {
    let root = &workspace.root;
    if !check {
        registration::update(workspace)?;
    }
    let facts = Facts::of_binaries(root)?;
    let read = |path: &str| fs::read_to_string(root.join(path)).ok();
    let (pages, mut problems) = pages(workspace, &facts, &read);
    for page in &pages {
        let Page { path, text } = page;
        let old = read(path).unwrap_or_default();
        if !check {
            page.write(root)?;
        } else if old != *text {
            let difference = TextDiff::from_lines(&old, text);
            let lines = difference.unified_diff().context_radius(0).to_string();
            problems.push(format!(
                "{path} is out of date; mend it with `cargo xtask docs`:\n{lines}"
            ));
        }
    }
    if problems.is_empty() {
        return Ok(());
    }
    for problem in &problems {
        println!("{problem}\n");
    }
    match problems.len() {
        1 => bail!("the documentation is wrong in one place"),
        many => bail!("the documentation is wrong in {many} places"),
    }
}

/// All files with generated parts as they should be, and what a person must mend first.
fn pages(
    workspace: &Workspace,
    facts: &Facts,
    read: &dyn Fn(&str) -> Option<String>,
) -> (Vec<Page>, Vec<String>) {
    let mut pages = vec![
        Page::new("docs/metrics.md", markdown::catalogue(&facts.plugins)),
        Page::new(
            "docs/configuration.md",
            markdown::configuration(&facts.configuration),
        ),
    ];
    let mut problems = Vec::new();
    let folder_of = |id: &str| {
        let mut folders = workspace.members.iter().map(|member| member.folder.as_str());
        folders.find(|folder| matches!(Role::of(folder), Role::Plugin(_, name) if name == id))
    };
    let plugins = facts
        .plugins
        .iter()
        .filter_map(|plugin| Some((plugin, folder_of(&plugin.id)?)));
    let plugins: Vec<_> = plugins.collect();
    let table = markdown::plugins(&plugins);
    let mut fill = |path: String, parts: &[(&str, String)]| match filled(&path, parts, read) {
        Ok(page) => pages.push(page),
        Err(mut more) => problems.append(&mut more),
    };
    fill("README.md".to_owned(), &[("plugins", table)]);
    for (plugin, folder) in plugins {
        fill(
            format!("{folder}/README.md"),
            &[
                ("metrics", markdown::metrics_of_plugin(&plugin.metrics)),
                ("configuration", plugin.configuration_markdown.clone()),
            ],
        );
    }
    (pages, problems)
}

/// A file with new texts between its markers, or which markers it lacks.
fn filled(
    path: &str,
    parts: &[(&str, String)],
    read: &dyn Fn(&str) -> Option<String>,
) -> Result<Page, Vec<String>> {
    let Some(mut text) = read(path) else {
        return Err(vec![format!(
            "{path} does not exist; write it, with the markers of generated parts"
        )]);
    };
    let mut problems = Vec::new();
    for (name, content) in parts {
        match region::replaced_in_markdown(&text, name, content) {
            Ok(new) => text = new,
            Err(error) => problems.push(format!("{path}: {error}")),
        }
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    Ok(Page::new(path, text))
}

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
            "README.md" => Some("# Alumet\n<!-- plugins:begin -->\n<!-- plugins:end -->\n".to_owned()),
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
        let (pages, problems) = pages(&workspace(), &facts::tests::facts(), &readme);
        assert_eq!(problems, [""; 0]);
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
        assert!(pages[3].text.contains("`load_average`"), "{}", pages[3].text);
        assert!(pages[3].text.contains("| `poll_interval` |"), "{}", pages[3].text);
        assert!(!pages[3].text.contains("old"), "{}", pages[3].text);
    }

    #[test]
    fn a_missing_marker_or_file_is_a_problem_and_leaves_the_file_alone() {
        let read = |path: &str| (path == "README.md").then(|| "# Alumet\n".to_owned());
        let (pages, problems) = pages(&workspace(), &facts::tests::facts(), &read);
        assert_eq!(pages.len(), 2);
        assert_eq!(problems.len(), 2);
        assert!(problems[0].starts_with("README.md: "), "{}", problems[0]);
        assert!(problems[0].contains("<!-- plugins:begin -->"), "{}", problems[0]);
        assert!(problems[1].contains("does not exist"), "{}", problems[1]);
    }
}
