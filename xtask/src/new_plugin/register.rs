//! Where the workspace and its programs name a plugin.

use anyhow::{Context, Result};

use super::name::PluginName;
use crate::binary::{Binary, KNOWN_PLUGINS};
use crate::role::PluginKind;

const WORKSPACE: &str = "Cargo.toml";

/// The longest line of a manifest.
const LONGEST_LINE: usize = 110;

/// A plugin that is to be made known.
pub(super) struct Registration {
    kind: PluginKind,
    id: String,
    crate_name: String,
    /// `alumet_plugin_big_iron::BigIronPlugin`.
    type_path: String,
}

impl Registration {
    /// The registration of a new plugin.
    pub(super) fn new(kind: PluginKind, name: &PluginName) -> Self {
        Self {
            kind,
            id: name.to_string(),
            crate_name: format!("alumet-plugin-{name}"),
            type_path: format!("alumet_plugin_{}::{}Plugin", name.snake(), name.camel()),
        }
    }

    /// The changed files with their new texts.
    pub(super) fn edits(&self, read: &dyn Fn(&str) -> Result<String>) -> Result<Vec<(String, String)>> {
        let edit =
            |path: &str, edit: &dyn Fn(&str) -> Option<String>, by_hand: &str| -> Result<(String, String)> {
                let new = edit(&read(path)?);
                let new =
                    new.with_context(|| format!("{path} does not look as expected; first {by_hand}"))?;
                Ok((path.to_owned(), new))
            };
        let mut edits = vec![edit(
            WORKSPACE,
            &|text| self.in_workspace(text),
            "make sure that it has `members` and [workspace.dependencies] with an `alumet-plugin-*`",
        )?];
        let programs = Binary::ALL.into_iter();
        for binary in programs.filter(|binary| binary.offers(self.kind, &self.id)) {
            edits.push(edit(
                binary.manifest(),
                &|text| self.in_manifest(text),
                "make sure that it has [features] with `default = […]`, and [dependencies], with an `alumet-plugin-*` each",
            )?);
            edits.push(edit(
                binary.list(),
                &|text| self.in_list(text),
                "make sure that it has `vec![` with a `#[cfg(feature = \"…\")]`",
            )?);
        }
        edits.push(edit(
            KNOWN_PLUGINS,
            &|text| self.in_known(text),
            "make sure that it has a constant `KNOWN` with a plugin",
        )?);
        Ok(edits)
    }

    fn in_workspace(&self, text: &str) -> Option<String> {
        let (name, id, folder) = (&self.crate_name, &self.id, self.kind.folder());
        let mut lines = Lines::of(text);
        let members = format!("    \"{folder}/*\",");
        if !lines.0.contains(&members) {
            let is_group = |line: &str| line.contains("\"alumet-plugins/");
            lines.insert_sorted(("members = [", "]"), &[members], is_group)?;
        }
        let line = format!("{name} = {{ path = \"{folder}/{id}\", version = \"0.1.0\" }}");
        lines.insert_sorted(("[workspace.dependencies]", "["), &[line], is_plugin)?;
        Some(lines.text())
    }

    fn in_manifest(&self, text: &str) -> Option<String> {
        let (name, id) = (&self.crate_name, &self.id);
        let mut lines = Lines::of(text);
        let feature = format!("{id} = [\"dep:{name}\"]");
        let is_feature = |line: &str| line.contains("= [\"dep:alumet-plugin-");
        lines.insert_sorted(("[features]", "["), &[feature], is_feature)?;
        lines.insert_in_array("default = [", id)?;
        let dependency = format!("{name} = {{ workspace = true, optional = true }}");
        lines.insert_sorted(("[dependencies]", "["), &[dependency], is_plugin)?;
        Some(lines.text())
    }

    fn in_list(&self, text: &str) -> Option<String> {
        let mut lines = Lines::of(text);
        let item = [
            format!("        #[cfg(feature = \"{}\")]", self.id),
            format!("        PluginDescriptor::of::<{}>(),", self.type_path),
        ];
        let is_condition = |line: &str| line.contains("#[cfg(feature = ");
        lines.insert_sorted(("vec![", "]"), &item, is_condition)?;
        Some(lines.text())
    }

    fn in_known(&self, text: &str) -> Option<String> {
        let mut lines = Lines::of(text);
        let known = format!("    \"{}\",", self.id);
        if !lines.0.contains(&known) {
            let is_name = |line: &str| line.trim_start().starts_with('"');
            lines.insert_sorted(("const KNOWN", "]"), &[known], is_name)?;
        }
        Some(lines.text())
    }
}

fn is_plugin(line: &str) -> bool {
    line.starts_with("alumet-plugin-")
}

/// A text by lines.
struct Lines(Vec<String>);

impl Lines {
    fn of(text: &str) -> Self {
        Self(text.lines().map(str::to_owned).collect())
    }

    fn text(self) -> String {
        let mut text = self.0.join("\n");
        text.push('\n');
        text
    }

