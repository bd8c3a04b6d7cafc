//! The measurement agent.
