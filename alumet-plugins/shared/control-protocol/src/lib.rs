//! The language in which a running agent is steered.
//!
//! One command per line goes in, one reply per command comes out: as lines for people, or as one JSON object per line.
//! [`GRAMMAR`] lists the commands.
//!
//! ```
//! use alumet_shared_control_protocol::{Format, Line, Reply, Request};
//!
//! let line = Line::parse("json pause sources/procfs/*");
//! assert_eq!(line.format, Some(Format::Json));
//! assert_eq!(line.request, Ok(Request::Pause("sources/procfs".parse()?)));
//!
//! let reply = Reply::Message("pong".to_owned());
//! assert_eq!(reply.to_text(), "  pong\nok\n");
//! assert_eq!(reply.to_json(), "{\"ok\":true,\"message\":\"pong\"}\n");
//! # Ok::<(), alumet_core::pipeline::PatternError>(())
//! ```

mod element;
mod error;
mod line;
mod reply;
mod request;
mod status;
mod table;
mod words;

pub use error::CommandError;
pub use line::Line;
pub use reply::Reply;
pub use request::{Format, GRAMMAR, Request};
pub use table::Table;

/// The most bytes that a line of commands may have, its end not counted.
pub const LINE_LIMIT: usize = 64 * 1024;
