use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use alumet_core::output::Output;
use alumet_plugin_csv::{Config, CsvOutput};
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;

use crate::rig::{Rig, values};

fn append(path: &Path, text: &str) {
    OpenOptions::new()
        .append(true)
        .open(path)
        .unwrap()
        .write_all(text.as_bytes())
        .unwrap();
}

fn write_one_run(rig: &Rig, config: &Config, key: &'static str, first: u64, count: u64) {
    let mut output = rig.open(config);
    rig.write(&mut output, &rig.counting(key, first, count)).unwrap();
}

#[test]
fn two_runs_append_under_one_header() {
    let rig = Rig::new();
    let config = rig.config();
    write_one_run(&rig, &config, "a", 0, 3);
    // The second run has other attributes, but the columns of the file stay.
    write_one_run(&rig, &config, "b", 3, 2);
    assert_eq!(values(&config.output_path, &["a"]), [0, 1, 2, 3, 4]);
    assert!(
        fs::read_to_string(&config.output_path)
            .unwrap()
            .ends_with(";;b=x\n")
    );
    assert_eq!(rig.files(), ["out.csv"]);
}

#[test]
fn a_run_without_samples_leaves_an_empty_file_that_gets_a_header_later() {
    let rig = Rig::new();
    let config = rig.config();
    let mut output = rig.open(&config);
    rig.write(&mut output, &rig.catalog.batch()).unwrap();
    drop(output);
    assert_eq!(fs::read(&config.output_path).unwrap(), b"");
    write_one_run(&rig, &config, "a", 0, 1);
    assert_eq!(values(&config.output_path, &["a"]), [0]);
}

#[test]
fn a_torn_last_line_is_cut_off() {
    let rig = Rig::new();
    let config = rig.config();
    write_one_run(&rig, &config, "a", 0, 2);
    for torn in [
        "n",
        "n;2026-11-20T07:00",
        "n;\"un",
        "n;2026-11-20T07:00:00.000000000Z;7;local_machine;;;;x;",
    ] {
        let before = values(&config.output_path, &["a"]);
        append(&config.output_path, torn);
        write_one_run(&rig, &config, "a", 9, 1);
        assert_eq!(
            values(&config.output_path, &["a"]),
            [before, vec![9]].concat(),
            "{torn}"
        );
    }
    assert_eq!(rig.files(), ["out.csv"]);
}

#[test]
fn a_torn_header_is_written_again() {
    let rig = Rig::new();
    let config = rig.config();
    fs::write(&config.output_path, "metric;timest").unwrap();
    write_one_run(&rig, &config, "a", 0, 1);
    assert_eq!(values(&config.output_path, &["a"]), [0]);
    assert_eq!(rig.files(), ["out.csv"]);
}

#[test]
fn a_file_of_somebody_else_is_set_aside_untouched() {
    let rig = Rig::new();
    let config = rig.config();
    for (text, name) in [
        ("my thesis", "out.foreign.20261120T070000Z.csv"),
        ("a,b\n1,2\n", "out.foreign.20261120T070000Z-1.csv"),
    ] {
        fs::write(&config.output_path, text).unwrap();
        write_one_run(&rig, &config, "a", 5, 1);
        assert_eq!(fs::read_to_string(rig.path(name)).unwrap(), text);
        assert_eq!(values(&config.output_path, &["a"]), [5]);
    }
}

#[test]
fn a_file_with_another_delimiter_is_never_mixed() {
    let rig = Rig::new();
    let config = rig.config();
    write_one_run(
        &rig,
        &Config {
            csv_delimiter: Some(','),
            ..config.clone()
        },
        "a",
        0,
        1,
    );
    write_one_run(&rig, &config, "a", 1, 1);
    assert_eq!(rig.files(), ["out.csv", "out.foreign.20261120T070000Z.csv"]);
    assert_eq!(values(&config.output_path, &["a"]), [1]);
}

