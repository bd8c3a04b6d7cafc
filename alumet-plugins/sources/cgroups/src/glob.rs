//! Patterns of paths: `/system.slice/**`.

/// Selects paths of control groups.
///
/// `*` stands for any characters but `/`, `?` for one of them, `**` as a whole component for any number of components,
/// none included. Everything else stands for itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Glob {
    components: Vec<String>,
}

impl Glob {
    /// # Errors
    /// What is wrong.
    pub(crate) fn parse(pattern: &str) -> Result<Self, &'static str> {
        let Some(rest) = pattern.strip_prefix('/') else {
            return Err("it does not begin with `/`");
        };
        let components: Vec<String> = rest
            .split('/')
            .filter(|one| !one.is_empty())
            .map(str::to_owned)
            .collect();
        if components.iter().any(|one| one != "**" && one.contains("**")) {
            return Err("`**` must be a whole component");
        }
        Ok(Self { components })
    }

    pub(crate) fn matches(&self, path: &str) -> bool {
        let components: Vec<&str> = path.split('/').filter(|one| !one.is_empty()).collect();
        wildcard(
            &self.components,
            &components,
            |pattern| pattern == "**",
            |pattern, component| {
                let pattern: Vec<char> = pattern.chars().collect();
                let component: Vec<char> = component.chars().collect();
                wildcard(
                    &pattern,
                    &component,
                    |one| *one == '*',
                    |one, char| *one == '?' || one == char,
                )
            },
        )
    }
}

/// Whether `items` match `pattern`, in which the elements that `is_star` names stand for any number of items.
///
/// Of several stars only the last one needs to be tried again, so that the time is at most the product of the lengths.
fn wildcard<P, I>(
    pattern: &[P],
    items: &[I],
    is_star: impl Fn(&P) -> bool,
    is_match: impl Fn(&P, &I) -> bool,
) -> bool {
    let (mut at, mut item) = (0, 0);
    // Behind the last star, and the first item that it does not stand for.
    let mut retry: Option<(usize, usize)> = None;
    while item < items.len() {
        match pattern.get(at) {
            Some(star) if is_star(star) => {
                at += 1;
                retry = Some((at, item));
            }
            Some(one) if is_match(one, &items[item]) => {
                at += 1;
                item += 1;
            }
            _ => match &mut retry {
                Some((behind, until)) => {
                    *until += 1;
                    (at, item) = (*behind, *until);
                }
                None => return false,
            },
        }
    }
    pattern[at..].iter().all(is_star)
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
            ("/*", vec!["/a", "/b c"], vec!["/", "/a/b"]),
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
        ] {
            let glob = Glob::parse(pattern).unwrap();
            assert!(matching.iter().all(|path| glob.matches(path)), "{pattern}");
            assert!(!others.iter().any(|path| glob.matches(path)), "{pattern}");
        }
    }

    proptest! {
        #[test]
        fn a_path_matches_itself_and_what_has_all_its_components(path in "(/[a-c]{1,3}){0,4}", below in "(/[a-c]{1,3}){0,4}") {
            let glob = Glob::parse(&format!("/{path}")).unwrap();
            prop_assert!(glob.matches(&path));
            let glob = Glob::parse(&format!("/{path}/**")).unwrap();
            let whole = format!("{path}{below}");
            prop_assert!(glob.matches(&whole));
        }

        #[test]
        fn many_stars_take_little_time(stars in 1_usize..200) {
            let glob = Glob::parse(&format!("/{}b", "*a".repeat(stars))).unwrap();
            let path = format!("/{}", "a".repeat(2000));
            prop_assert!(!glob.matches(&path));
        }
    }
}