    /// Adds a word to an array of words on one line, or with one word per line when that line would be too long.
    fn insert_in_array(&mut self, begin: &str, word: &str) -> Option<()> {
        let lines = &mut self.0;
        let begin_at = lines.iter().position(|line| line.starts_with(begin))?;
        let length = lines[begin_at..].iter().position(|line| line.ends_with(']'))? + 1;
        let array = lines[begin_at..begin_at + length].join(" ");
        let inside = array.strip_prefix(begin)?.strip_suffix(']')?;
        let words = inside.split(',').map(str::trim).filter(|word| !word.is_empty());
        let mut words: Vec<String> = words.map(str::to_owned).collect();
        words.push(format!("\"{word}\""));
        words.sort();
        let line = format!("{begin}{}]", words.join(", "));
        let new = if line.len() <= LONGEST_LINE {
            vec![line]
        } else {
            let words = words.iter().map(|word| format!("    {word},"));
            [begin.to_owned()]
                .into_iter()
                .chain(words)
                .chain(["]".to_owned()])
                .collect()
        };
        lines.splice(begin_at..begin_at + length, new);
        Some(())
    }

    /// Puts an item among those of its kind, between the line that contains `begin` and the next that starts with `end`:
    /// before the first that sorts after it, or after the last. `is_first` tells the first line of such an item.
    fn insert_sorted(
        &mut self,
        (begin, end): (&str, &str),
        item: &[String],
        is_first: impl Fn(&str) -> bool,
    ) -> Option<()> {
        let lines = &self.0;
        let begin = lines.iter().position(|line| line.contains(begin))? + 1;
        let length = lines[begin..]
            .iter()
            .position(|line| line.trim_start().starts_with(end));
        let end = length.map_or(lines.len(), |length| begin + length);
        let others = (begin..end).filter(|at| is_first(&lines[*at]));
        let after_last = others.clone().last()? + item.len();
        let before = others.clone().find(|at| lines[*at] > item[0]);
        let at = before.unwrap_or(after_last);
        self.0.splice(at..at, item.iter().cloned());
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MANIFEST: &str = "\
[workspace]
members = [
    \"alumet-core\",
    \"alumet-plugins/readers/*\",
    \"alumet-plugins/sources/*\",
    \"alumet-agent\",
]

[workspace.dependencies]
alumet-core = { path = \"alumet-core\" }
alumet-plugin-csv = { path = \"alumet-plugins/outputs/csv\" }
alumet-plugin-procfs = { path = \"alumet-plugins/sources/procfs\" }
alumet-reader-procfs = { path = \"alumet-plugins/readers/procfs\" }

serde = \"1\"
";
    const AGENT_MANIFEST: &str = "\
[features]
default = [\"csv\", \"procfs\"]
csv = [\"dep:alumet-plugin-csv\"]
procfs = [\"dep:alumet-plugin-procfs\"]

[dependencies]
alumet-core.workspace = true
alumet-plugin-csv = { workspace = true, optional = true }
alumet-plugin-procfs = { workspace = true, optional = true }
serde.workspace = true
";
    const PLUGINS: &str = "\
fn compiled() -> Vec<PluginDescriptor> {
    vec![
        #[cfg(feature = \"csv\")]
        PluginDescriptor::of::<alumet_plugin_csv::CsvPlugin>(),
        #[cfg(feature = \"procfs\")]
        PluginDescriptor::of::<alumet_plugin_procfs::ProcfsPlugin>(),
    ]
}
";
    const KNOWN: &str = "\
const KNOWN: &[&str] = &[
    \"csv\",
    \"procfs\",
    \"rapl\",
];
";

    fn edited(kind: PluginKind, name: &str) -> Vec<(String, String)> {
        let read = |path: &str| {
            let text = match path {
                WORKSPACE => MANIFEST,
                KNOWN_PLUGINS => KNOWN,
                _ if path.ends_with(".toml") => AGENT_MANIFEST,
                _ => PLUGINS,
            };
            Ok(text.to_owned())
        };
        let registration = Registration::new(kind, &name.parse().unwrap());
        registration.edits(&read).unwrap()
    }

    /// The files of the workspace and of the agent, and the list of all plugins.
    fn registered(kind: PluginKind, name: &str) -> [String; 4] {
        let edits = edited(kind, name);
        let agent = Binary::Agent;
        [WORKSPACE, agent.manifest(), agent.list(), KNOWN_PLUGINS].map(|wanted| {
            let found = edits.iter().find(|(path, _)| path == wanted);
            found.unwrap().1.clone()
        })
    }

    /// The lines of `new` that `old` does not have, each with the line before it; the list of defaults has its own test.
    fn added(old: &str, new: &str) -> Vec<(String, String)> {
        let without_defaults = |text| -> Vec<&str> {
            str::lines(text)
                .filter(|line| !line.starts_with("default"))
                .collect()
        };
        let (old, lines) = (without_defaults(old), without_defaults(new));
        assert_eq!(lines.iter().filter(|line| old.contains(line)).count(), old.len());
        let pairs = lines.windows(2).filter(|pair| !old.contains(&pair[1]));
        pairs
            .map(|pair| (pair[0].to_owned(), pair[1].to_owned()))
            .collect()
    }

    fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
        let owned = expected.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned()));
        owned.collect()
    }

    #[test]
    fn a_plugin_stands_in_the_order_of_names() {
        let [workspace, agent, list, known] = registered(PluginKind::Output, "file");
        assert_eq!(
            added(MANIFEST, &workspace),
            pairs(&[
                ("    \"alumet-core\",", "    \"alumet-plugins/outputs/*\","),
                (
                    "alumet-plugin-csv = { path = \"alumet-plugins/outputs/csv\" }",
                    "alumet-plugin-file = { path = \"alumet-plugins/outputs/file\", version = \"0.1.0\" }"
                ),
            ])
        );
        assert_eq!(
            added(AGENT_MANIFEST, &agent),
            pairs(&[
                (
                    "csv = [\"dep:alumet-plugin-csv\"]",
                    "file = [\"dep:alumet-plugin-file\"]"
                ),
                (
                    "alumet-plugin-csv = { workspace = true, optional = true }",
                    "alumet-plugin-file = { workspace = true, optional = true }"
                ),
            ])
        );
        let condition = "        #[cfg(feature = \"file\")]";
        assert_eq!(
            added(PLUGINS, &list),
            pairs(&[
                (
                    "        PluginDescriptor::of::<alumet_plugin_csv::CsvPlugin>(),",
                    condition
                ),
                (
                    condition,
                    "        PluginDescriptor::of::<alumet_plugin_file::FilePlugin>(),"
                ),
            ])
        );
        assert_eq!(added(KNOWN, &known), pairs(&[("    \"csv\",", "    \"file\",")]));
    }

    #[test]
    fn the_last_plugin_stands_after_the_others() {
        let [workspace, agent, list, known] = registered(PluginKind::Source, "rapl");
        assert_eq!(
            added(MANIFEST, &workspace),
            pairs(&[(
                "alumet-plugin-procfs = { path = \"alumet-plugins/sources/procfs\" }",
                "alumet-plugin-rapl = { path = \"alumet-plugins/sources/rapl\", version = \"0.1.0\" }"
            )])
        );
        assert_eq!(
            added(AGENT_MANIFEST, &agent)[0].0,
            "procfs = [\"dep:alumet-plugin-procfs\"]"
        );
        let condition = "        #[cfg(feature = \"rapl\")]";
        assert_eq!(
            added(PLUGINS, &list),
            pairs(&[
                (
                    "        PluginDescriptor::of::<alumet_plugin_procfs::ProcfsPlugin>(),",
                    condition
                ),
                (
                    condition,
                    "        PluginDescriptor::of::<alumet_plugin_rapl::RaplPlugin>(),"
                ),
            ])
        );
        assert_eq!(known, KNOWN, "it was announced before it was written");
    }

    #[test]
    fn a_program_has_the_plugin_unless_somebody_leaves_it_out() {
        let [_, agent, ..] = registered(PluginKind::Output, "file");
        assert!(
            agent.contains("default = [\"csv\", \"file\", \"procfs\"]\n"),
            "{agent}"
        );

        let mut lines = Lines::of("a\ndefault = []\nb\n");
        lines.insert_in_array("default = [", "x").unwrap();
        assert_eq!(lines.0, ["a", "default = [\"x\"]", "b"]);
        let (long, longer) = ("l".repeat(60), "m".repeat(60));
        lines.insert_in_array("default = [", &longer).unwrap();
        lines.insert_in_array("default = [", &long).unwrap();
        let words = [&long, &longer, "x"].map(|word| format!("    \"{word}\","));
        assert_eq!(lines.0[2..5], words);
        assert_eq!(
            (&*lines.0[1], &*lines.0[5], &*lines.0[6]),
            ("default = [", "]", "b")
        );
        assert_eq!(lines.insert_in_array("other = [", "x"), None);
    }

    #[test]
    fn the_server_gets_an_output_like_the_agent_and_no_source() {
        let of_server = |kind, name| -> Vec<(String, String)> {
            let edits = edited(kind, name).into_iter();
            edits
                .filter(|(path, _)| path.starts_with("alumet-server/"))
                .collect()
        };
        let [_, manifest, list, _] = registered(PluginKind::Output, "file");
        let path = |path: &str| path.to_owned();
        assert_eq!(
            of_server(PluginKind::Output, "file"),
            [
                (path("alumet-server/Cargo.toml"), manifest),
                (path("alumet-server/src/plugins.rs"), list)
            ]
        );
        assert_eq!(of_server(PluginKind::Source, "big-iron"), []);
    }

    #[test]
    fn a_file_of_another_shape_is_left_alone_with_a_word_about_it() {
        let read = |_: &str| Ok("[package]\n".to_owned());
        let name = "rapl".parse().unwrap();
        let error = Registration::new(PluginKind::Source, &name)
            .edits(&read)
            .unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with("Cargo.toml does not look as expected"),
            "{error}"
        );
    }
}
