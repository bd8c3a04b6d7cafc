//! What the source makes of the machines that the tests build.

#![expect(clippy::print_stdout, reason = "says what is left out")]
#![expect(clippy::unwrap_used, reason = "a helper of a test fails the test")]

mod interfaces;
mod intervals;
mod machine;
mod msr;
mod perf;
mod powercap;