#[test]
fn what_is_delivered_is_in_the_file() {
    let rig = Rig::new();
    let config = rig.config();
    let mut output = rig.open(&config);
    rig.write(&mut output, &rig.counting("a", 0, 1)).unwrap();
    assert_eq!(values(&config.output_path, &["a"]), [0]);
    output.reset();
    rig.write(&mut output, &rig.counting("b", 1, 2000)).unwrap();
    assert_eq!(values(&config.output_path, &["a"]).len(), 2001);
}

#[test]
fn a_file_that_is_renamed_while_it_is_written_is_followed_by_a_new_one() {
    let mut rig = Rig::new();
    let config = rig.config();
    let mut output = rig.open(&config);
    rig.write(&mut output, &rig.counting("a", 0, 1)).unwrap();
    let moved = rig.path("out.csv.1");
    fs::rename(&config.output_path, &moved).unwrap();
    rig.write(&mut output, &rig.counting("a", 1, 1)).unwrap();
    rig.wait(1);
    rig.write(&mut output, &rig.counting("b", 2, 1)).unwrap();
    assert_eq!(values(&moved, &["a"]), [0, 1]);
    assert_eq!(values(&config.output_path, &["a", "b"]), [2]);
}

#[test]
fn a_deleted_file_and_folder_are_made_anew() {
    let mut rig = Rig::new();
    let config = Config {
        output_path: rig.path("deep/folder/out.csv"),
        ..rig.config()
    };
    let mut output = rig.open(&config);
    rig.write(&mut output, &rig.counting("a", 0, 1)).unwrap();
    fs::remove_dir_all(rig.path("deep")).unwrap();
    rig.wait(1);
    rig.write(&mut output, &rig.counting("a", 1, 1)).unwrap();
    assert_eq!(values(&config.output_path, &["a"]), [1]);
}

#[test]
fn a_file_that_somebody_empties_gets_a_header_again() {
    let mut rig = Rig::new();
    let config = rig.config();
    let mut output = rig.open(&config);
    rig.write(&mut output, &rig.counting("a", 0, 5)).unwrap();
    fs::write(&config.output_path, "").unwrap();
    rig.wait(1);
    rig.write(&mut output, &rig.counting("b", 5, 1)).unwrap();
    assert_eq!(values(&config.output_path, &["a", "b"]), [5]);
}

#[test]
fn a_file_that_is_emptied_between_two_writes_never_lacks_its_header() {
    let rig = Rig::new();
    let config = rig.config();
    let mut output = rig.open(&config);
    for first in (0..20).step_by(5) {
        rig.write(&mut output, &rig.counting("a", first, 5)).unwrap();
        assert_eq!(
            values(&config.output_path, &["a"]),
            (first..first + 5).collect::<Vec<_>>()
        );
        fs::write(&config.output_path, "").unwrap();
    }
    assert_eq!(rig.files(), ["out.csv"]);
}

#[test]
fn a_file_that_is_emptied_while_a_delivery_is_written_gets_the_rest_of_it() {
    const COUNT: u64 = 100_000;
    let rig = Rig::new();
    let config = rig.config();
    let mut output = rig.open(&config);
    let batch = rig.counting("a", 0, COUNT);
    // Whoever empties it may come too late.
    for _ in 0..100 {
        let path = config.output_path.clone();
        fs::write(&path, "").unwrap();
        let emptying = std::thread::spawn(move || {
            // More than a part.
            while fs::metadata(&path).unwrap().len() < 1_200_000 {}
            fs::write(&path, "").unwrap();
        });
        rig.write(&mut output, &batch).unwrap();
        emptying.join().unwrap();
        if fs::metadata(&config.output_path).unwrap().len() > 0 {
            let values = values(&config.output_path, &["a"]);
            assert!(
                values[0] > 0,
                "what was there before it was emptied is not written again"
            );
            assert_eq!(values, (values[0]..COUNT).collect::<Vec<_>>());
            return;
        }
    }
    panic!("it was never emptied in time");
}

