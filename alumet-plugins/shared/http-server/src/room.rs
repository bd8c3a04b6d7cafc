use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// How many connections there are at most, of so many that are wanted by the key `max_connections`: the program is allowed more open
/// files if the system lets it. Everything else in the program needs files, too: a quarter of those that the system allows is not
/// given to clients.
pub fn most_connections(wanted: usize) -> usize {
    let needed = u64::try_from(wanted)
        .unwrap_or(u64::MAX)
        .saturating_mul(4)
        .div_ceil(3);
    let mut limit = getrlimit(Resource::Nofile);
    if limit.current.is_some_and(|files| files < needed) {
        let more = limit.maximum.map_or(needed, |hard| hard.min(needed));
        let raised = Rlimit {
            current: Some(more),
            ..limit
        };
        if setrlimit(Resource::Nofile, raised).is_ok() {
            limit = raised;
        }
    }
    let Some(files) = limit.current.filter(|files| *files < needed) else {
        return wanted;
    };
    let most = files / 4 * 3;
    tracing::warn!(
        open_files = files,
        needed,
        connections = most,
        "the system allows less open files than `max_connections` needs, so fewer can connect; allow as many as are needed, \
         with LimitNOFILE= in the service, or lower `max_connections`"
    );
    usize::try_from(most).unwrap_or(wanted)
}
