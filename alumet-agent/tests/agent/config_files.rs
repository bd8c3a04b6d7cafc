//! `config`, and where the configuration comes from.

use std::fs;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use crate::csv::lines_of;
use crate::program::{Ended, Folder, load, procfs_with};

const ORIGINAL: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/tests/fixtures/original-default-config.toml"
);

/// A small configuration that measures next to nothing.
fn small() -> String {
    format!(
        "[plugins.csv]\noutput_path = 'file.csv'\n{}",
        procfs_with("load.poll_interval = '1s'")
    )
}

/// The value of `output_path` in effect, with its origin.
fn output_path(ended: &Ended) -> String {
    ended.expect_code(0);
    let line = ended
        .stdout
        .lines()
        .find(|line| line.starts_with("output_path"))
        .unwrap();
    line.trim_start_matches("output_path = ").to_owned()
}

#[test]
fn the_default_configuration_is_printed_and_passes_its_own_check() {
    let folder = Folder::new();
    let printed = folder.run(&["config", "default"]);
    printed.expect_code(0);
    folder.write("alumet-config.toml", &printed.stdout);
    let checked = folder.run(&["config", "check"]);
    checked.expect_code(0);
    assert!(
        checked.stdout.contains("csv") && checked.stdout.contains("procfs"),
        "{}",
        checked.stdout
    );
    assert_eq!(checked.stderr, "");
}

/// The configuration in effect, without the plugins that are off, which the long default file names and the short one does not.
fn in_effect(folder: &Folder) -> toml::Table {
    let shown = folder.run(&["config", "show"]);
    let mut table: toml::Table = shown.expect_code(0).stdout.parse().unwrap();
    let plugins = table["plugins"].as_table_mut().unwrap();
    plugins.retain(|_, plugin| plugin["enabled"].as_bool() != Some(false));
    table
}

#[test]
fn the_default_file_shows_ten_keys_and_is_the_same_configuration_as_that_with_all() {
    let folder = Folder::new();
    let short = folder.run(&["config", "default"]).stdout;
    folder.write("alumet-config.toml", &short);
    let with_short = in_effect(&folder);
    let is_key = |line: &&str| !line.is_empty() && line.contains(" = ") && !line.contains('`');
    assert_eq!(short.lines().filter(is_key).count(), 10, "{short}");
    assert!(short.lines().count() < 80, "{short}");
    let first = short.lines().next().unwrap();
    assert!(first.contains("`alumet-agent config default --full`"), "{first}");

    let full = folder.run(&["config", "default", "--full"]).stdout;
    assert!(full.lines().count() > 300, "{full}");
    folder.write("alumet-config.toml", &full);
    assert_eq!(in_effect(&folder), with_short);
}

#[test]
fn the_reference_enables_every_plugin_and_passes_the_check() {
    let folder = Folder::new();
    let reference = folder.run(&["config", "reference"]);
    folder.write("alumet-config.toml", &reference.stdout);
    folder.run(&["config", "check"]).expect_code(0);
    let markdown = folder.run(&["config", "reference", "--markdown"]);
    markdown.expect_code(0);
    for phrase in [
        "## General",
        "## `[plugins.csv]`",
        "## `[plugins.procfs]`",
        "`output_path`",
        "|",
    ] {
        assert!(markdown.stdout.contains(phrase), "{phrase}");
    }
}

#[test]
fn a_missing_file_is_written_with_the_default_and_the_log_says_so() {
    let folder = Folder::new();
    let run = || {
        let mut agent = folder.start(&[]);
        agent.wait_until_measuring();
        agent.stop(Signal::SIGTERM)
    };
    let ended = run();
    ended
        .expect_code(0)
        .expect_stderr(&["the default one was written", "alumet-config.toml"]);
    assert_eq!(
        folder.read("alumet-config.toml"),
        folder.run(&["config", "default"]).stdout
    );
    let again = run();
    assert!(
        !again.expect_code(0).stderr.contains("was written"),
        "{}",
        again.stderr
    );
}

