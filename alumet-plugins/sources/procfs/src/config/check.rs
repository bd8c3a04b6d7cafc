//! What types cannot refuse.

use alumet_core::duration::HumanDuration;
use alumet_core::plugin::Faults;
use alumet_reader_procfs::meminfo::snake_case_name;
use regex::Regex;

use super::{Config, MemoryConfig, PlanConfig, ProcessesConfig};

impl Config {
    /// Refuses what types cannot.
    ///
    /// # Errors
    /// The keys that are wrong and what would be right.
    pub fn check(&self) -> Result<(), Faults> {
        let mut faults = Faults::default();
        for (key, interval) in [
            ("kernel.poll_interval", self.kernel.table.poll_interval),
            ("memory.poll_interval", self.memory.table.poll_interval),
            ("network.poll_interval", self.network.poll_interval),
            ("disks.poll_interval", self.disks.table.poll_interval),
            ("load.poll_interval", self.load.poll_interval),
            ("pressure.poll_interval", self.pressure.poll_interval),
            ("cpu_frequency.poll_interval", self.cpu_frequency.poll_interval),
            ("temperatures.poll_interval", self.temperatures.poll_interval),
            ("processes.refresh_interval", self.processes.refresh_interval),
        ] {
            faults.refuse_polls(key, *interval);
        }
        check_memory(&self.memory, &mut faults);
        check_processes(&self.processes, &mut faults);
        faults.or_ok()
    }
}

fn check_memory(memory: &MemoryConfig, faults: &mut Faults) {
    let mut names = Vec::with_capacity(memory.metrics.len());
    for (index, entry) in memory.metrics.iter().enumerate() {
        let key = format!("memory.metrics.{index}");
        let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '(' | ')');
        let name = snake_case_name(entry);
        if !entry.starts_with(|c: char| c.is_ascii_alphabetic()) || !entry.chars().all(is_part) {
            faults.add(&key, format!(
                "{entry:?} cannot be an entry of /proc/meminfo; write it as the kernel does, for example \"MemTotal\""
            ));
        } else if names.contains(&name) {
            faults.add(
                &key,
                format!("the metric `{name}` would be measured twice; name each entry once"),
            );
        }
        names.push(name);
    }
}

fn check_processes(processes: &ProcessesConfig, faults: &mut Faults) {
    for (index, group) in processes.groups.iter().enumerate() {
        let table = format!("processes.groups.{index}");
        if group.pid == Some(0) {
            let message = "no process has the number 0; leave the key out for all processes";
            faults.add(&format!("{table}.pid"), message);
        }
        for (key, regex) in [
            ("exe_regex", &group.exe_regex),
            ("cmdline_regex", &group.cmdline_regex),
        ] {
            if let Some(Err(error)) = regex.as_deref().map(Regex::new) {
                let message = format!("this is no regular expression: {error}");
                faults.add(&format!("{table}.{key}"), message);
            }
        }
        check_plan(&table, group.poll_interval, &group.plan, faults);
    }
    let events = &processes.events;
    check_plan("processes.events", events.poll_interval, &events.plan, faults);
}

