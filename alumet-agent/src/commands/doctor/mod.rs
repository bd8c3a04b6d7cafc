//! What can be measured on this machine, what cannot, why, and what would mend it.

mod configuration;
mod machine;
mod plugins;
mod report;

use std::process::ExitCode;

use alumet_core::plugin::Verdict;

use crate::app::App;
use crate::cli::Global;
use crate::exit::{FAILED, Failed};
use crate::terminal;

use configuration::Basis;
use machine::Machine;
use report::{Report, Section};

/// Looks at the machine and at what the configuration wants of it, changes nothing, and tells.
pub(crate) fn doctor(app: &App, global: &Global, json: bool) -> Result<ExitCode, Failed> {
    let basis = Basis::of(app, global)?;
    let machine = Machine::at(&basis.system_root);
    let mut own = vec![basis.finding];
    own.push(plugins::selection(app, &basis.plugins));
    own.extend(machine.findings(app.purpose));

    let mut report = Report::default();
    report.push(Section::new(app.purpose.role(), own));
    for plugin in &basis.plugins {
        let findings = plugins::findings(plugin, &basis.system_root);
        report.push(Section::new(plugin.descriptor.id, findings));
    }

    let text = if json { report.to_json()? } else { report.to_text() };
    terminal::print(&text)?;
    Ok(match report.verdict() {
        Verdict::Broken => ExitCode::from(FAILED),
        _ => ExitCode::SUCCESS,
    })
}
