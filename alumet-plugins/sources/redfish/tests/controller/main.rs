//! What the plugin makes of management controllers. Their answers are our own, in the shapes that the published schemas have.

#![expect(clippy::unwrap_used, reason = "a helper of a test fails the test")]

mod rig;
mod sessions;
mod shapes;
mod tls;
mod trouble;
