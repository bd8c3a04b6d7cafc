//! What this user may not read.

use alumet_core::plugin::Finding;
use alumet_reader_kernel_file::ReadError;

/// Says which files could not be read for want of a right, if there are such, and how to mend it.
pub fn refused_files(subject: &str, results: impl Iterator<Item = Result<(), ReadError>>) -> Option<Finding> {
    let mut refused = results.filter_map(|result| match result {
        Err(ReadError::PermissionDenied { path, .. }) => Some(path),
        _ => None,
    });
    let first = refused.next()?;
    let first = first.display();
    let detail = match refused.count() {
        0 => format!("{first} may not be read"),
        more => format!("{first} and {more} more may not be read"),
    };
    let remedy = format!(
        "grant CAP_DAC_READ_SEARCH: `sudo setcap cap_dac_read_search=ep $(command -v alumet-agent)`, or this file to all: \
         `sudo chmod a+r {first}`"
    );
    Some(Finding::limited(subject, detail, remedy))
}
