//! Every kind of problem, with its exact message.

use std::fs;

use alumet_agent::config::{Loader, Problems, from_json};
use alumet_core::plugin::Faults;

use crate::sample::{Sensor, load, message, nothing, read, sensor, sensor_message};

#[test]
fn a_missing_file_names_the_flag() {
    let problems = Loader::new(&nothing).path("no/such.toml").load().unwrap_err();
    assert_eq!(
        problems.to_string(),
        "error: there is no configuration file `no/such.toml`\n  \
         = help: name an existing file with `--config`, or write the default one with `config regen`"
    );
}

#[test]
fn a_file_that_cannot_be_read_tells_the_words_of_the_system() {
    // A path below a plain file can be opened by nobody, not even by root.
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("plain");
    fs::write(&file, "").unwrap();
    let path = file.join("alumet.toml");
    let problems = Loader::new(&nothing).path(&path).load().unwrap_err();
    assert_eq!(
        problems.to_string(),
        format!(
            "error: cannot read `{}`: Not a directory (os error 20)\n  \
             = help: name a readable file, or a folder of `.toml` files, with `--config`",
            path.display()
        )
    );
}

#[test]
fn a_folder_without_fragments_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("notes.txt"), "").unwrap();
    fs::write(folder.path().join(".hidden.toml"), "").unwrap();
    let problems = Loader::new(&nothing).path(folder.path()).load().unwrap_err();
    assert_eq!(
        problems.to_string(),
        format!(
            "error: the folder `{}` holds no configuration file\n  \
             = help: put a file whose name ends in `.toml` into it, or name a file",
            folder.path().display()
        )
    );
}

#[test]
fn a_file_in_another_encoding_shows_the_first_bad_character() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("latin.toml");
    fs::write(&path, b"a = 1\nb = \"caf\xe9\"\n").unwrap();
    let problems = Loader::new(&nothing).path(&path).load().unwrap_err();
    assert_eq!(
        problems.to_string(),
        format!(
            "error: the file is not UTF-8 text\n --> {}:2:9\n  |\n2 | b = \"caf\u{fffd}\"\n  |         ^\n  \
             = help: save the file as UTF-8",
            path.display()
        )
    );
}

#[test]
fn a_file_without_end_is_refused() {
    let problems = Loader::new(&nothing).path("/dev/zero").load().unwrap_err();
    assert_eq!(
        problems.to_string(),
        "error: the configuration of /dev/zero is larger than 16 MiB\n  \
         = help: check that this is the configuration, and not some other file"
    );
}

#[test]
fn a_syntax_error_shows_the_line() {
    assert_eq!(
        message("a = 1\nb = [1, 2\n[c]\n"),
        r#"error: cannot read this as TOML: missing comma between array elements, expected `,`
 --> alumet.toml:3:1
  |
3 | [c]
  | ^"#
    );
}

#[test]
fn all_syntax_errors_are_told() {
    assert_eq!(
        message("a = \nb = 2\nc = tru\n"),
        r#"error: cannot read this as TOML: string values must be quoted, expected literal string
 --> alumet.toml:1:5
  |
1 | a =
  |     ^

error: cannot read this as TOML: invalid boolean, expected `true`
 --> alumet.toml:3:5
  |
3 | c = tru
  |     ^^^"#
    );
}

#[test]
fn an_integer_beyond_64_bits_is_refused() {
    assert_eq!(
        message("a = 99999999999999999999\n"),
        r#"error: cannot read this as TOML: the integer does not fit into 64 bits
 --> alumet.toml:1:5
  |
1 | a = 99999999999999999999
  |     ^^^^^^^^^^^^^^^^^^^^"#
    );
}

#[test]
fn a_key_that_is_given_twice_is_refused() {
    assert_eq!(
        message("[plugins.csv]\nport = 1\nport = 2\n"),
        r#"error: the key `port` is given twice
 --> alumet.toml:3:1
  |
3 | port = ***
  | ^^^^
  = help: keep one of the two"#
    );
}

#[test]
fn a_section_that_is_given_twice_is_refused() {
    assert_eq!(
        message("[csv]\n[rapl]\n[csv]\n"),
        r#"error: the key `csv` is given twice
 --> alumet.toml:3:2
  |
3 | [csv]
  |  ^^^
  = help: keep one of the two"#
    );
}

#[test]
fn a_wrong_type_names_the_key_and_both_types() {
    assert_eq!(
        sensor_message("[plugins.sensor]\noutput_path = 12\n"),
        r#"error: wrong type at `plugins.sensor.output_path`: expected a string, found an integer
 --> alumet.toml:2:15
  |
2 | output_path = 12
  |               ^^"#
    );
}

#[test]
fn an_unknown_key_suggests_the_nearest_one() {
    assert_eq!(
        sensor_message("[plugins.sensor]\npol_interval = \"1s\"\n"),
        r#"error: unknown key `plugins.sensor.pol_interval`
 --> alumet.toml:2:1
  |
2 | pol_interval = ***
  | ^^^^^^^^^^^^
  = help: did you mean `poll_interval`?"#
    );
}

