//! The commands that were documented before there was this project, as they were written: each renders, and every name leads
//! somewhere.

use crate::chart::{ALUMET, Helm, NAMESPACE, PIPELINE};
use crate::program::root;
use crate::reference::dangling;
use crate::render::Render;
use crate::rows::groups;
use crate::switches::EXTERNAL;

/// What the commands call the charts, and where those are.
const CHARTS: [(&str, &str); 3] = [
    ("alumet", ALUMET.folder),
    ("telemetry-pipeline/telemetry-pipeline", PIPELINE.folder),
    (
        "./deploy/helm/telemetry-pipeline",
        "deploy/helm/telemetry-pipeline",
    ),
];

/// The words of a command with `template` as its verb, and with files and charts where they lie.
fn as_template(command: &str) -> Vec<String> {
    let files = root().join("charts/conformance/tests/conformance/seeds");
    let mut words = shell_words::split(command).unwrap();
    words[1] = "template".to_owned();
    words.retain(|word| word != "--reuse-values");
    for word in &mut words {
        if let Some((_, folder)) = CHARTS.iter().find(|(name, _)| name == word) {
            *word = root().join(folder).display().to_string();
        }
        let (key, file) = word
            .rsplit_once('=')
            .map_or(("", word.as_str()), |(key, file)| (key, file));
        if !file.is_empty() && files.join(file).is_file() {
            let equals = if key.is_empty() { "" } else { "=" };
            *word = format!("{key}{equals}{}", files.join(file).display());
        }
    }
    words
}

#[test]
fn every_documented_command_works() {
    let Some(helm) = Helm::find() else { return };
    let mut found = Vec::new();
    for group in groups(include_str!("seeds/commands.txt")) {
        let words = as_template(group.told);
        let line = format!(
            "{} -n {NAMESPACE} --api-versions monitoring.coreos.com/v1",
            shell_words::join(&words[1..])
        );
        match helm.run(&line).and_then(|text| Render::of(&text)) {
            Ok(render) => {
                // A rule for the traffic of all pods is about ports that only some of them have.
                let is_rule =
                    |one: &String| one.starts_with("NetworkPolicy/") && one.ends_with("has the port 8080");
                found.extend(
                    dangling(&render, &EXTERNAL)
                        .into_iter()
                        .filter(|one| !is_rule(one))
                        .map(|one| format!("{}: {one}", group.told)),
                );
                found.extend(group.broken(&render, &words[2]));
            }
            Err(message) => found.push(format!("{}: {message}", group.told)),
        }
    }
    assert!(found.is_empty(), "{} found:\n{}", found.len(), found.join("\n"));
}
