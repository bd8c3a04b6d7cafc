//! The packages, installed for real: by dpkg and by rpm.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::release::served;
use crate::root::Root;
use crate::{packaging, repository, succeeds, works};

/// Makes the packages of the programs that are built with this test; where they are.
fn packages() -> Option<PathBuf> {
    for tool in ["deb", "generate-rpm"] {
        let install = format!("install it with `cargo install --locked cargo-{tool}`");
        if !works(&format!("cargo {tool} --version"), &install) {
            return None;
        }
    }
    let xtask = Path::new(env!("CARGO_BIN_EXE_xtask"));
    let profile = xtask.parent().unwrap();
    let mut command = Command::new(xtask);
    command.arg("package").current_dir(repository());
    command.env("CARGO_TARGET_DIR", profile.parent().unwrap());
    if !profile.ends_with("release") {
        command.arg("--debug");
    }
    // When only this crate is tested, cargo does not build the programs.
    let is_built = |program| profile.join(program).is_file();
    if is_built("alumet-agent") && is_built("alumet-server") {
        command.arg("--no-build");
    }
    succeeds(&mut command);
    Some(repository().join("target/package"))
}

#[test]
fn the_packages_install_and_run_and_upgrade_and_leave_nothing_when_they_are_purged() {
    let Some(packages) = packages() else { return };
    if works("dpkg --version", "it is part of Debian")
        && let Some(root) = Root::with(&packages)
    {
        debian(&root, &packages);
    }
    if works("rpm --version", "install it with `apt-get install rpm`")
        && let Some(root) = Root::with(&packages)
    {
        rpm(&root);
    }
}

fn debian(root: &Root, packages: &Path) {
    // One as people do it who read the install script first, and the other by hand.
    let script = fs::read_to_string(packaging().join("install.sh")).unwrap();
    let address = served(packages.to_owned());
    let said = root.run(&format!(
        "export ALUMET_RELEASES={address}\ncat > /tmp/install.sh <<'END'\n{script}END\nsh /tmp/install.sh agent"
    ));
    assert!(said.contains("Setting up alumet-agent"), "{said}");
    root.run("dpkg --install /mnt/alumet-server_*.deb");

    installed(root, "vendor-completions");
    for unit in ["alumet-agent", "alumet-server"] {
        root.run(&format!(
            "test -L /etc/systemd/system/multi-user.target.wants/{unit}.service"
        ));
        let conffiles = root.run(&format!("dpkg-query --show --showformat '${{Conffiles}}' {unit}"));
        assert!(conffiles.contains("/etc/alumet/"), "{conffiles}");
    }
    run(root);
    upgrade(root);
    remove(root);
}

/// What each package has put where, whatever manager it was.
fn installed(root: &Root, zsh: &str) {
    for name in ["agent", "server"] {
        let program = format!("alumet-{name}");
        for (path, expected) in [
            (format!("/etc/alumet/{name}.toml"), format!("640 root:{program}")),
            (format!("/usr/bin/{program}"), "755 root:root".to_owned()),
            (
                format!("/usr/lib/systemd/system/{program}.service"),
                "644 root:root".to_owned(),
            ),
        ] {
            let mode = root.run(&format!("stat --format '%a %U:%G' {path}"));
            assert_eq!(mode.trim_end(), expected, "{path}");
        }
        root.run(&format!(
            "gzip --test /usr/share/man/man1/{program}.1.gz
            test -s /usr/share/bash-completion/completions/{program}
            test -s /usr/share/fish/vendor_completions.d/{program}.fish
            test -s /usr/share/zsh/{zsh}/_{program}
            test -d /usr/share/doc/{program}
            systemd-analyze verify --man=no {program}.service"
        ));
    }
}

