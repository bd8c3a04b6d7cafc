//! All findings, for people and for programs.

use std::fmt::Write;

use alumet_core::plugin::{Finding, Verdict};
use serde::Serialize;
use serde_json::json;

use crate::exit::Failed;

/// All findings, those of the agent itself and of each plugin side by side.
#[derive(Debug, Default)]
pub(super) struct Report {
    findings: Vec<Record>,
}

/// A finding, with who has found it.
#[derive(Debug, Serialize)]
struct Record {
    plugin: &'static str,
    #[serde(flatten)]
    finding: Finding,
}

/// How wide a line may become; longer ones go on below their beginning.
const WIDTH: usize = 110;
/// Two blanks, the verdict, two blanks.
const BEFORE_SUBJECT: usize = 11;

impl Report {
    pub(super) fn push(&mut self, plugin: &'static str, findings: Vec<Finding>) {
        let findings = findings.into_iter();
        self.findings
            .extend(findings.map(|finding| Record { plugin, finding }));
    }

    /// The worst of all verdicts. That a machine does not have something is no fault, so it counts as working.
    pub(super) fn verdict(&self) -> Verdict {
        match self.findings.iter().map(|record| record.finding.verdict).max() {
            Some(worst @ (Verdict::Limited | Verdict::Broken)) => worst,
            _ => Verdict::Works,
        }
    }

    pub(super) fn to_json(&self) -> Result<String, Failed> {
        let whole = json!({ "verdict": self.verdict(), "findings": self.findings });
        let text = serde_json::to_string_pretty(&whole).map_err(anyhow::Error::from)?;
        Ok(format!("{text}\n"))
    }

    pub(super) fn to_text(&self) -> String {
        let findings = || self.findings.iter().map(|record| &record.finding);
        let subjects = findings().map(|finding| finding.subject.chars().count());
        let indent = BEFORE_SUBJECT + subjects.max().unwrap_or_default() + 2;
        let mut text = String::new();
        for section in self.findings.chunk_by(|one, next| one.plugin == next.plugin) {
            let _ = writeln!(text, "{}", section[0].plugin);
            for record in section {
                write_finding(&mut text, &record.finding, indent);
            }
            text.push('\n');
        }
        let counts = [Verdict::Broken, Verdict::Limited, Verdict::Absent, Verdict::Works].map(|verdict| {
            let count = findings().filter(|finding| finding.verdict == verdict).count();
            (count > 0).then(|| format!("{count} {verdict}"))
        });
        let counts: Vec<_> = counts.into_iter().flatten().collect();
        text + &counts.join(", ") + "\n"
    }
}

fn write_finding(text: &mut String, finding: &Finding, indent: usize) {
    let subject = indent - BEFORE_SUBJECT;
    let _ = write!(text, "  {:<7}  {:<subject$}", finding.verdict, finding.subject);
    write_wrapped(text, &finding.detail, "", indent);
    if let Some(remedy) = &finding.remedy {
        text.extend(std::iter::repeat_n(' ', indent));
        write_wrapped(text, remedy, "→ ", indent);
    }
}

/// Writes `what` with `mark` before its first line. Of a text that has lines of its own,
/// such as an excerpt of a file or a command to be copied, only the first is wrapped.
fn write_wrapped(text: &mut String, what: &str, mark: &str, indent: usize) {
    let margin = indent + mark.chars().count();
    let room = WIDTH.saturating_sub(margin).max(40);
    let (first, rest) = what.split_once('\n').unwrap_or((what, ""));
    let mut lines = vec![String::new()];
    for word in first.split(' ') {
        match lines.last_mut() {
            Some(line) if line.is_empty() => line.push_str(word),
            Some(line) if line.chars().count() + word.chars().count() < room => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines.extend(rest.lines().map(|line| line.trim_end().to_owned()));
    text.push_str(mark);
    for (at, line) in lines.iter().enumerate() {
        let margin = if at == 0 || line.is_empty() { 0 } else { margin };
        let _ = writeln!(text, "{:margin$}{line}", "");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(findings: Vec<Finding>) -> Report {
        let mut report = Report::default();
        report.push("agent", findings);
        report
    }

    #[test]
    fn the_worst_finding_decides_and_what_is_absent_is_no_fault() {
        let works = Finding::works("a", "b");
        let absent = Finding::absent("a", "b");
        let limited = Finding::limited("a", "b", "c");
        let broken = Finding::broken("a", "b", "c");
        assert_eq!(report(vec![]).verdict(), Verdict::Works);
        assert_eq!(report(vec![works, absent.clone()]).verdict(), Verdict::Works);
        assert_eq!(report(vec![limited.clone(), absent]).verdict(), Verdict::Limited);
        assert_eq!(report(vec![broken, limited]).verdict(), Verdict::Broken);
    }

    #[test]
    fn details_stand_in_one_column_and_remedies_below_them() {
        let text = report(vec![
            Finding::works("short", "fine"),
            Finding::limited("a longer subject", "so so", "do this"),
        ])
        .to_text();
        let expected = "agent\n  \
            works    short             fine\n  \
            limited  a longer subject  so so\n                             \
            → do this\n\n\
            1 limited, 1 works\n";
        assert_eq!(text, expected);
    }

    #[test]
    fn a_long_detail_goes_on_below_itself_and_loses_no_word() {
        let detail = "word ".repeat(60).trim_end().to_owned();
        let text = report(vec![Finding::works("subject", &detail)]).to_text();
        assert_eq!(text.matches("word").count(), 60);
        assert!(text.lines().all(|line| line.chars().count() <= WIDTH), "{text}");
        let begins = |line: &str| line.find("word");
        let columns: Vec<_> = text.lines().filter_map(begins).collect();
        assert!(
            columns.len() > 1 && columns.iter().all(|column| *column == columns[0]),
            "{text}"
        );
    }

    #[test]
    fn lines_of_an_excerpt_stay_lines() {
        let text = report(vec![Finding::broken(
            "file",
            "wrong\n 1 | a = \n   |     ^",
            "mend",
        )])
        .to_text();
        let excerpt: Vec<_> = text.lines().skip(2).take(2).map(str::trim).collect();
        assert_eq!(excerpt, ["1 | a =", "|     ^"]);
    }

    #[test]
    fn json_has_one_record_for_each_finding_and_a_verdict() {
        let json = report(vec![
            Finding::limited("perf", "so so", "do this"),
            Finding::absent("x", "y"),
        ]);
        let json: serde_json::Value = serde_json::from_str(&json.to_json().unwrap()).unwrap();
        let expected = serde_json::json!({
            "verdict": "limited",
            "findings": [
                {"plugin": "agent", "subject": "perf", "verdict": "limited", "detail": "so so", "remedy": "do this"},
                {"plugin": "agent", "subject": "x", "verdict": "absent", "detail": "y"},
            ],
        });
        assert_eq!(json, expected);
    }
}
