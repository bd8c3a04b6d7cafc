//! Which control groups the configuration selects.

use alumet_core::Attributes;
use alumet_core::plugin::Faults;
use alumet_reader_cgroupfs::CgroupPath;
use alumet_shared_cgroup_source::{Resolution, Resolver};
use regex::Regex;

use crate::config::Config;

/// Selects control groups by path and depth.
#[derive(Debug, Clone)]
pub(crate) struct PathFilter {
    include: Vec<Regex>,
    exclude: Vec<Regex>,
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
        let text = cgroup.to_string();
        let matches = |pattern: &Regex| pattern.is_match(&text);
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

fn globs(key: &str, patterns: &[String], faults: &mut Faults) -> Vec<Regex> {
    let parse = |(index, pattern): (usize, &String)| {
        let refused = |why: String| {
            let message = format!("{pattern:?} is no pattern: {why}; write for example \"/system.slice/**\"");
            faults.add(&format!("{key}.{index}"), message);
        };
        glob(pattern).map_err(refused).ok()
    };
    patterns.iter().enumerate().filter_map(parse).collect()
}

/// A pattern of paths as a regular expression. `*` stands for any characters but `/`, `?` for one of them, `**` as a whole
/// component for any number of components, none included; everything else stands for itself.
fn glob(pattern: &str) -> Result<Regex, String> {
    let Some(rest) = pattern.strip_prefix('/') else {
        return Err("it does not begin with `/`".to_owned());
    };
    let mut regex = "(?s)^".to_owned();
    for component in rest.split('/').filter(|one| !one.is_empty()) {
        if let Some(any) = match component {
            "**" => Some("(/[^/]+)*"),
            "*" => Some("/[^/]+"),
            _ => None,
        } {
            regex.push_str(any);
            continue;
        }
        if component.contains("**") {
            return Err("`**` must be a whole component".to_owned());
        }
        regex.push('/');
        // Escaped, a star and a question mark have a backslash in front.
        let escaped = regex::escape(component);
        regex.push_str(&escaped.replace("\\*", "[^/]*").replace("\\?", "[^/]"));
    }
    // Only the root ends with a slash.
    regex.push_str(if regex == "(?s)^" { "/$" } else { "/?$" });
    Regex::new(&regex).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_grammar_is_what_the_manual_says() {
        for (pattern, matching, others) in [
            ("/", vec!["/"], vec!["/a"]),
            ("/a", vec!["/a"], vec!["/", "/a/b", "/ab"]),
            ("/*", vec!["/a", "/b c", "/a\nb"], vec!["/", "/a/b"]),
            ("/a/**", vec!["/a", "/a/b", "/a/b/c"], vec!["/", "/b/a"]),
            ("/**", vec!["/", "/a", "/a/b"], vec![]),
            (
                "/**/job_*/step_?",
                vec!["/job_1/step_0", "/x/y/job_/step_é"],
                vec!["/job_1", "/job_1/step_10"],
            ),
            (
                "/a/**/b/**/c",
                vec!["/a/b/c", "/a/b/x/b/y/c"],
                vec!["/a/c", "/a/b/c/d"],
            ),
            ("/[x]", vec!["/[x]"], vec!["/x"]),
            ("/a\\x2d*", vec!["/a\\x2d", "/a\\x2db"], vec!["/a-", "/a-b"]),
        ] {
            let glob = glob(pattern).unwrap();
            assert!(matching.iter().all(|path| glob.is_match(path)), "{pattern}");
            assert!(!others.iter().any(|path| glob.is_match(path)), "{pattern}");
        }
    }

    proptest! {
        #[test]
        fn a_path_matches_itself_and_what_has_all_its_components(path in "(/[a-c.+$^|()-]{1,3}){1,4}", below in "(/[a-c]{1,3}){0,4}") {
            prop_assert!(glob(&path).unwrap().is_match(&path));
            let whole = format!("{path}{below}");
            let pattern = format!("{path}/**");
            prop_assert!(glob(&pattern).unwrap().is_match(&whole));
        }
    }

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
