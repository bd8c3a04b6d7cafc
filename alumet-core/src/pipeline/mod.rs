//! The engine (placeholder while it is written).
/// x
pub struct EventSink;
/// x
pub struct Control;