#[test]
fn measuring_a_program_writes_its_samples_says_where_and_leaves_nothing_else() {
    let folder = Folder::new();
    let files = || {
        let entries = fs::read_dir(folder.path("")).unwrap().flatten();
        let names = entries.map(|entry| entry.file_name().into_string().unwrap());
        let mut names: Vec<_> = names.filter(|name| !name.starts_with('.')).collect();
        names.sort();
        names
    };
    let ended = folder.run(&["exec", "true"]);
    let told = ended
        .expect_code(0)
        .stderr
        .lines()
        .find(|line| line.contains(" in alumet-output.csv"));
    let lines = lines_of(&folder.path("alumet-output.csv")).len();
    let words: Vec<&str> = told.unwrap().split_whitespace().collect();
    assert_eq!(words, ["samples", &lines.to_string(), "in", "alumet-output.csv"]);
    let of_output = |name: &str| vec![name.to_owned(), format!("{name}.meta.json")];
    assert_eq!(files(), of_output("alumet-output.csv"));

    for file in files() {
        fs::remove_file(folder.path(&file)).unwrap();
    }
    let mut program = std::process::Command::new("sleep").arg("1").spawn().unwrap();
    let pid = program.id().to_string();
    let watched = folder.run(&["--output-file", "out.csv", "watch", &pid]);
    program.wait().unwrap();
    watched.expect_code(0).expect_stderr(&[" in out.csv"]);
    assert_eq!(files(), of_output("out.csv"));
    let ended = folder.run(&["--output-file", "-", "exec", "true"]);
    ended.expect_code(0).expect_stderr(&[" in the standard output\n"]);
}

#[test]
fn a_quiet_program_tells_nothing_but_what_is_wrong() {
    let folder = Folder::new();
    folder.write("alumet-config.toml", small());
    let mut command = folder.command(&["-q", "--plugins", "csv,procfs", "exec", "true"]);
    command.env_remove("ALUMET_SUMMARY");
    let ended = folder.start_command(command).wait();
    assert_eq!(ended.expect_code(0).stderr, "");
    assert!(!lines_of(&folder.path("file.csv")).is_empty());
    let ended = folder.run(&["-q", "exec", "./missing"]);
    ended.expect_code(127).expect_stderr(&["error: ", "./missing"]);
}

#[test]
fn a_file_that_cannot_be_written_is_told_and_the_agent_goes_on() {
    let folder = Folder::new();
    let output = folder.path("out.csv");
    let mut command = folder.command(&["--output-file", output.to_str().unwrap()]);
    // Not even root may create a file there.
    command.current_dir("/proc/self");
    let mut agent = folder.start_command(command);
    agent.wait_until_measuring();
    let ended = agent.stop(Signal::SIGTERM);
    ended.expect_code(0).expect_stderr(&[
        "WARN",
        "cannot be written",
        "alumet-config.toml",
        "used all the same",
    ]);
    assert!(output.exists());
}

#[test]
fn without_a_default_a_missing_file_is_an_error_that_names_the_file() {
    let folder = Folder::new();
    for arguments in [
        &["--no-default-config"][..],
        &["--no-default-config", "run"],
        &["config", "check"],
    ] {
        let ended = folder.run(arguments);
        ended
            .expect_code(2)
            .expect_stderr(&["no configuration file `alumet-config.toml`", "config regen"]);
    }
    let ended = folder.run(&["--config", "other.toml"]);
    ended
        .expect_code(2)
        .expect_stderr(&["no configuration file `other.toml`", "--config"]);
    assert!(!folder.path("alumet-config.toml").exists() && !folder.path("other.toml").exists());
}

#[test]
fn regen_keeps_a_file_that_somebody_wrote_and_follows_no_link() {
    let folder = Folder::new();
    folder.write("elsewhere", "rubbish");
    std::os::unix::fs::symlink("elsewhere", folder.path("alumet-config.toml")).unwrap();
    let refused = folder.run(&["config", "regen"]);
    refused
        .expect_code(2)
        .expect_stderr(&["alumet-config.toml is there already", "`--force`"]);
    let ended = folder.run(&["config", "regen", "--force"]);
    assert!(
        ended
            .expect_code(0)
            .stdout
            .contains("written to alumet-config.toml"),
        "{}",
        ended.stdout
    );
    assert_eq!(folder.read("elsewhere"), "rubbish");
    assert_eq!(folder.read("alumet-config.toml.old"), "rubbish");
    // What was kept once is not written over.
    for (text, kept) in [
        ("second", "alumet-config.toml.old.2"),
        ("third", "alumet-config.toml.old.3"),
    ] {
        folder.write("alumet-config.toml", text);
        let ended = folder.run(&["config", "regen", "--force"]);
        let told = format!("the old file is now {kept}");
        assert!(ended.expect_code(0).stdout.contains(&told), "{}", ended.stdout);
        assert_eq!(folder.read(kept), text);
    }
    assert_eq!(folder.read("alumet-config.toml.old"), "rubbish");
    folder.run(&["config", "check"]).expect_code(0);
    folder
        .run(&["config", "regen", "--config", "mine.toml", "--plugins", "csv"])
        .expect_code(0);
    let checked = folder.run(&["config", "check", "--config", "mine.toml"]);
    assert_eq!(
        checked.expect_code(0).stdout,
        "the configuration is right; plugins: csv\n"
    );
    folder
        .run(&["config", "regen", "--config", "/proc/x.toml"])
        .expect_code(1)
        .expect_stderr(&["/proc/x.toml cannot be"]);
}

