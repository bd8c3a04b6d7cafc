//! The known name that an unknown one was probably meant to be.

/// The candidate that is nearest to `name`, if it is near enough to be a typing error.
///
/// Near is a Damerau-Levenshtein distance of at most a third of the longer name; separators and case do not count,
/// so that `pollInterval` finds `poll_interval`. Of equally near names the first wins.
pub(crate) fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let plain = |text: &str| -> String {
        text.chars()
            .filter(|c| !matches!(c, '_' | '-' | ' '))
            .flat_map(char::to_lowercase)
            .take(128)
            .collect()
    };
    let name = plain(name);
    candidates
        .into_iter()
        .filter_map(|candidate| {
            let other = plain(candidate);
            let allowed = (name.chars().count().max(other.chars().count()) / 3).max(1);
            let distance = strsim::damerau_levenshtein(&name, &other);
            (distance <= allowed && distance < other.chars().count()).then_some((distance, candidate))
        })
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::nearest;

    const KEYS: [&str; 3] = ["flush_interval", "poll_interval", "no_perf_events"];

    #[test]
    fn a_typing_error_finds_its_key() {
        assert_eq!(nearest("pol_interval", KEYS), Some("poll_interval"));
        assert_eq!(nearest("pollInterval", KEYS), Some("poll_interval"));
        assert_eq!(nearest("flush-interval", KEYS), Some("flush_interval"));
        assert_eq!(nearest("rpal", ["csv", "rapl"]), Some("rapl"));
    }

    #[test]
    fn a_stranger_finds_nothing() {
        assert_eq!(nearest("colour", KEYS), None);
        assert_eq!(nearest("x", ["a", "b"]), None);
        assert_eq!(nearest("", KEYS), None);
    }
}
