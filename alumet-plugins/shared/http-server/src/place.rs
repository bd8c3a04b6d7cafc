use std::io;
use std::net::{TcpListener, ToSocketAddrs};

use alumet_core::plugin::Finding;

/// How many may wait to be accepted: all clients connect at once when a server is back. The system lets those beyond it try
/// again after a second.
const BACKLOG: i32 = 4096;

/// Listens on the first address of a place that can be used. Clients wait until they are accepted.
///
/// # Errors
/// That of the system; [`remedy`] says what to do about it.
pub fn listen(place: impl ToSocketAddrs) -> io::Result<TcpListener> {
    let listener = TcpListener::bind(place)?;
    listener.set_nonblocking(true)?;
    rustix::net::listen(&listener, BACKLOG)?;
    Ok(listener)
}

/// What to do about a place at which nobody can listen. `keys` are those that name it: `` `address` ``.
pub fn remedy(error: &io::Error, keys: &str) -> String {
    match error.kind() {
        io::ErrorKind::AddrInUse => {
            format!("stop the program that listens there, or choose another port in {keys}")
        }
        io::ErrorKind::PermissionDenied => format!("choose a port above 1023 in {keys}"),
        _ => format!(
            "write a name or an address of this machine into {keys}; 0.0.0.0 or [::] is every address of it"
        ),
    }
}

/// Whether somebody could listen at a place, which `subject` names.
pub fn try_listen(subject: String, place: impl ToSocketAddrs, keys: &str) -> Finding {
    match listen(place) {
        Ok(_) => Finding::works(subject, "it is free"),
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => Finding::limited(
            subject,
            "somebody listens there already",
            format!(
                "nothing, if it is this program; otherwise {}",
                remedy(&error, keys)
            ),
        ),
        Err(error) => Finding::broken(subject, error.to_string(), remedy(&error, keys)),
    }
}
