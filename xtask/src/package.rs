//! `cargo xtask package`: the Debian package, the RPM package and the archive of each program.

use std::path::Path;

use anyhow::{Result, bail};

use crate::binary::Binary;
use crate::shell;
use crate::workspace::Workspace;

/// What `cargo xtask package` takes.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Packs the debug programs, without much compression: for trials
    #[arg(long)]
    debug: bool,
    /// Packs the programs that are built already
    #[arg(long)]
    no_build: bool,
    /// Packs programs for this target of Rust, which must run here: x86_64-unknown-linux-musl needs no library of the system
    #[arg(long, value_name = "TRIPLE")]
    target: Option<String>,
}

/// The programs that make packages, and how to get them.
const TOOLS: [(&str, &str); 2] = [
    (
        "cargo deb --version",
        "cargo install --locked cargo-deb --version 3.8.0",
    ),
    (
        "cargo generate-rpm --version",
        "cargo install --locked cargo-generate-rpm --version 0.21.1",
    ),
];

/// Where everything is made, below the root; the manifests of the programs name it.
const FOLDER: &str = "target/package";

/// Makes the packages, with their checksums in `SHA256SUMS`, and prints where they are.
pub(crate) fn run(workspace: &Workspace, options: &Options) -> Result<()> {
    let root = &workspace.root;
    if let Some((_, remedy)) = TOOLS.iter().find(|(probe, _)| !shell::succeeds(probe, root)) {
        bail!("a program that makes packages is missing; install it with `{remedy}`");
    }
    shell::run(&format!("rm -rf {FOLDER} && mkdir -p {FOLDER}"), root)?;
    let lines = lines(options, &workspace.target.to_string_lossy());
    // One commit, one package: nothing in it has the time of today.
    let line = "git log -1 --format=%ct";
    let time = std::env::var("SOURCE_DATE_EPOCH").or_else(|_| shell::output(line, root))?;
    for line in lines {
        println!("== {line}");
        shell::run(&format!("export SOURCE_DATE_EPOCH={}; {line}", time.trim()), root)?;
    }
    let list = shell::output("ls *.deb *.rpm *.tar.gz SHA256SUMS", &root.join(FOLDER))?;
    for file in list.lines() {
        println!("{}", Path::new(FOLDER).join(file).display());
    }
    Ok(())
}

fn lines(options: &Options, target_folder: &str) -> Vec<String> {
    let target = options.target.as_deref();
    let target_option = target.map_or_else(String::new, |target| {
        format!(" --target {}", shell::quoted(target))
    });
    let profile = if options.debug { "debug" } else { "release" };
    let built = match target {
        Some(target) => format!("{target_folder}/{target}/{profile}"),
        None => format!("{target_folder}/{profile}"),
    };
    let mut lines = Vec::new();
    if !options.no_build {
        let release = if options.debug { "" } else { " --release" };
        lines.push(format!(
            "cargo build -p alumet-agent -p alumet-server{release}{target_option}"
        ));
    }
    for binary in Binary::ALL {
        lines.extend(staged(binary.name(), &shell::quoted(&built), options.debug));
        lines.extend(packed(binary.name(), options, &target_option));
    }
    lines.push(format!(
        "cd {FOLDER} && sha256sum *.deb *.rpm *.tar.gz > SHA256SUMS"
    ));
    lines
}

/// Puts the files of a program where they are below `/usr`.
fn staged(name: &str, built: &str, is_trial: bool) -> Vec<String> {
    let place = format!("{FOLDER}/{name}");
    let program = format!("{place}/bin/{name}");
    // The names of functions stay in a release, for backtraces.
    let what = if is_trial { "--strip-all" } else { "--strip-debug" };
    let mut lines = vec![
        format!("install -D {built}/{name} {program} && strip {what} {program}"),
        format!(
            "mkdir -p {place}/share/man/man1 && {program} man | gzip -9n > {place}/share/man/man1/{name}.1.gz"
        ),
    ];
    for (shell, folder, file) in [
        ("bash", "bash-completion/completions", name.to_owned()),
        ("fish", "fish/vendor_completions.d", format!("{name}.fish")),
        ("zsh", "zsh/site-functions", format!("_{name}")),
    ] {
        let folder = format!("{place}/share/{folder}");
        lines.push(format!(
            "mkdir -p {folder} && {program} completions {shell} > {folder}/{file}"
        ));
    }
    lines
}

/// Makes the packages of a program.
fn packed(name: &str, options: &Options, target: &str) -> [String; 3] {
    const VERSION: &str = env!("CARGO_PKG_VERSION");
    let architecture = options
        .target
        .as_deref()
        .and_then(|target| target.split('-').next());
    let architecture = architecture.unwrap_or(std::env::consts::ARCH);
    let [deb, rpm, archive] = if options.debug {
        [
            " --compress-system --compress-type gz",
            " --payload-compress none",
            "gzip -1n",
        ]
    } else {
        ["", "", "gzip -9n"]
    };
    [
        format!("cargo deb --quiet --no-build --no-strip -p {name} --output {FOLDER}/{deb}{target}"),
        format!("cargo generate-rpm -p {name} --output {FOLDER}/{rpm}{target}"),
        format!(
            "tar -C {FOLDER} --sort=name --owner=0 --group=0 --numeric-owner --mtime=@$SOURCE_DATE_EPOCH -cf - {name} \
             | {archive} > {FOLDER}/{name}-{VERSION}-{architecture}-linux.tar.gz"
        ),
    ]
}