#[test]
fn what_is_in_effect_is_shown_and_can_be_read_back() {
    let folder = Folder::new();
    folder.write("alumet-config.toml", small());
    let shown = folder.run(&["config", "show"]);
    assert_eq!(output_path(&shown), "\"file.csv\"");
    folder.write("again.toml", &shown.stdout);
    let again = folder.run(&["config", "show", "--config", "again.toml"]);
    assert_eq!(again.stdout, shown.stdout);
    assert!(
        output_path(&folder.run(&["config", "show", "--origins"])).ends_with("# alumet-config.toml:2:15")
    );
}

#[test]
fn a_flag_goes_before_the_environment_before_the_file_before_the_default() {
    let folder = Folder::new();
    let show = |arguments: &[&str], variable: Option<&str>| {
        let mut command = folder.command(&[&["config", "show"][..], arguments].concat());
        if let Some(path) = variable {
            command.env("ALUMET_CONFIG", path);
        }
        output_path(&folder.start_command(command).wait())
    };
    assert_eq!(show(&[], None), "\"alumet-output.csv\"");
    folder.write("alumet-config.toml", small());
    assert_eq!(show(&[], None), "\"file.csv\"");
    folder.write(
        "env.toml",
        small().replace("file.csv", "${NAME_OF_OUTPUT:-env}.csv"),
    );
    assert_eq!(show(&[], Some("env.toml")), "\"env.csv\"");
    folder.write("flag.toml", small().replace("file.csv", "flag.csv"));
    assert_eq!(show(&["--config", "flag.toml"], Some("env.toml")), "\"flag.csv\"");
    let piece = "plugins.csv.output_path = 'piece.csv'";
    assert_eq!(
        show(&["--config-override", piece], Some("env.toml")),
        "\"piece.csv\""
    );
    assert_eq!(
        show(
            &["--config-override", piece, "--output-file", "o.csv"],
            Some("env.toml")
        ),
        "\"o.csv\""
    );
}

#[test]
fn a_file_that_the_environment_names_and_that_is_missing_is_an_error() {
    let folder = Folder::new();
    let mut command = folder.command(&[]);
    command.env("ALUMET_CONFIG", "missing.toml");
    folder
        .start_command(command)
        .wait()
        .expect_code(2)
        .expect_stderr(&["no configuration file `missing.toml`"]);
}

#[test]
fn fragments_of_a_folder_are_merged_in_order() {
    let folder = Folder::new();
    fs::create_dir(folder.path("conf.d")).unwrap();
    folder.write("conf.d/10-base.toml", small());
    folder.write("conf.d/20-site.toml", "plugins.csv.output_path = 'site.csv'");
    folder.write("conf.d/30-notes.txt", "this is no TOML");
    let shown = folder.run(&["config", "show", "--origins", "--config", "conf.d"]);
    assert!(
        output_path(&shown).starts_with("\"site.csv\" # conf.d/20-site.toml:1:"),
        "{}",
        shown.stdout
    );
    fs::create_dir(folder.path("empty.d")).unwrap();
    folder
        .run(&["config", "check", "--config", "empty.d"])
        .expect_code(2);
}

#[test]
fn the_flag_for_the_output_file_is_obeyed() {
    let folder = Folder::new();
    folder.write("alumet-config.toml", small());
    folder
        .run(&["--output-file", "chosen/place.csv", "exec", "true"])
        .expect_code(0);
    assert!(folder.read("chosen/place.csv").starts_with("metric;"));
    assert!(!folder.path("file.csv").exists());
}

#[test]
fn plugins_can_be_chosen_whatever_the_file_says() {
    let folder = Folder::new();
    folder.write(
        "alumet-config.toml",
        small().replace("[plugins.csv]", "[plugins.csv]\nenabled = false"),
    );
    assert_eq!(
        folder.run(&["config", "check"]).stdout,
        "the configuration is right; plugins: procfs\n"
    );
    let both = folder.run(&["config", "check", "--plugins", "csv,procfs"]);
    assert_eq!(both.stdout, "the configuration is right; plugins: csv, procfs\n");
    folder
        .run(&["--plugins", "csv,procfs", "exec", "true"])
        .expect_code(0);
    assert!(folder.path("file.csv").exists());
}