#[test]
fn an_unknown_key_like_no_other_lists_the_known_ones() {
    assert_eq!(
        sensor_message("[plugins.sensor.retry]\ncolour = 1\n"),
        r#"error: unknown key `plugins.sensor.retry.colour`
 --> alumet.toml:2:1
  |
2 | colour = ***
  | ^^^^^^
  = help: the keys are `max_times`"#
    );
}

#[test]
fn an_unknown_word_suggests_the_nearest_one() {
    assert_eq!(
        sensor_message("[plugins.sensor]\nmode = \"ful\"\n"),
        r#"error: unknown value `ful` at `plugins.sensor.mode`
 --> alumet.toml:2:8
  |
2 | mode = "ful"
  |        ^^^^^
  = help: did you mean `full`?"#
    );
}

#[test]
fn a_number_out_of_range_names_the_range() {
    assert_eq!(
        sensor_message("[plugins.sensor]\nport = 70000\n"),
        r#"error: invalid value at `plugins.sensor.port`: expected an integer from 0 to 65535, found 70000
 --> alumet.toml:2:8
  |
2 | port = 70000
  |        ^^^^^"#
    );
}

#[test]
fn a_value_that_its_own_type_refuses_tells_why() {
    assert_eq!(
        sensor_message("[plugins.sensor]\npoll_interval = \"1 parsec\"\n"),
        r#"error: invalid value at `plugins.sensor.poll_interval`: unknown time unit "parsec", supported units: ns, us/µs, ms, sec, min, hours, days, weeks, months, years (and few variations)
 --> alumet.toml:2:17
  |
2 | poll_interval = "1 parsec"
  |                 ^^^^^^^^^^"#
    );
}

#[test]
fn a_missing_key_names_its_table() {
    assert_eq!(
        sensor_message("[[plugins.sensor.groups]]\nexe_regex = \"\"\n\n[[plugins.sensor.groups]]\n"),
        r#"error: the key `plugins.sensor.groups[1].exe_regex` is missing
 --> alumet.toml:4:1
  |
4 | [[plugins.sensor.groups]]
  | ^^^^^^^^^^^^^^^^^^^^^^^^^
  = help: add it; it has no default"#
    );
}

#[test]
fn all_problems_of_a_section_are_told_in_the_order_of_the_file() {
    assert_eq!(
        sensor_message(
            "[plugins.sensor]\nport = \"x\"\nposition = 1\nskip_failed = 1\nmode = \"none\"\n\
             [[plugins.sensor.groups]]\nexe_regex = 5\n[[plugins.sensor.groups]]\nexe_regex = \"\"\nlabel = 1\n"
        ),
        r#"error: wrong type at `plugins.sensor.port`: expected a non-negative integer, found a string
 --> alumet.toml:2:8
  |
2 | port = "x"
  |        ^^^

error: unknown key `plugins.sensor.position`
 --> alumet.toml:3:1
  |
3 | position = ***
  | ^^^^^^^^
  = help: the keys are `poll_interval`, `port`, `factor`, `skip_failed`, `output_path`, `client_name`, `mode`, `metrics`, `retry`, `groups`

error: wrong type at `plugins.sensor.skip_failed`: expected a boolean, found an integer
 --> alumet.toml:4:15
  |
4 | skip_failed = 1
  |               ^

error: unknown value `none` at `plugins.sensor.mode`
 --> alumet.toml:5:8
  |
5 | mode = "none"
  |        ^^^^^^
  = help: the values are `full`, `minimal`

error: wrong type at `plugins.sensor.groups[0].exe_regex`: expected a string, found an integer
 --> alumet.toml:7:13
  |
7 | exe_regex = 5
  |             ^

error: unknown key `plugins.sensor.groups[1].label`
  --> alumet.toml:10:1
   |
10 | label = ***
   | ^^^^^
   = help: did you mean `labels`?"#
    );
}

#[test]
fn more_than_fifty_problems_are_counted() {
    let mut text = "[plugins.sensor]\n".to_owned();
    for n in 0..55 {
        text.push_str(&format!("unknown_{n} = 1\n"));
    }
    let document = load(&text).unwrap();
    let problems = read::<Sensor>(&document, &sensor()).unwrap_err();
    let message = problems.to_string();
    assert_eq!(message.matches("error: ").count(), 50);
    assert!(message.ends_with("\n\nand 5 more problems"));
}

#[test]
fn a_missing_variable_shows_its_place_and_the_remedy() {
    assert_eq!(
        message("[plugins.influxdb]\nurl = \"http://${HOST}:80\"\n"),
        r#"error: the environment variable `HOST` is not set, and `plugins.influxdb.url` needs it
 --> alumet.toml:2:15
  |
2 | url = "http://${HOST}:80"
  |               ^^^^^^^
  = help: set HOST, or give a default with `${HOST:-default}`; for a literal `${` write `$${`"#
    );
}

