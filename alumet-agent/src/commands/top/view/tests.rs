use std::path::Path;

use proptest::prelude::*;
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use regex::Regex;

use super::super::arrange::{Sort, arrange};
use super::super::choices::tests::choices;
use super::super::model::tests::process;
use super::*;

/// A machine with sensors, in the middle of a build.
fn machine() -> Machine {
    let gib = f64::from(1 << 30);
    let power = |name: &str, watts| Power {
        name: name.to_owned(),
        watts,
        quality: Quality::Measured,
    };
    Machine {
        cpus: 8,
        busy: Some(3.42),
        memory: Some(31.2 * gib),
        memory_available: Some(21.9 * gib),
        load: [Some(3.91), Some(2.4), Some(1.05)],
        sources: vec![power("dram", 4.91), power("package", 38.24)],
        attributed: Some(21.769),
        idle: Some(18.471),
        unattributed: Some(2.91),
        quality: Some(Quality::Modelled),
        why: String::new(),
    }
}

/// Number, parent, CPUs, MiB, bytes per second, watts, joules, command.
type Shown = (u32, u32, f64, f64, f64, f64, f64, &'static str);

const PROCESSES: [Shown; 12] = [
    (1, 0, 0.0, 12.9, 0.0, 0.0, 0.41, "/sbin/init"),
    (
        412,
        1,
        0.012,
        58.3,
        4096.0,
        0.081,
        4.86,
        "/usr/lib/systemd/systemd-journald",
    ),
    (
        1290,
        1,
        0.0,
        9.8,
        0.0,
        0.0,
        0.02,
        "sshd: /usr/sbin/sshd -D [listener]",
    ),
    (
        3120,
        1,
        0.214,
        612.4,
        0.0,
        1.442,
        86.5,
        "/usr/lib/firefox/firefox",
    ),
    (4701, 1290, 0.0, 6.1, 0.0, 0.0, 0.06, "-bash"),
    (4711, 4701, 0.004, 5.2, 0.0, 0.027, 0.9, "make -j3"),
    (
        4890,
        4711,
        0.998,
        214.0,
        131_072.0,
        6.724,
        53.8,
        "cc1plus -O2 -o render.o render.cpp",
    ),
    (
        4891,
        4711,
        0.996,
        187.5,
        98_304.0,
        6.711,
        40.3,
        "cc1plus -O2 -o scene.o scene.cpp",
    ),
    (
        4893,
        4711,
        0.991,
        143.1,
        65_536.0,
        6.677,
        20.0,
        "cc1plus -O2 -o light.o light.cpp",
    ),
    (5002, 4701, 0.006, 24.6, 0.0, 0.04, 1.2, "alumet-agent top"),
    (17, 2, 0.01, 0.0, 0.0, 0.067, 4.0, "[rcu_preempt]"),
    (2, 0, 0.0, 0.0, 0.0, 0.0, 0.0, "[kthreadd]"),
];

fn processes() -> Vec<Row> {
    let row = |(pid, parent, cpu, mib, io, power, energy, text): Shown| Row {
        parent: Some(Consumer::Process { pid: parent }),
        cpu: Some(cpu),
        memory: Some(mib * f64::from(1 << 20)),
        // That of other users cannot be read.
        io: (pid > 4000).then_some(io),
        power: Some(power),
        energy: Some(energy),
        ..process(pid, text)
    };
    PROCESSES.map(row).to_vec()
}

/// The screen as text.
fn drawn(rows: &[Row], choices: &Choices, warning: Option<&str>, (width, height): (u16, u16)) -> String {
    let rows = arrange(rows, choices.sort, choices.search.as_ref(), choices.is_tree);
    let machine = machine();
    let view = View {
        machine: &machine,
        rows: &rows,
        choices,
        warning,
        has_colours: true,
    };
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal
        .draw(|frame| frame.render_widget(view, frame.area()))
        .unwrap();
    let buffer = terminal.backend().buffer();
    let line = |y| (0..width).map(|x| buffer[(x, y)].symbol()).collect::<String>();
    (0..height)
        .map(|y| line(y).trim_end().to_owned() + "\n")
        .collect()
}

/// `UPDATE=1` writes the picture, from which `cargo xtask docs` fills the README.
#[test]
fn the_picture_of_the_documents_is_that_of_a_terminal_of_80_by_24() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/top.txt");
    let choices = Choices {
        is_tree: true,
        marked: 4,
        ..choices()
    };
    let picture = drawn(&processes(), &choices, None, (80, 24));
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, &picture).unwrap();
    }
    let committed = std::fs::read_to_string(&path).unwrap();
    assert_eq!(
        committed, picture,
        "run this test with UPDATE=1, then `cargo xtask docs`"
    );
}