#[test]
fn the_old_key_enable_works_and_warns() {
    let folder = Folder::new();
    folder.write(
        "alumet-config.toml",
        small().replace("[plugins.csv]", "[plugins.csv]\nenable = false"),
    );
    let checked = folder.run(&["config", "check"]);
    assert_eq!(
        checked.expect_code(0).stdout,
        "the configuration is right; plugins: procfs\n"
    );
    checked.expect_stderr(&[
        "plugins.csv.enable",
        "plugins.csv.enabled",
        "alumet-config.toml:2:1",
    ]);
}

#[test]
fn the_blocks_of_old_manuals_about_pods_and_jobs_are_accepted_and_their_old_names_warn() {
    let folder = Folder::new();
    folder.write(
        "alumet-config.toml",
        "[plugins.csv]\n[plugins.OAR3]\npath = '/sys/fs/cgroup/'\npoll_interval = '1s'\n\
         [plugins.k8s]\npath = '/sys/fs/cgroup/kubepods.slice/'\npoll_interval = '1s'\nhostname = 'n1'\n\
         kubernetes_api_url = 'https://1.2.3.4:6443'\n\
         token_retrieval.kubectl = { service_account = 'alumet-reader', namespace = 'alumet' }\n",
    );
    let checked = folder.run(&["config", "check"]);
    assert_eq!(
        checked.expect_code(0).stdout,
        "the configuration is right; plugins: csv, k8s, oar\n"
    );
    checked.expect_stderr(&[
        "`plugins.OAR3` is now called `plugins.oar`",
        "`plugins.k8s.hostname` is now called `plugins.k8s.k8s_node`",
        "`plugins.k8s.kubernetes_api_url` is now called `plugins.k8s.k8s_api_url`",
    ]);
}

#[test]
fn the_default_file_of_the_original_is_accepted_for_the_plugins_of_this_program() {
    let folder = Folder::new();
    let checked = folder.run(&["--config", ORIGINAL, "config", "check", "--plugins", "csv,procfs"]);
    assert_eq!(
        checked.expect_code(0).stdout,
        "the configuration is right; plugins: csv, procfs\n"
    );
    // Old names warn, and nothing else does.
    let warnings = checked.stderr.matches("warning: ").count();
    assert_eq!(
        warnings,
        checked.stderr.matches(" is now called ").count(),
        "{}",
        checked.stderr
    );
    let ran = folder.run(&["--config", ORIGINAL, "--plugins", "csv,procfs", "exec", "true"]);
    ran.expect_code(0);
    assert!(folder.read("alumet-output.csv").lines().count() > 50);
}

#[test]
fn the_default_file_of_the_original_fails_only_for_missing_plugins_and_for_plain_text_to_everybody() {
    let folder = Folder::new();
    let listed = folder.run(&["plugins", "list"]);
    let here: Vec<_> = listed
        .stdout
        .lines()
        .filter_map(|line| line.split_whitespace().next())
        .collect();
    let original = fs::read_to_string(ORIGINAL).unwrap();
    let tables = original
        .lines()
        .filter_map(|line| line.strip_prefix("[plugins.")?.strip_suffix(']'));
    let mut lacking: Vec<_> = tables.filter_map(|table| table.split('.').next()).collect();
    lacking.dedup();
    lacking.retain(|id| !here.contains(id));

    let ended = folder.run(&["config", "check", "--config", ORIGINAL]);
    let errors = ended
        .stderr
        .lines()
        .filter_map(|line| line.strip_prefix("error: "));
    // The relay of the original listens to every network without TLS, which needs a word of consent here.
    let (plain_text, errors): (Vec<_>, Vec<_>) =
        errors.partition(|error| error.starts_with("invalid value at `plugins.relay-server.address`"));
    assert_eq!(plain_text.len(), 1, "{}", ended.stderr);
    for remedy in ["tls", "insecure = true"] {
        assert!(plain_text[0].contains(remedy), "{}", plain_text[0]);
    }
    if lacking.is_empty() {
        assert_eq!(errors, [""; 0]);
        return;
    }
    ended.expect_code(2).expect_stderr(&[
        "switch it off with `enabled = false`",
        "original-default-config.toml:",
    ]);
    let named: Vec<_> = errors
        .iter()
        .filter_map(|error| {
            error
                .strip_prefix("this program was built without the plugin `")?
                .strip_suffix('`')
        })
        .collect();
    assert_eq!(named.len(), errors.len(), "other errors: {errors:?}");
    assert_eq!(named, lacking[..named.len()]);
    let rest = ended
        .stderr
        .split("\nand ")
        .nth(1)
        .map_or(0, |rest| rest.split(' ').next().unwrap().parse().unwrap());
    assert_eq!(named.len() + rest, lacking.len(), "{}", ended.stderr);

    let off = lacking.iter().map(|id| format!("plugins.{id}.enabled=false"));
    let overrides: Vec<String> = off
        .chain(["plugins.relay-server.insecure=true".to_owned()])
        .collect();
    let mut arguments = vec!["config", "check", "--config", ORIGINAL];
    for one in &overrides {
        arguments.extend(["--config-override", one]);
    }
    folder.run(&arguments).expect_code(0);
}

