//! The command `store`: what is in the file of the plugin `store`, written in another form, or taken over.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use alumet_core::time::SystemClock;
use alumet_shared_query::{Matcher, Operator, Range, Selector};
use alumet_shared_series_store::{Report, StoreConfig, check, export, import};
use anyhow::{Context, Result, anyhow};
use clap::{ArgMatches, CommandFactory, FromArgMatches, Parser, Subcommand};

/// Look through the file of the plugin `store`, export it, or import another one
#[derive(Debug, Parser)]
#[command(name = "store", disable_help_subcommand = true)]
struct Store {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Look through all of a file, which may be in use; ends with 1 if something in it is damaged
    Check {
        /// The file, such as alumet-store.db
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
    /// Write the samples of a file, which may be in use, as CSV
    Export {
        /// The file, such as alumet-store.db
        #[arg(value_name = "FILE")]
        file: PathBuf,

        /// Where to write it; `-` is the standard output
        #[arg(long, short, value_name = "CSV", default_value = "-")]
        output: PathBuf,

        /// Only series with this: `metric=cpu_percent`, `node!=n1`, `consumer_id=~/kubepods.*`; may be repeated
        #[arg(long = "select", value_name = "LABEL=VALUE", value_parser = matcher)]
        matchers: Vec<Matcher>,

        /// Only from this second since 1970 on
        #[arg(long, value_name = "SECONDS")]
        from: Option<i64>,

        /// Only before this second since 1970
        #[arg(long, value_name = "SECONDS")]
        until: Option<i64>,
    },
    /// Take over the samples of another file, such as one that was set aside, while no server uses FILE
    Import {
        /// The file that gets them; it is made if it is missing
        #[arg(value_name = "FILE")]
        file: PathBuf,

        /// The file that has them; it stays as it is
        #[arg(value_name = "OTHER")]
        other: PathBuf,
    },
}

/// The definition of the command line.
pub(crate) fn command() -> clap::Command {
    Store::command()
}

/// Does what the arguments ask for.
pub(crate) fn run(arguments: &ArgMatches, out: &mut dyn Write) -> Result<ExitCode> {
    match Store::from_arg_matches(arguments)?.command {
        Command::Check { file } => {
            let report = check(&file)?;
            out.write_all(text(&report).as_bytes())?;
            let is_whole = report.damaged == 0 && report.problems.is_empty();
            Ok(if is_whole {
                ExitCode::SUCCESS
            } else {
                ExitCode::FAILURE
            })
        }
        Command::Export {
            file,
            output,
            matchers,
            from,
            until,
        } => {
            let nanos = |seconds: Option<i64>| seconds.map(|seconds| seconds.saturating_mul(1_000_000_000));
            let range = Range {
                from: nanos(from).unwrap_or(i64::MIN),
                until: nanos(until).unwrap_or(i64::MAX),
            };
            let selector = Selector { matchers };
            if output.as_os_str() == "-" {
                let (_, damaged) = export(&file, &selector, range, &mut BufWriter::new(out))?;
                warn(damaged, &mut io::stderr())?;
            } else {
                let csv =
                    File::create(&output).with_context(|| format!("cannot write `{}`", output.display()))?;
                let (samples, damaged) = export(&file, &selector, range, &mut BufWriter::new(csv))?;
                writeln!(out, "{samples} samples are in `{}`", output.display())?;
                warn(damaged, out)?;
            }
            Ok(ExitCode::SUCCESS)
        }
        Command::Import { file, other } => {
            let imported = import(StoreConfig::at(&file), Arc::new(SystemClock), &other)?;
            writeln!(
                out,
                "{} samples of `{}` are in `{}`",
                imported.samples,
                other.display(),
                file.display()
            )?;
            if imported.refused > 0 {
                writeln!(
                    out,
                    "{} samples are too old, or ahead of the clock, and are left out",
                    imported.refused
                )?;
            }
            if imported.intervals > 0 {
                writeln!(
                    out,
                    "of {} hours of series there are no samples any more, only what they came to; these are left out",
                    imported.intervals
                )?;
            }
            warn(imported.damaged, out)?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

fn warn(damaged: u64, out: &mut dyn Write) -> io::Result<()> {
    match damaged {
        0 => Ok(()),
        _ => writeln!(out, "{damaged} parts are damaged and left out"),
    }
}

fn text(report: &Report) -> String {
    let Report {
        series,
        samples,
        intervals,
        span,
        damaged,
        problems,
    } = report;
    let mut text = format!("{series} series\n{samples} samples\n{intervals} minutes and hours of series\n");
    if let Some((first, last)) = span {
        text.push_str(&format!("from {first} to {last}\n"));
    }
    match (damaged, problems.as_slice()) {
        (0, []) => text.push_str("nothing is damaged\n"),
        _ => text.push_str(&format!("{damaged} parts are damaged\n")),
    }
    problems
        .iter()
        .for_each(|problem| text.push_str(&format!("{problem}\n")));
    text
}

/// `label=value`, with any of the operators.
fn matcher(text: &str) -> Result<Matcher> {
    const OPERATORS: [(&str, Operator); 4] = [
        ("=~", Operator::Matches),
        ("!~", Operator::NotMatches),
        ("!=", Operator::NotEqual),
        ("=", Operator::Equal),
    ];
    let place = text.find(['=', '!']);
    let (label, rest) = text.split_at(place.unwrap_or(text.len()));
    let found = OPERATORS
        .iter()
        .find_map(|(sign, operator)| Some((*operator, rest.strip_prefix(sign)?)));
    let (operator, value) =
        found.ok_or_else(|| anyhow!("write a label and a value, for example `metric=cpu_percent`"))?;
    Ok(Matcher::new(label, operator, value)?)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use alumet_core::time::Clock;
    use alumet_core::unit::Unit;
    use alumet_core::{Catalog, Consumer, Resource};
    use alumet_shared_series_store::SeriesStore;

    use super::*;

    alumet_core::metrics! {
        LEVEL = Gauge<u64> {
            name: "level",
            unit: Unit::ONE,
            description: "For this test.",
        };
    }

    /// What the command says.
    fn said(arguments: &[&str]) -> String {
        let matches = command().get_matches_from([&["store"], arguments].concat());
        let mut out = Vec::new();
        run(&matches, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_file_is_looked_through_exported_and_imported() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let text = |path: &Path| path.to_str().unwrap().to_owned();
        let (one, other, csv) = (text(&path("one.db")), text(&path("other.db")), path("out.csv"));
        let store = SeriesStore::open(StoreConfig::at(&one), Arc::new(SystemClock)).unwrap();
        let catalog = Catalog::new();
        let metric = catalog.metric(&LEVEL).unwrap();
        let series = catalog
            .series(metric, Resource::LocalMachine, Consumer::LocalMachine)
            .register();
        let mut batch = catalog.batch();
        let now = SystemClock.now().wall;
        batch.push(&series, now, 7);
        assert!(store.append(&catalog, batch.samples()).unwrap().is_empty());
        drop(store);

        let imported = said(&["import", &other, &one]);
        assert_eq!(imported, format!("1 samples of `{one}` are in `{other}`\n"));
        let checked = said(&["check", &other]);
        assert!(checked.starts_with("1 series\n1 samples\n"), "{checked}");
        assert!(checked.ends_with("nothing is damaged\n"), "{checked}");
        said(&[
            "export",
            &other,
            "--output",
            &text(&csv),
            "--select",
            "metric=level",
        ]);
        let exported = fs::read_to_string(&csv).unwrap();
        let line = format!(
            "{},7,level,gauge,u64,1,measured,local_machine,,local_machine,,{{}}",
            now.as_nanos()
        );
        assert_eq!(exported.lines().nth(1), Some(line.as_str()));
        assert_eq!(
            said(&["export", &other, "--select", "metric!=level"])
                .lines()
                .count(),
            1
        );
    }

    #[test]
    fn a_matcher_is_a_label_an_operator_and_a_value() {
        for (text, label, operator, value) in [
            ("metric=a=b", "metric", Operator::Equal, "a=b"),
            ("node!=n1", "node", Operator::NotEqual, "n1"),
            ("node=~n.*", "node", Operator::Matches, "n.*"),
            ("node!~n!", "node", Operator::NotMatches, "n!"),
            ("node=", "node", Operator::Equal, ""),
        ] {
            let found = matcher(text).unwrap();
            assert_eq!(
                (found.label().name(), found.operator(), found.value()),
                (label, operator, value)
            );
        }
        assert!(matcher("metric").is_err() && matcher("node=~(").is_err());
    }
}