fn check_plan(table: &str, poll: HumanDuration, plan: &PlanConfig, faults: &mut Faults) {
    faults.refuse_polls(&format!("{table}.poll_interval"), *poll);
    faults.refuse_zero(&format!("{table}.flush_interval"), *plan.flush_interval);
    if plan.metrics.is_empty() && !plan.io {
        let message = "nothing would be measured; name at least one of \"cpu_time\", \"cpu_percent\", \"memory\", or set `io = true`";
        faults.add(&format!("{table}.metrics"), message);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_that_cannot_work_is_refused_by_the_path_of_its_key() {
        for (text, key) in [
            ("kernel.poll_interval = '0s'", "kernel.poll_interval"),
            ("memory.poll_interval = '0s'", "memory.poll_interval"),
            ("network.poll_interval = '0s'", "network.poll_interval"),
            ("disks.poll_interval = '0s'", "disks.poll_interval"),
            ("load.poll_interval = '0s'", "load.poll_interval"),
            ("pressure.poll_interval = '0s'", "pressure.poll_interval"),
            (
                "cpu_frequency.poll_interval = '0s'",
                "cpu_frequency.poll_interval",
            ),
            ("temperatures.poll_interval = '0s'", "temperatures.poll_interval"),
            ("processes.refresh_interval = '0s'", "processes.refresh_interval"),
            ("memory.metrics = ['MemTotal', 'Mem Free']", "memory.metrics.1"),
            ("memory.metrics = ['']", "memory.metrics.0"),
            ("memory.metrics = ['Active', 'Active']", "memory.metrics.1"),
            (
                "processes.groups = [{}, { exe_regex = '(' }]",
                "processes.groups.1.exe_regex",
            ),
            (
                "processes.groups = [{ cmdline_regex = '[' }]",
                "processes.groups.0.cmdline_regex",
            ),
            (
                "processes.groups = [{ poll_interval = '0s' }]",
                "processes.groups.0.poll_interval",
            ),
            (
                "processes.groups = [{ flush_interval = '0s' }]",
                "processes.groups.0.flush_interval",
            ),
            ("processes.groups = [{ pid = 0 }]", "processes.groups.0.pid"),
            (
                "processes.groups = [{ metrics = [] }]",
                "processes.groups.0.metrics",
            ),
            (
                "processes.events.poll_interval = '0s'",
                "processes.events.poll_interval",
            ),
            ("processes.events.metrics = []", "processes.events.metrics"),
        ] {
            let config: Config = toml::from_str(text).unwrap();
            assert_eq!(config.check().unwrap_err().keys(), [key], "{text}");
        }
    }

    #[test]
    fn io_alone_is_enough_to_measure() {
        let config: Config =
            toml::from_str("processes.groups = [{ metrics = [], io = true, ppid = 0 }]").unwrap();
        assert_eq!(config.check(), Ok(()));
    }

    #[test]
    fn the_tables_of_the_original_are_the_default() {
        let text = r#"
            [kernel]
            enabled = true
            poll_interval = "5s"
            [memory]
            enabled = true
            poll_interval = "5s"
            metrics = ["MemTotal", "MemFree", "MemAvailable", "Cached", "SwapCached", "Active", "Inactive", "Mapped"]
            [network]
            enabled = true
            poll_interval = "5s"
            [processes]
            enabled = true
            refresh_interval = "2s"
            strategy = "watcher"
            [[processes.groups]]
            exe_regex = ""
            poll_interval = "2s"
            flush_interval = "4s"
            memory_mode = "quick"
            [processes.events]
            poll_interval = "1s"
            flush_interval = "4s"
            memory_mode = "quick"
        "#;
        assert_eq!(toml::from_str::<Config>(text).unwrap(), Config::default());
        let slow = "processes.groups = [{ memory_mode = 'slow_but_accurate' }]\nprocesses.strategy = 'event'";
        assert!(toml::from_str::<Config>(slow).is_ok());
    }

    #[test]
    fn the_default_file_parses_to_the_default_and_every_key_it_comments_out_is_one() {
        let file = include_str!("../../config.toml");
        assert_eq!(config_of(file), Config::default());
        assert_eq!(Config::default().check(), Ok(()));

        let lines = file.lines().map(|line| line.strip_prefix("#: ").unwrap_or(line));
        let all: String = lines.flat_map(|line| [line, "\n"]).collect();
        let group = &config_of(&all).processes.groups[0];
        assert_eq!((group.pid, group.ppid), (Some(4711), Some(1)));
        assert_eq!(group.cmdline_regex.as_deref(), Some("--worker"));
        assert_eq!(config_of(&all).check(), Ok(()));
    }

    fn config_of(file: &str) -> Config {
        let table: toml::Table = file.parse().unwrap();
        table["plugins"]["procfs"].clone().try_into().unwrap()
    }
}
