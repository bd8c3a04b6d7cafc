//! The bill of materials of an image: what its program is made of, as SPDX 2.3 in JSON
//! (<https://spdx.github.io/spdx-spec/v2.3/>).

use std::collections::BTreeSet;
use std::path::Path;
use std::{fs, iter};

use anyhow::{Context, Result};
use serde::Deserialize;
use serde_json::{Value, json};

use super::kind::Kind;
use super::release::Release;
use crate::shell;

/// A part of the image.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Part {
    name: String,
    /// Missing where the machine cannot tell it.
    version: Option<String>,
    license: String,
    /// The kind of package, as in a package URL.
    kind: &'static str,
}

impl Part {
    /// What is no crate.
    pub(super) fn generic(name: &str, version: Option<&str>, license: &str) -> Self {
        Self {
            name: name.to_owned(),
            version: version.map(str::to_owned),
            license: license.to_owned(),
            kind: "generic",
        }
    }

    /// A line of `cargo tree`: `name v1.2.3 (somewhere)|MIT/Apache-2.0 (*)`, where `(*)` stands for one that comes again.
    fn of_line(line: &str) -> Option<Self> {
        let (package, license) = line.trim_end_matches(" (*)").split_once('|')?;
        let (name, rest) = package.split_once(" v")?;
        // The slash is what `OR` was written as once.
        let license = license.split('/').map(str::trim).collect::<Vec<_>>().join(" OR ");
        Some(Self {
            name: name.to_owned(),
            version: rest.split(' ').next().map(str::to_owned),
            license: if license.is_empty() {
                "NOASSERTION".to_owned()
            } else {
                license
            },
            kind: "cargo",
        })
    }

    fn id(&self) -> String {
        let plain = |c: char| {
            if c.is_ascii_alphanumeric() || c == '.' {
                c
            } else {
                '-'
            }
        };
        let version = self.version.as_deref().unwrap_or_default();
        let id: String = format!("{}-{}-{version}", self.kind, self.name)
            .chars()
            .map(plain)
            .collect();
        format!("SPDXRef-{id}")
    }

    fn described(&self, locked: &[Locked]) -> Value {
        let version = self.version.as_deref();
        let at = version.map(|version| format!("@{version}")).unwrap_or_default();
        let mut package = json!({
            "SPDXID": self.id(),
            "name": self.name,
            "downloadLocation": "NOASSERTION",
            "filesAnalyzed": false,
            "licenseDeclared": self.license,
            "externalRefs": [{
                "referenceCategory": "PACKAGE-MANAGER",
                "referenceType": "purl",
                "referenceLocator": format!("pkg:{}/{}{at}", self.kind, self.name),
            }],
        });
        if let Some(version) = version {
            package["versionInfo"] = json!(version);
        }
        let is_this = |one: &&Locked| one.name == self.name && Some(one.version.as_str()) == version;
        if let Some(sum) = locked.iter().find(is_this).and_then(|one| one.checksum.as_ref()) {
            let place = format!(
                "https://static.crates.io/crates/{}/{}/download",
                self.name,
                at.trim_start_matches('@')
            );
            package["downloadLocation"] = json!(place);
            package["checksums"] = json!([{ "algorithm": "SHA256", "checksumValue": sum }]);
        }
        package
    }
}

/// What `Cargo.lock` says of the crates.
#[derive(Debug, Deserialize)]
struct Lock {
    package: Vec<Locked>,
}

#[derive(Debug, Deserialize)]
struct Locked {
    name: String,
    version: String,
    /// Missing for what does not come from a registry.
    checksum: Option<String>,
}

/// The document about an image, with the crates that cargo builds into its program, and `others`.
pub(super) fn document(
    root: &Path,
    release: &Release,
    kind: Kind,
    choice: &str,
    others: Vec<Part>,
) -> Result<String> {
    let program = kind.binary().name();
    // What runs while building only, a build script or a macro, is in no image.
    let line = format!(
        "cargo tree --locked --package {program} {choice} --target $(rustc --print host-tuple) \
         --edges normal,no-proc-macro --prefix none --format '{{p}}|{{l}}'"
    );
    let crates = shell::output(&line, root)?;
    let mut crates = crates.lines().filter_map(Part::of_line);
    let program = crates.next().context("`cargo tree` printed no crate")?;
    let parts: BTreeSet<Part> = crates.chain(others).collect();
    let lock = fs::read_to_string(root.join("Cargo.lock")).context("cannot read Cargo.lock")?;
    let lock: Lock = toml::from_str(&lock).context("Cargo.lock is no list of packages")?;
    let (stem, choice) = (kind.stem(release.version), choice.replace(' ', ""));
    let namespace = format!("{stem}/{}{choice}", release.revision);
    let document = spdx(&program, &parts, &lock.package, &release.created(), &namespace);
    Ok(format!("{document:#}\n"))
}