#[test]
fn a_variable_without_an_end_is_refused() {
    assert_eq!(
        message("[plugins.csv]\npaths = [\"a\", \"${HOST\"]\n"),
        r#"error: bad substitution at `plugins.csv.paths[1]`: `${` has no closing `}`
 --> alumet.toml:2:15
  |
2 | paths = ["a", "${HOST"]
  |               ^^^^^^^^
  = help: write `${NAME}` or `${NAME:-default}`; for a literal `${` write `$${`"#
    );
}

#[test]
fn an_override_that_is_not_toml_shows_how_to_write_one() {
    let problems = Loader::new(&nothing)
        .override_with("plugins.rapl.poll_interval='1ms'")
        .override_with("plugins.rapl.poll_interval=1ms")
        .load()
        .unwrap_err();
    assert_eq!(
        problems.to_string(),
        r#"error: cannot read this override as TOML: string values must be quoted, expected literal string
 --> --config-override #2:1:28
  |
1 | plugins.rapl.poll_interval=1ms
  |                            ^^^
  = help: an override looks like `plugins.rapl.poll_interval='1ms'`: text in quotes, inside the quotes of the shell"#
    );
}

#[test]
fn what_a_plugin_says_of_a_key_gets_its_place() {
    let document = load("[plugins.csv]\npath = \"x\"\n[[plugins.csv.groups]]\nage = 3\n").unwrap();
    let problems = [
        document.refused(&["plugins", "csv", "path"], "the folder does not exist"),
        document.refused(&["plugins", "csv", "groups", "0", "age"], "too young"),
        document.refused(&["plugins", "csv", "absent"], "must be given"),
    ];
    let mut all = Problems::default();
    problems.into_iter().for_each(|problem| all.push(problem));
    assert_eq!(
        all.to_string(),
        r#"error: invalid value at `plugins.csv.path`: the folder does not exist
 --> alumet.toml:2:8
  |
2 | path = "x"
  |        ^^^

error: invalid value at `plugins.csv.groups[0].age`: too young
 --> alumet.toml:4:7
  |
4 | age = 3
  |       ^

error: invalid value at `plugins.csv.absent`: must be given
 --> alumet.toml:1:10
  |
1 | [plugins.csv]
  |          ^^^"#
    );
}

#[test]
fn no_message_shows_a_secret() {
    let syntax = message("[plugins.influxdb]\ntoken = \"hunter2\n");
    let kind = sensor_message("[plugins.sensor]\nretry = { max_times = \"x\", password = \"hunter2\" }\n");
    let misspelt = sensor_message("[plugins.sensor]\ntokne = \"hunter2\"\n");
    for message in [syntax, kind, misspelt] {
        assert!(!message.contains("hunter2"), "{message}");
        assert!(message.contains("***"), "{message}");
    }
}

#[test]
fn a_very_long_line_is_cut_around_the_place() {
    let text = format!("a = \"{}\" b", "x".repeat(10_000));
    assert!(message(&text).len() < 1000, "{}", message(&text).len());
}

#[test]
fn what_follows_from_a_problem_is_not_told_again() {
    // The list lacks an element, the group then a key, the table then the list: only the first is to be mended.
    let message = sensor_message(
        "[plugins.sensor]\ngroups = [{ exe_regex = 'a' }, { exe_regex = 5 }]\npoll_interval = 'soon'\nport = 70000\n",
    );
    assert_eq!(message.matches("error: ").count(), 3, "{message}");
    for phrase in [
        "groups[1].exe_regex",
        "`plugins.sensor.poll_interval`",
        "from 0 to 65535",
    ] {
        assert!(message.contains(phrase), "{message}");
    }
}

#[test]
fn what_a_plugin_checks_is_told_with_the_other_problems_unless_it_follows_from_one() {
    let document = load("[plugins.sensor]\nport = 'x'\nfactor = 2\nmetircs = []\n").unwrap();
    let mut faults = Faults::default();
    for key in ["port", "factor", "metrics", "retry.max_times"] {
        faults.add(key, "cannot work");
    }
    let schema = schemars::schema_for!(Sensor);
    let check = |_: &Sensor| faults.or_ok();
    let problems = document.read(&sensor(), || schema, from_json, check).unwrap_err();
    let message = problems.to_string();
    let whats: Vec<&str> = message
        .lines()
        .filter_map(|line| line.strip_prefix("error: "))
        .collect();
    assert_eq!(
        whats,
        [
            "invalid value at `plugins.sensor.retry.max_times`: cannot work",
            "wrong type at `plugins.sensor.port`: expected a non-negative integer, found a string",
            "invalid value at `plugins.sensor.factor`: cannot work",
            "unknown key `plugins.sensor.metircs`",
        ]
    );
}
