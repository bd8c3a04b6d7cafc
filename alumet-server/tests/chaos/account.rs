//! Compares the file of the server with what the agents counted.

use std::collections::BTreeMap;
use std::path::Path;

use crate::programs::Rig;

/// Every run must be in the file without a hole and without a repetition, from zero to at least what was safe.
pub(crate) fn check(rig: &Rig, agents: usize) -> Result<String, String> {
    let mut safe = BTreeMap::new();
    for agent in 0..agents {
        read_safe(&rig.of_agent(agent).join("safe.txt"), &mut safe);
    }
    let mut runs = BTreeMap::new();
    let files = rig.written();
    for text in files.iter().filter(|text| !text.is_empty()) {
        receive(text, &mut runs)?;
    }
    if files.len() > 1 {
        // What comes again after a kill may be in another file than what followed it.
        runs.values_mut().for_each(|numbers| numbers.sort_unstable());
    }
    let mut samples = 0;
    for (run, numbers) in &runs {
        if let Some(index) = (0..numbers.len()).find(|&index| numbers[index] != index as u64) {
            let around = &numbers[index.saturating_sub(2)..(index + 3).min(numbers.len())];
            return Err(format!("run {run}: {around:?} around line {index}"));
        }
        samples += numbers.len();
    }
    for (run, count) in &safe {
        let received = runs.get(run).map_or(0, Vec::len) as u64;
        if received < *count {
            return Err(format!(
                "run {run}: {count} samples were safe and {received} are there"
            ));
        }
    }
    if safe.is_empty() {
        return Err("no sample was ever safe".to_owned());
    }
    Ok(format!("{samples} samples of {} runs", runs.len()))
}

/// The largest count of each run that was on disk at the agent.
fn read_safe(path: &Path, safe: &mut BTreeMap<String, u64>) {
    for line in std::fs::read_to_string(path).unwrap_or_default().lines() {
        let Some((run, count)) = line.split_once(' ') else {
            continue;
        };
        // The last line may be torn.
        if let Ok(count) = count.parse() {
            safe.insert(run.to_owned(), count);
        }
    }
}

/// Adds the numbers of each run, in the order of the file.
fn receive(text: &str, runs: &mut BTreeMap<String, Vec<u64>>) -> Result<(), String> {
    let mut lines = text.lines();
    let header: Vec<&str> = lines.next().unwrap_or_default().split(';').collect();
    let place = |name: &str| header.iter().position(|column| *column == name);
    let column = place("run");
    let late = place("__late_attributes").ok_or("the file has no header")?;
    for line in lines {
        let fields: Vec<&str> = line.split(';').collect();
        if fields[0] != "number" {
            continue;
        }
        if fields.len() != header.len() {
            return Err(format!("a torn line: {line}"));
        }
        let late = || {
            let attributes = fields[late].trim_matches('"').split(',');
            attributes
                .filter_map(|attribute| attribute.strip_prefix("run="))
                .next()
        };
        let run = column.map(|column| fields[column]).filter(|run| !run.is_empty());
        let run = run.or_else(late).ok_or_else(|| format!("no run in {line}"))?;
        let number = fields[2].parse().map_err(|_| format!("no number in {line}"))?;
        runs.entry(run.to_owned()).or_default().push(number);
    }
    Ok(())
}