fn spdx(program: &Part, parts: &BTreeSet<Part>, locked: &[Locked], created: &str, namespace: &str) -> Value {
    let relationship = |from: &str, kind: &str, to: &Part| json!({ "spdxElementId": from, "relationshipType": kind, "relatedSpdxElement": to.id() });
    let id = program.id();
    let contains = parts.iter().map(|part| relationship(&id, "CONTAINS", part));
    let describes = relationship("SPDXRef-DOCUMENT", "DESCRIBES", program);
    let all = iter::once(program).chain(parts);
    json!({
        "spdxVersion": "SPDX-2.3",
        "dataLicense": "CC0-1.0",
        "SPDXID": "SPDXRef-DOCUMENT",
        "name": program.name,
        "documentNamespace": format!("https://github.com/alumet-rs/alumet/spdx/{namespace}"),
        "creationInfo": { "created": created, "creators": ["Tool: cargo-xtask-image"] },
        "packages": all.map(|part| part.described(locked)).collect::<Vec<_>>(),
        "relationships": iter::once(describes).chain(contains).collect::<Vec<_>>(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINES: &str = "\
alumet-server v0.1.0 (/src/alumet-server)|MIT OR Apache-2.0
serde v1.0.228|MIT / Apache-2.0
serde v1.0.228|MIT / Apache-2.0 (*)
ring v0.17.14|
";

    fn described() -> Value {
        let mut parts = LINES.lines().filter_map(Part::of_line);
        let program = parts.next().unwrap();
        let glibc = Part::generic("glibc", Some("2.36"), "LGPL-2.1-or-later");
        let parts = parts.chain([glibc]).collect();
        let locked = [Locked {
            name: "serde".to_owned(),
            version: "1.0.228".to_owned(),
            checksum: Some("9a8e".to_owned()),
        }];
        spdx(&program, &parts, &locked, "2026-01-02T03:04:05Z", "abc")
    }

    #[test]
    fn each_part_is_there_once_with_licence_and_address() {
        let document = described();
        let column = |key: &str| -> Vec<String> {
            let packages = document["packages"].as_array().unwrap();
            packages
                .iter()
                .map(|one| one.pointer(key).unwrap().as_str().unwrap().to_owned())
                .collect()
        };
        assert_eq!(
            column("/externalRefs/0/referenceLocator"),
            [
                "pkg:cargo/alumet-server@0.1.0",
                "pkg:generic/glibc@2.36",
                "pkg:cargo/ring@0.17.14",
                "pkg:cargo/serde@1.0.228",
            ]
        );
        let licenses = [
            "MIT OR Apache-2.0",
            "LGPL-2.1-or-later",
            "NOASSERTION",
            "MIT OR Apache-2.0",
        ];
        assert_eq!(column("/licenseDeclared"), licenses);
        let place = "https://static.crates.io/crates/serde/1.0.228/download";
        assert_eq!(column("/downloadLocation")[3], place);
        assert_eq!(document["packages"][3]["checksums"][0]["checksumValue"], "9a8e");
    }

    #[test]
    fn the_document_describes_the_program_which_contains_the_rest() {
        let document = described();
        let relationships = document["relationships"].as_array().unwrap();
        assert_eq!(relationships.len(), 4);
        assert_eq!(
            relationships[0],
            json!({
                "spdxElementId": "SPDXRef-DOCUMENT",
                "relationshipType": "DESCRIBES",
                "relatedSpdxElement": "SPDXRef-cargo-alumet-server-0.1.0",
            })
        );
        assert_eq!(
            relationships[3]["spdxElementId"],
            "SPDXRef-cargo-alumet-server-0.1.0"
        );
        assert_eq!(
            relationships[3]["relatedSpdxElement"],
            "SPDXRef-cargo-serde-1.0.228"
        );
    }
}
