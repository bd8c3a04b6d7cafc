//! Which processes are measured and what they are billed, on trees that the tests write.

#![expect(clippy::unwrap_used, reason = "the functions that tests share are tests, too")]

mod announced;
mod billing;
mod groups;
mod machine;
