//! `exec` with more than one run.

use std::io::{self, IsTerminal, Write};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use crate::app::App;
use crate::child::{self, Inherited};
use crate::cli::{Exec, Global};
use crate::compare::{Plan, Results, Variant};
use crate::exit::Failed;
use crate::logging;
use crate::setup::{IfMissing, Setup};
use crate::summary::Summary;
use crate::terminal;

use super::exec::{OWN_FAILURE, measured};

/// Runs every variant, tells what came of it, and writes the files that are asked for.
pub(super) fn repeat(
    app: &Arc<App>,
    global: &Global,
    exec: &Exec,
    plan: Plan,
    inherited: Inherited,
) -> Result<ExitCode, Failed> {
    for variant in &plan.variants {
        child::find(&variant.program)?;
    }
    // Each run begins and ends with lines about nothing new, and warns of the same.
    logging::say_once();
    let quiet = Global {
        quiet: true,
        ..global.clone()
    };
    let mut is_clean = true;
    let mut all = Vec::new();
    let mut progress = Progress::new(&plan);
    for variant in plan.variants {
        let mut runs = Vec::new();
        for number in 0..plan.warmup + plan.repeat {
            progress.show(&variant, &runs);
            let global = quiet.labelled(app, &variant, number.checked_sub(plan.warmup));
            let setup = Setup::load(app, &global, IfMissing::Assume)?;
            let command = match exec.show_output {
                true => variant.command(),
                false => variant.silent_command(),
            };
            let (own, summary) = measured(app, &global, setup, exec, command, inherited)?;
            is_clean &= own == ExitCode::SUCCESS;
            let code = summary.exit_code_of_shell();
            if code != 0 && !exec.ignore_exit_code {
                progress.hide();
                let message = format!(
                    "`{}` has ended with the code {code}\n  help: look what it writes with --show-output, or go on with \
                     --ignore-exit-code",
                    variant.name
                );
                return Err(Failed::with_code(code, message));
            }
            progress.done += 1;
            if number >= plan.warmup {
                runs.push(summary);
            }
        }
        all.push((variant, runs));
    }
    progress.hide();
    let results = Results::new(plan.warmup, all);
    terminal::print(&results.text())?;
    let json = results.json().map_err(anyhow::Error::from)?;
    for (file, text) in [
        (&exec.export_json, &json),
        (&exec.measuring.summary_json, &json),
        (&exec.export_csv, &results.csv()),
        (&exec.export_markdown, &results.markdown()),
    ] {
        if let Some(file) = file {
            write(file, text)?;
        }
    }
    Ok(match is_clean {
        true => ExitCode::SUCCESS,
        false => ExitCode::from(OWN_FAILURE),
    })
}

fn write(file: &Path, text: &str) -> Result<(), Failed> {
    if file == Path::new("-") {
        return terminal::print(text).map(drop);
    }
    std::fs::write(file, text).map_err(|error| {
        let file = file.display();
        Failed::running(format!("the results cannot be written to {file}: {error}"))
    })
}

impl Global {
    /// The same for one run: its rows say which one it is. One that warms up has no number.
    fn labelled(&self, app: &App, variant: &Variant, number: Option<u32>) -> Self {
        let mut global = self.clone();
        let number = number.map_or_else(|| "warmup".to_owned(), |number| (number + 1).to_string());
        let labels = [
            ("run".to_owned(), number),
            ("command".to_owned(), variant.name.clone()),
        ];
        let parameters = variant.parameters.clone();
        global.add_labels(app, labels.into_iter().chain(parameters));
        global
    }
}

/// How far it is, in a line on the terminal.
struct Progress {
    done: u32,
    total: u32,
    is_shown: bool,
}

impl Progress {
    fn new(plan: &Plan) -> Self {
        let variants = u32::try_from(plan.variants.len()).unwrap_or(u32::MAX);
        Self {
            done: 0,
            total: variants.saturating_mul(plan.warmup + plan.repeat),
            is_shown: io::stderr().is_terminal(),
        }
    }

    fn show(&self, variant: &Variant, runs: &[Summary]) {
        const WIDTH: usize = 20;
        const LONGEST_NAME: usize = 32;
        if !self.is_shown {
            return;
        }
        let filled = WIDTH * self.done as usize / self.total.max(1) as usize;
        let bar: String = (0..WIDTH).map(|at| if at < filled { '#' } else { '.' }).collect();
        let name: String = variant.name.chars().take(LONGEST_NAME).collect();
        let time = runs.iter().map(|run| run.duration_seconds).sum::<f64>() / runs.len().max(1) as f64;
        let mean = match runs.is_empty() {
            true => String::new(),
            false => format!(", mean {time:.3} s"),
        };
        let _ = write!(
            io::stderr().lock(),
            "\r\x1b[K[{bar}] {}/{} {name}{mean}",
            self.done,
            self.total
        );
    }

    fn hide(&self) {
        if self.is_shown {
            let _ = write!(io::stderr().lock(), "\r\x1b[K");
        }
    }
}