#[test]
fn the_numbers_of_a_row_stand_below_their_names() {
    let rows = [Row {
        cpu: Some(1.5),
        memory: Some(1.5 * 1024.0),
        io: Some(2048.0),
        power: Some(12.345),
        ..process(42, "sh -c x")
    }];
    let text = drawn(&rows, &choices(), None, (80, 8));
    let lines: Vec<&str> = text.lines().skip(1).take(2).collect();
    assert_eq!(
        lines,
        [
            "    PID  CPU % MEMORY   IO/S   POWER W  ENERGY J COMMAND",
            "     42  150.0   1.5K   2.0K     12.35         - sh -c x",
        ]
    );
}

#[test]
fn the_marked_row_is_on_the_screen() {
    let rows: Vec<Row> = (0..100).map(|pid| process(pid, &format!("p{pid}x"))).collect();
    for marked in [0, 1, 50, 98, 99] {
        let choices = Choices {
            marked,
            sort: Sort::Cpu,
            ..choices()
        };
        let text = drawn(&rows, &choices, None, (60, 14));
        assert!(text.contains(&format!("p{marked}x")), "{marked}: {text}");
        let page = text.lines().filter(|line| line.ends_with('x')).count();
        assert_eq!(page, usize::from(super::page(14)), "{text}");
    }
}

#[test]
fn a_narrow_screen_leaves_columns_out_and_never_the_text() {
    for (width, has_io, has_energy) in [
        (80, true, true),
        (60, false, true),
        (50, false, false),
        (20, false, false),
    ] {
        let text = drawn(&processes(), &choices(), None, (width, 8));
        let has = |name: &str| text.lines().nth(1).is_some_and(|heading| heading.contains(name));
        assert_eq!(
            (has("IO/S"), has("ENERGY")),
            (has_io, has_energy),
            "{width}: {text}"
        );
        assert!(has("COMMAND"), "{width}: {text}");
    }
}

#[test]
fn a_command_line_cannot_steer_the_terminal() {
    let rows = [process(1, "a\x1b[2Jb\r\nc\u{9b}d")];
    let arranged = arrange(&rows, Sort::Power, None, false);
    let line = Columns::all(false).line(&arranged[0], Units::W);
    assert!(line.ends_with("a?[2Jb??c?d"), "{line:?}");
}

#[test]
fn the_last_line_tells_what_is_typed_and_what_is_wrong_with_it_or_the_latest_warning() {
    let last = |choices: &Choices, warning| {
        let text = drawn(&[], choices, warning, (80, 10));
        text.lines().last().unwrap().to_owned()
    };
    assert!(last(&choices(), None).contains("? help"));
    assert_eq!(last(&choices(), Some("WARN no sensor")), "WARN no sensor");
    let typing = Choices {
        typed: Some("a(".to_owned()),
        fault: Some("unclosed".to_owned()),
        ..choices()
    };
    assert_eq!(last(&typing, Some("WARN no sensor")), "/a(_  unclosed");
}

#[test]
fn what_is_not_known_yet_is_said() {
    let nothing = Machine {
        cpus: 2,
        ..Machine::default()
    };
    let lines = head(&nothing, 0, &choices());
    assert_eq!(
        lines,
        [
            "cpu     - of 2 CPUs; load - - -; memory -",
            "power   of processes not known yet",
            "sources none yet; `doctor` tells what this machine has",
            "shown   processes: 0, by power",
        ]
    );
    let lines = head(
        &Machine {
            why: "no energy".to_owned(),
            ..nothing
        },
        0,
        &choices(),
    );
    assert_eq!(lines[1], "power   of processes not known: no energy");
}

#[test]
fn without_colours_nothing_is_coloured() {
    let rows = processes();
    let rows = arrange(&rows, Sort::Power, None, false);
    for has_colours in [true, false] {
        let (machine, choices) = (machine(), choices());
        let view = View {
            machine: &machine,
            rows: &rows,
            choices: &choices,
            warning: Some("w"),
            has_colours,
        };
        let mut buffer = Buffer::empty(Rect::new(0, 0, 80, 24));
        let area = buffer.area;
        view.render(area, &mut buffer);
        let coloured = buffer
            .content
            .iter()
            .any(|cell| cell.fg != Color::Reset || cell.bg != Color::Reset);
        assert_eq!(coloured, has_colours);
    }
}

proptest! {
    #[test]
    fn any_screen_of_any_size_is_drawn(
        width in 0..200_u16, height in 0..60_u16, marked in 0..300_usize, count in 0..12_usize,
        switches in proptest::array::uniform4(any::<bool>()), typed in proptest::option::of(".{0,90}"),
        text in ".{0,90}"
    ) {
        let [is_tree, shows_groups, shows_help, has_search] = switches;
        let choices = Choices {
            marked, is_tree, shows_groups, shows_help, typed,
            search: has_search.then(|| Regex::new("c").unwrap()),
            ..choices()
        };
        let mut rows = processes();
        rows.truncate(count);
        rows.push(process(u32::MAX, &text));
        let drawn = drawn(&rows, &choices, Some(&text), (width, height));
        prop_assert_eq!(drawn.lines().count(), usize::from(height));
    }
}