#[test]
fn a_second_writer_of_the_file_is_refused() {
    let rig = Rig::new();
    let config = rig.config();
    let first = rig.open(&config);
    let error = CsvOutput::open(&config, rig.now).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("out.csv is being written by another process"),
        "{error}"
    );
    drop(first);
    rig.open(&config);
}

#[test]
fn a_path_that_cannot_be_written_is_named_with_what_to_do() {
    let rig = Rig::new();
    let open = |path: &Path| {
        let config = Config {
            output_path: path.to_owned(),
            ..Config::default()
        };
        CsvOutput::open(&config, rig.now).unwrap_err().to_string()
    };
    let folder = open(rig.folder.path());
    assert!(folder.contains("is a folder; set `output_path`"), "{folder}");

    fs::write(rig.path("file"), "").unwrap();
    let below_a_file = open(&rig.path("file/out.csv"));
    assert!(
        below_a_file.contains("cannot create the folder"),
        "{below_a_file}"
    );

    // The superuser may write even there.
    fs::create_dir(rig.path("closed")).unwrap();
    fs::set_permissions(rig.path("closed"), fs::Permissions::from_mode(0o500)).unwrap();
    if fs::write(rig.path("closed/probe"), "").is_err() {
        let closed = open(&rig.path("closed/out.csv"));
        assert!(closed.contains("no permission to write"), "{closed}");
    }
}

#[test]
fn a_link_to_the_file_is_followed() {
    let mut rig = Rig::new();
    let config = rig.config();
    fs::create_dir(rig.path("real")).unwrap();
    fs::write(rig.path("real/data.csv"), "foreign\n").unwrap();
    symlink("real/data.csv", &config.output_path).unwrap();
    let mut output = rig.open(&config);
    rig.write(&mut output, &rig.counting("a", 0, 1)).unwrap();
    rig.wait(2);
    rig.write(&mut output, &rig.counting("a", 1, 1)).unwrap();
    assert_eq!(values(&rig.path("real/data.csv"), &["a"]), [0, 1]);
    assert!(rig.path("real/data.foreign.20261120T070000Z.csv").exists());
    assert!(config.output_path.is_symlink());
}

#[test]
fn a_link_that_another_user_made_is_not_followed() {
    let rig = Rig::new();
    let config = rig.config();
    for target in ["secret", "missing", "pipe"] {
        let _ = fs::remove_file(&config.output_path);
        symlink(target, &config.output_path).unwrap();
        // Only the superuser can give a link away.
        if std::os::unix::fs::lchown(&config.output_path, Some(12345), None).is_err() {
            return;
        }
        fs::write(rig.path("secret"), "secret").unwrap();
        let _ = mkfifo(&rig.path("pipe"), Mode::S_IRWXU);
        let error = CsvOutput::open(&config, rig.now).unwrap_err().to_string();
        assert!(
            error.contains("out.csv is a link that the user with the id 12345 made")
                && error.contains("remove it"),
            "{error}"
        );
        assert_eq!(rig.files(), ["out.csv", "pipe", "secret"]);
        assert_eq!(fs::read(rig.path("secret")).unwrap(), b"secret");
    }
    // Own links lead through folders and other links, also to nothing yet.
    fs::remove_file(&config.output_path).unwrap();
    symlink("first", &config.output_path).unwrap();
    symlink(rig.path("new/real.csv"), rig.path("first")).unwrap();
    write_one_run(&rig, &config, "a", 0, 1);
    assert_eq!(values(&rig.path("new/real.csv"), &["a"]), [0]);
}

#[test]
fn a_new_file_is_not_for_everybody_and_an_existing_one_keeps_its_mode() {
    let rig = Rig::new();
    let config = rig.config();
    let mode = || fs::metadata(&config.output_path).unwrap().permissions().mode() & 0o7777;
    write_one_run(&rig, &config, "a", 0, 1);
    assert_eq!(mode() & !0o640, 0, "{:o}", mode());
    fs::set_permissions(&config.output_path, fs::Permissions::from_mode(0o664)).unwrap();
    write_one_run(&rig, &config, "a", 1, 1);
    assert_eq!(mode(), 0o664);
}
