//! Which control groups the configuration selects.

use alumet_core::Attributes;
use alumet_core::plugin::Faults;
use alumet_reader_cgroupfs::CgroupPath;
use alumet_shared_cgroup_source::{Resolution, Resolver};

use crate::config::Config;
use crate::glob::Glob;

/// Selects control groups by path and depth.
#[derive(Debug, Clone)]
pub(crate) struct PathFilter {
    include: Vec<Glob>,
    exclude: Vec<Glob>,
    max_depth: usize,
}

impl PathFilter {
    /// The filter that a configuration describes.
    ///
    /// # Errors
    /// The patterns that are none.
    pub(crate) fn of(config: &Config) -> Result<Self, Faults> {
        let mut faults = Faults::default();
        let include = globs("include", &config.include, &mut faults);
        let exclude = globs("exclude", &config.exclude, &mut faults);
        faults.or_ok()?;
        Ok(Self {
            include,
            exclude,
            max_depth: config.max_depth.unwrap_or(usize::MAX),
        })
    }

    fn selects(&self, cgroup: &CgroupPath) -> bool {
        let text = cgroup.text();
        let matches = |glob: &Glob| glob.matches(&text);
        cgroup.depth() <= self.max_depth
            && (self.include.is_empty() || self.include.iter().any(matches))
            && !self.exclude.iter().any(matches)
    }
}

impl Resolver for PathFilter {
    fn resolve(&mut self, cgroup: &CgroupPath) -> Resolution {
        if self.selects(cgroup) {
            let attributes = Attributes::EMPTY;
            return Resolution::Measure { attributes };
        }
        Resolution::Ignore
    }
}

fn globs(key: &str, patterns: &[String], faults: &mut Faults) -> Vec<Glob> {
    let parse = |(index, pattern): (usize, &String)| {
        let refused = |why| {
            let message = format!("{pattern:?} is no pattern: {why}; write for example \"/system.slice/**\"");
            faults.add(&format!("{key}.{index}"), message);
        };
        Glob::parse(pattern).map_err(refused).ok()
    };
    patterns.iter().enumerate().filter_map(parse).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exclusion_wins_over_inclusion_and_depth_bounds_both() {
        let config: Config =
            toml::from_str("include = ['/a/**']\nexclude = ['/a/b/**']\nmax_depth = 2").unwrap();
        let filter = PathFilter::of(&config).unwrap();
        let selected = |path: &str| filter.selects(&path.parse().unwrap());
        assert!(selected("/a") && selected("/a/c"));
        assert!(!selected("/") && !selected("/a/b") && !selected("/a/c/d") && !selected("/x"));
    }
}
