//! Names of metrics.

use std::borrow::Cow;

/// The name of the metric that a file calls `name`: what is no letter, digit or `_` becomes `_`, and a digit does not begin it.
pub(crate) fn metric_name(name: &str) -> Cow<'_, str> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let begins_well = !name.starts_with(|c: char| c.is_ascii_digit());
    if begins_well && name.chars().all(is_plain) {
        return name.into();
    }
    let plain = name.chars().map(|c| if is_plain(c) { c } else { '_' });
    let front = (!begins_well).then_some('_');
    Cow::Owned(front.into_iter().chain(plain).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stay_unless_no_metric_can_have_them() {
        for (name, expected) in [
            ("DCGM_FI_DEV_GPU_UTIL", "DCGM_FI_DEV_GPU_UTIL"),
            ("memory used [MiB]", "memory_used__MiB_"),
            ("5min", "_5min"),
        ] {
            assert_eq!(metric_name(name), expected);
        }
    }
}