#[test]
fn an_output_gets_the_series_that_it_is_for_and_patterns_that_make_no_sense_are_refused() {
    let folder = Folder::new();
    let with = |series: &str| {
        folder.write(
            "alumet-config.toml",
            small().replacen('\n', &format!("\n{series}\n"), 1),
        )
    };
    with("series = { include = ['load_*', 'alumet_series'], exclude = [{ window = '5m' }] }");
    folder
        .run(&["exec", "--only", "program,machine,others", "true"])
        .expect_code(0);
    let lines = lines_of(&folder.path("file.csv"));
    assert!(lines.iter().any(|line| line.metric.starts_with("load_average")));
    for line in &lines {
        let name = &line.metric;
        let is_wanted = name.starts_with("load_") || name.starts_with("alumet_series");
        assert!(is_wanted && !line.text.contains(";5m;"), "{}", line.text);
    }
    for (series, place) in [
        ("series = { inclde = [] }", "inclde"),
        (
            "series = { include = [{ metric = 'a[' }] }",
            "plugins.csv.series.include[0].metric",
        ),
    ] {
        with(series);
        folder
            .run(&["config", "check"])
            .expect_code(2)
            .expect_stderr(&[place]);
    }
    folder.write(
        "alumet-config.toml",
        format!("{}series = {{ include = ['load_*'] }}\n", procfs_with("")),
    );
    folder.run(&["exec", "true"]).expect_stderr(&["is for outputs"]);
}

#[test]
fn a_file_of_ten_megabytes_is_read_quickly() {
    let folder = Folder::new();
    let comment = format!("# {}\n", "x".repeat(98));
    folder.write("large.toml", small() + &comment.repeat(100_000));
    let started = Instant::now();
    folder
        .run(&["config", "check", "--config", "large.toml"])
        .expect_code(0);
    // A debug build on a busy machine; a quadratic reader would need minutes.
    assert!(
        started.elapsed() < Duration::from_secs(20),
        "{:?}",
        started.elapsed()
    );
}

#[test]
fn an_output_to_the_standard_output_mixes_with_no_log() {
    let folder = Folder::new();
    folder.write("alumet-config.toml", load());
    let mut agent = folder.start(&["--output-file", "-"]);
    agent.wait_until_measuring();
    let ended = agent.stop(Signal::SIGTERM);
    ended.expect_code(0);
    assert_eq!(
        crate::csv::parse(&ended.stdout).len() as u64,
        ended.accounts().delivered
    );
}

#[test]
fn a_spool_in_which_nothing_could_wait_is_refused_with_the_key() {
    let folder = Folder::new();
    let spool = "[spool]\nmax_size = '0 B'\nmax_age = '0s'\nmemory = '10 kB'\n";
    folder.write("alumet-config.toml", format!("{spool}{}", small()));
    let checked = folder.run(&["config", "check"]);
    checked.expect_code(2);
    for (key, line) in [("max_size", 2), ("max_age", 3), ("memory", 4)] {
        assert!(
            checked.stderr.contains(&format!("spool.{key}")),
            "{}",
            checked.stderr
        );
        assert!(
            checked.stderr.contains(&format!("alumet-config.toml:{line}:")),
            "{}",
            checked.stderr
        );
    }
}

#[cfg(feature = "influxdb")]
#[test]
fn the_keys_that_charts_have_for_influxdb_are_right() {
    let folder = Folder::new();
    let text =
        "[plugins.influxdb]\norganization = 'influxdata'\nattribute_as = 'tag'\ntoken = '${INFLUX_TOKEN}'\n";
    folder.write("alumet-config.toml", text);
    let mut command = folder.command(&["config", "check"]);
    command.env("INFLUX_TOKEN", "a");
    let ended = folder.start_command(command).wait();
    assert_eq!(
        ended.expect_code(0).stdout,
        "the configuration is right; plugins: influxdb\n"
    );
    ended.expect_stderr(&["`plugins.influxdb.organization` is now called `plugins.influxdb.org`"]);
}