/// Runs both programs as their services would, with the configuration that is shipped.
fn run(root: &Root) {
    for (name, writes, elsewhere) in [
        ("agent", "samples.csv", ""),
        // At ports that nobody else has.
        (
            "server",
            "store.db",
            "--config-override \"plugins.relay-server.address='127.0.0.1:0'\" \
             --config-override \"plugins.rest-api.address='127.0.0.1:0'\"",
        ),
    ] {
        let unit = format!("systemd/alumet-{name}.service");
        let unit = fs::read_to_string(packaging().join(unit)).unwrap();
        let value = |key: &str| unit.lines().find_map(|line| line.strip_prefix(key)).unwrap();
        let [user, start, umask] = ["User=", "ExecStart=", "UMask="].map(value);
        let state = format!("/var/lib/{}", value("StateDirectory="));
        let run = format!("/run/{}", value("RuntimeDirectory="));
        let capabilities = value("CapabilityBoundingSet=").to_lowercase();
        let capabilities = capabilities.replace("cap_", ",+").replace(' ', "");
        let said = root.run(&format!(
            "mkdir -p {state} {run} && chown {user}:{user} {state} {run} && chmod 750 {state} {run}
            cd {state} && umask {umask}
            as='setpriv --reuid {user} --regid {user} --clear-groups --no-new-privs'
            as=\"$as --bounding-set -all{capabilities} --inh-caps -all{capabilities} --ambient-caps -all{capabilities}\"
            $as {start} config check
            $as {start} {elsewhere} &
            program=$!
            for attempt in $(seq 600); do
                if test -s {writes} && test -S {run}/control.sock; then break; fi
                sleep 0.1
            done
            kill -TERM $program && wait $program
            ls -l {writes}",
        ));
        assert!(said.contains("the configuration is right"), "{said}");
        assert!(!said.contains("would not work here"), "{said}");
        // Nobody but the service and its group.
        assert!(
            said.contains("\n-rw-") && said.contains(&format!("-- 1 {user} {user}")),
            "{said}"
        );
    }
}

/// The next version has another configuration: that of the administrator stays, and one that nobody has changed is replaced.
fn upgrade(root: &Root) {
    root.run("echo '# mine' >> /etc/alumet/agent.toml && echo waiting > /var/lib/alumet/agent/spool.db");
    root.run(
        "for name in agent server; do
            dpkg-deb --raw-extract /mnt/alumet-${name}_*.deb /tmp/$name
            sed -i 's/^Version: .*/Version: 99.0.0/' /tmp/$name/DEBIAN/control
            echo '# new' >> /tmp/$name/etc/alumet/$name.toml
            dpkg-deb -Zgzip -z1 --build /tmp/$name /tmp
        done
        dpkg --install --force-confold /tmp/alumet-*_99.0.0_*.deb",
    );
    for (path, last) in [
        ("/etc/alumet/agent.toml", "# mine"),
        ("/etc/alumet/server.toml", "# new"),
        ("/var/lib/alumet/agent/spool.db", "waiting"),
    ] {
        assert_eq!(root.run(&format!("tail -n 1 {path}")).trim_end(), last, "{path}");
    }
    installed(root, "vendor-completions");
}

/// What is removed keeps its configuration and state; what is purged keeps nothing, and leaves the other program alone.
fn remove(root: &Root) {
    root.run("dpkg --remove alumet-agent alumet-server");
    let kept = "/etc/alumet/agent.toml /var/lib/alumet/agent/spool.db";
    root.run(&format!("ls {kept} && ! test -e /usr/bin/alumet-agent"));
    root.run("dpkg --purge alumet-agent");
    let left = root.run("ls /etc/alumet /var/lib/alumet");
    assert_eq!(left, "/etc/alumet:\nserver.toml\n\n/var/lib/alumet:\nserver\n");
    root.run("dpkg --purge alumet-server");
    root.run("! test -e /etc/alumet && ! test -e /var/lib/alumet");
}

fn rpm(root: &Root) {
    // What the packages need is here, but not known to rpm.
    root.run("rpm --install --nodeps /mnt/alumet-*.rpm");
    installed(root, "site-functions");
    root.run("echo '# mine' >> /etc/alumet/agent.toml");
    root.run("rpm --erase --nodeps alumet-agent");
    root.run("tail -n 1 /etc/alumet/agent.toml.rpmsave | grep '# mine' && ! test -e /usr/bin/alumet-agent");
}
