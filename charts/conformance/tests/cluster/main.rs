//! Both charts on a real API server: installed, upgraded, rolled back and removed; and what they configure at work, as
//! processes of this machine with the configuration and the environment that the API server has.

#![expect(clippy::unwrap_used, reason = "helpers fail the test like the test itself")]

mod alumet;
mod pipeline;
mod pod;
mod release;
mod workload;
