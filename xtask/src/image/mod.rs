//! `cargo xtask image`: the images that are released, and a look whether they work.

mod check;
mod kind;
mod program;
mod release;
mod sbom;
mod tree;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::ValueEnum;

use crate::shell;
use crate::workspace::Workspace;
use kind::Kind;
use release::Release;
use sbom::Part;
use tree::Tree;

/// What `cargo xtask image` takes.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// The images; without any, all of them.
    #[arg(value_enum)]
    images: Vec<Kind>,
    /// Takes the programs from this folder, such as `target/debug`, and builds none.
    #[arg(long, value_name = "FOLDER")]
    programs: Option<PathBuf>,
    /// The cargo features of the program, such as `csv,rapl,relay-client`; without this, the default ones.
    #[arg(long)]
    features: Option<String>,
    /// What `agent-gpu` stands on; `scratch`: on the loader and the C library of this machine.
    #[arg(long, value_name = "IMAGE")]
    base: Option<String>,
    /// Where the images are written to.
    #[arg(long, value_name = "FOLDER", default_value = "target/images")]
    out: PathBuf,
    /// Runs the server and the agents that were made, as any user and without rights, and looks for the samples of each agent in a
    /// file of the server. Only root can do this.
    #[arg(long)]
    check: bool,
    /// Pushes to this registry, such as `ghcr.io/alumet-dev`, when all images are made and, with `--check`, work.
    #[arg(long, value_name = "REGISTRY")]
    push: Option<String>,
}

/// An image in a file.
#[derive(Debug)]
struct Image {
    kind: Kind,
    archive: PathBuf,
}

/// Makes the images, looks whether they work, and pushes them.
pub(crate) fn run(workspace: &Workspace, options: &Options) -> Result<()> {
    let root = &workspace.root;
    let kinds = if options.images.is_empty() {
        Kind::value_variants()
    } else {
        &options.images
    };
    refuse_what_cannot_be(kinds, options)?;
    require_tools(options, root)?;
    let release = Release::of(root)?;
    let out = root.join(&options.out);
    fs::create_dir_all(&out).with_context(|| format!("cannot make {}", out.display()))?;
    let work = Work(out.join("work"));
    let images = kinds
        .iter()
        .map(|&kind| image(kind, options, &release, &work, &out, root));
    let images = images.collect::<Result<Vec<_>>>()?;
    if options.check {
        check::run(&images, &work.0.join("check"))?;
    }
    for image in images.iter().filter(|_| options.push.is_some()) {
        let registry = options.push.as_deref().unwrap_or_default();
        let name = image.kind.repository_and_tag(release.version);
        let archive = quoted(&image.archive);
        let line = format!("skopeo copy --preserve-digests oci-archive:{archive} docker://{registry}/{name}");
        println!("== {line}");
        shell::run(&line, root)?;
    }
    Ok(())
}

/// Refuses what would fail late, or mean something else.
fn refuse_what_cannot_be(kinds: &[Kind], options: &Options) -> Result<()> {
    if options.features.is_some() && kinds.len() != 1 {
        bail!("`--features` are those of one program; name one image, such as `server`");
    }
    if options.base.is_some() && !kinds.contains(&Kind::AgentGpu) {
        bail!("only `agent-gpu` stands on another image; leave out `--base`");
    }
    let agents = kinds.iter().filter(|kind| **kind != Kind::Server).count();
    if options.check && (agents == 0 || agents == kinds.len()) {
        bail!("`--check` needs the server and an agent; name both, or no image for all of them");
    }
    Ok(())
}

/// Says what is missing on this machine.
fn require_tools(options: &Options, root: &Path) -> Result<()> {
    let (check, push) = (options.check, options.push.is_some());
    let authorities = format!("test -e {}", tree::AUTHORITIES);
    let tools = [
        (true, "buildah --version", "buildah"),
        (true, authorities.as_str(), "ca-certificates"),
        (true, "strip --version", "binutils"),
        (check || push, "skopeo --version", "skopeo"),
        (check, "umoci --version", "umoci"),
        (check, "runc --version", "runc"),
    ];
    let is_missing =
        |(is_needed, probe, _): &&(bool, &str, &str)| *is_needed && !shell::succeeds(probe, root);
    let missing: Vec<&str> = tools.iter().filter(is_missing).map(|tool| tool.2).collect();
    if !missing.is_empty() {
        bail!(
            "tools are missing; install them with `apt-get install {}`",
            missing.join(" ")
        );
    }
    if check && !shell::succeeds("test $(id -u) = 0", root) {
        bail!("only root can run containers with runc; repeat it as root, or leave out `--check`");
    }
    Ok(())
}

