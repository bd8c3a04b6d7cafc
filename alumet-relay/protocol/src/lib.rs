//! What agents and servers say to each other, and how they trust each other.
