//! The application around the core: configuration, command line, logging, signals, health, and the commands.
//!
//! It contains no plugin. A binary gives it a list of plugins and calls [`App::main`]:
//!
//! ```no_run
//! use std::process::ExitCode;
//!
//! use alumet_agent::App;
//!
//! fn main() -> ExitCode {
//!     App::new("my-agent", "1.0.0", "Measures my machine.")
//!         // .plugin::<MyPlugin>()
//!         .main()
//! }
//! ```

mod app;
mod child;
mod cli;
mod commands;
mod compare;
pub mod config;
mod default_text;
mod exit;
mod extra_command;
mod health;
#[cfg(target_env = "gnu")]
mod heap;
mod known_plugins;
mod live_line;
mod logging;
mod measured;
mod outcome;
mod reload;
mod service_manager;
mod session;
mod settings;
mod setup;
mod signals;
mod summary;
#[cfg_attr(not(feature = "telemetry"), path = "telemetry/left_out.rs")]
mod telemetry;
mod terminal;
mod wide;

pub use app::{App, Lookup, PowerOf, Shortcut};
pub use extra_command::ExtraCommand;
