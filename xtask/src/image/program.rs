//! The program of an image, and what it loads.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};

use super::kind::Kind;
use crate::shell;

/// The folder of what is built for images, whose flags are those of no other build.
const BUILT: &str = "target/images/build";

/// Builds the program, and says where it is.
pub(super) fn build(kind: Kind, choice: &str, root: &Path) -> Result<PathBuf> {
    let line = build_line(kind, choice);
    println!("== {line}");
    shell::run(&line, root)?;
    let target = shell::output("rustc --print host-tuple", root)?;
    let program = Path::new(BUILT).join(target.trim()).join("release");
    Ok(root.join(program).join(kind.binary().name()))
}

/// No path of this machine is in the program, so that it is the same wherever it is built.
fn build_line(kind: Kind, choice: &str) -> String {
    let linked = match kind {
        Kind::Agent | Kind::Server => "-C target-feature=+crt-static ",
        Kind::AgentGpu => "",
    };
    // With an explicit machine to build for, the flags do not reach build scripts and macros, which cannot be static.
    format!(
        "cargo=${{CARGO_HOME:-$HOME/.cargo}}; \
         RUSTFLAGS=\"{linked}--remap-path-prefix=$PWD=/alumet --remap-path-prefix=$cargo=/cargo\" \
         CFLAGS=\"-ffile-prefix-map=$PWD=/alumet -ffile-prefix-map=$cargo=/cargo\" \
         cargo build --release --locked --target $(rustc --print host-tuple) --target-dir {BUILT} --package {} {choice}",
        kind.binary().name()
    )
}

/// The loader and the libraries of a dynamic program on this machine; none for a static one.
pub(super) fn libraries(program: &Path) -> Result<Vec<PathBuf>> {
    let word = shell::quoted(&program.to_string_lossy());
    // For a static program, `ldd` fails and says so.
    let printed = shell::output(&format!("ldd {word} 2>&1 || true"), Path::new("/"))?;
    if let Some(missing) = printed.lines().find(|line| line.contains("not found")) {
        bail!("{} lacks a library:{missing}", program.display());
    }
    Ok(paths(&printed))
}

/// The paths in what `ldd` prints, with an address behind each.
fn paths(printed: &str) -> Vec<PathBuf> {
    let words = printed.lines().filter_map(|line| line.split(" (0x").next());
    let paths = words.filter_map(|words| words.split_whitespace().next_back());
    paths
        .filter(|path| path.starts_with('/'))
        .map(PathBuf::from)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_program_that_loads_a_library_of_gpus_is_dynamic() {
        let is_static = |kind| build_line(kind, "").contains("+crt-static");
        assert!(is_static(Kind::Agent) && is_static(Kind::Server) && !is_static(Kind::AgentGpu));
    }

    #[test]
    fn a_dynamic_program_needs_its_loader_and_its_libraries() {
        let printed = "\tlinux-vdso.so.1 (0x00007fe0)\n\tlibc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x00007fe0)\n\
                       \t/lib64/ld-linux-x86-64.so.2 (0x00007fe0)\n";
        let expected = ["/lib/x86_64-linux-gnu/libc.so.6", "/lib64/ld-linux-x86-64.so.2"];
        assert_eq!(paths(printed), expected.map(PathBuf::from));
        assert_eq!(paths("\tstatically linked\n"), [] as [PathBuf; 0]);
        assert_eq!(paths("\tnot a dynamic executable\n"), [] as [PathBuf; 0]);
        assert!(
            libraries(Path::new("/bin/sh"))
                .unwrap()
                .iter()
                .any(|path| path.ends_with("libc.so.6"))
        );
    }
}