fn image(
    kind: Kind,
    options: &Options,
    release: &Release,
    work: &Work,
    out: &Path,
    root: &Path,
) -> Result<Image> {
    let name = kind.binary().name();
    let features = |features| format!("--no-default-features --features {features}");
    let choice = options.features.as_ref().map(features).unwrap_or_default();
    let program = match &options.programs {
        Some(folder) => root.join(folder).join(name),
        None => program::build(kind, &choice, root)?,
    };

    let tree = Tree::new(work.0.join("context"))?;
    tree.program(&program, name)?;
    tree.file_of_this_machine(Path::new(tree::AUTHORITIES))?;
    let documents = Path::new("/usr/share/doc/alumet");
    for license in ["LICENSE-APACHE", "LICENSE-MIT"] {
        let bytes = fs::read(root.join(license)).with_context(|| format!("cannot read {license}"))?;
        tree.write(&documents.join(license), &bytes)?;
    }
    let rust = shell::output("rustc --version", root)?;
    let mut others = vec![
        Part::generic("ca-certificates", None, "MPL-2.0"),
        Part::generic("rust-std", rust.split(' ').nth(1), "MIT OR Apache-2.0"),
    ];
    if kind != Kind::AgentGpu || options.base.as_deref() == Some("scratch") {
        let libc = shell::output("getconf GNU_LIBC_VERSION", root)?;
        others.push(Part::generic(
            "glibc",
            libc.trim().split(' ').nth(1),
            "LGPL-2.1-or-later",
        ));
        tree.users()?;
        for library in program::libraries(&program)? {
            tree.file_of_this_machine(&library)?;
        }
    }
    let sbom = sbom::document(root, release, kind, &choice, others)?;
    let stem = kind.stem(release.version);
    let beside = out.join(format!("{stem}.spdx.json"));
    fs::write(&beside, &sbom).with_context(|| format!("cannot write {}", beside.display()))?;
    tree.write(&documents.join("sbom.spdx.json"), sbom.as_bytes())?;
    tree.finish()?;

    let archive = out.join(format!("{stem}.oci.tar"));
    let digest = work.build(kind, release, options.base.as_deref(), &tree, &archive, root)?;
    let size = fs::metadata(&archive)
        .with_context(|| format!("cannot read {}", archive.display()))?
        .len();
    println!(
        "{} {digest}\n  {} ({} MiB)",
        kind.reference(release.version),
        archive.display(),
        size >> 20
    );
    Ok(Image { kind, archive })
}

/// The folder of all that is needed only while images are made: it goes with this, and nothing is left among the images of the user.
#[derive(Debug)]
struct Work(PathBuf);

impl Work {
    /// Makes the image, writes it to `archive`, and gives its digest.
    fn build(
        &self,
        kind: Kind,
        release: &Release,
        base: Option<&str>,
        tree: &Tree,
        archive: &Path,
        root: &Path,
    ) -> Result<String> {
        let [images, mounts, digest] = ["images", "run", "digest"].map(|part| quoted(&self.0.join(part)));
        let buildah = format!("buildah --storage-driver vfs --root {images} --runroot {mounts}");
        let reference = kind.reference(release.version);
        let base = base.filter(|_| kind == Kind::AgentGpu);
        let base = base.map(|base| format!("--build-arg BASE={} ", shell::quoted(base)));
        // One layer, one time, and no word about the version of buildah: so that one commit gives one digest.
        let line = format!(
            "{buildah} bud --quiet --layers=false --identity-label=false --timestamp {} --build-arg VERSION={} \
             --build-arg REVISION={} --build-arg CREATED={} {}--tag {reference} --file images/{}.Containerfile {}",
            release.seconds,
            release.version,
            release.revision,
            release.created(),
            base.unwrap_or_default(),
            kind.name(),
            quoted(tree.folder()),
        );
        println!("== {line}");
        shell::output(&line, root)?;
        let place = quoted(archive);
        shell::output(
            &format!(
                "rm -f {place}; {buildah} push --quiet --digestfile {digest} {reference} oci-archive:{place}:{reference}"
            ),
            root,
        )?;
        let digest = fs::read_to_string(self.0.join("digest")).context("buildah wrote no digest")?;
        Ok(digest.trim().to_owned())
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        // What is left takes room, and does no harm.
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn quoted(path: &Path) -> String {
    shell::quoted(&path.to_string_lossy())
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        options: Options,
    }

    fn refused(words: &str) -> Option<String> {
        let words = ["image"].into_iter().chain(words.split_whitespace());
        let options = Line::parse_from(words).options;
        let kinds = if options.images.is_empty() {
            Kind::value_variants()
        } else {
            &options.images
        };
        refuse_what_cannot_be(kinds, &options)
            .err()
            .map(|error| error.to_string())
    }

    #[test]
    fn what_cannot_be_is_refused_before_anything_is_built() {
        for words in [
            "",
            "server --features store",
            "agent-gpu --base scratch",
            "--check",
            "agent server --check",
        ] {
            assert_eq!(refused(words), None, "{words}");
        }
        for (words, why) in [
            ("--features store", "--features"),
            ("agent server --base scratch", "--base"),
            ("server --check", "--check"),
            ("agent agent-gpu --check", "--check"),
        ] {
            assert!(refused(words).is_some_and(|text| text.contains(why)), "{words}");
        }
    }
}
