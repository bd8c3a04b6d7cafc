//! The command `certs`: certificates with which agents and server know each other, without a tool to learn.

mod text;

use std::fs;
use std::io::Write;
use std::net::Ipv6Addr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use alumet_relay_protocol::{certs, identity};
use anyhow::{Context, Result};
use clap::{ArgMatches, CommandFactory, FromArgMatches, Parser, Subcommand, value_parser};
use x509_parser::pem::parse_x509_pem;

/// Make the certificates with which agents and server know each other
#[derive(Debug, Parser)]
#[command(name = "certs", disable_help_subcommand = true)]
struct Certs {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make an authority and the certificate of the server; without server.pem and server.key, renew only these
    Init {
        /// The folder of the certificates; it is made if it is missing
        #[arg(value_name = "DIR")]
        folder: PathBuf,

        /// A host name or address by which agents reach the server; may be repeated [default: the name of this host,
        /// localhost, 127.0.0.1 and ::1]
        #[arg(long = "name", value_name = "NAME")]
        names: Vec<String>,

        /// Replace what is there; certificates of the old authority are worth nothing afterwards
        #[arg(long)]
        force: bool,
    },
    /// Make the certificate of an agent
    Issue {
        /// The folder in which `certs init` has made the authority
        #[arg(value_name = "DIR")]
        folder: PathBuf,

        /// The name of the node, under which the server knows the agent
        #[arg(value_name = "NODE")]
        node: String,

        /// How many days it is valid
        #[arg(long, value_name = "N", default_value_t = certs::DAYS, value_parser = value_parser!(u32).range(1..=3653))]
        days: u32,

        /// Replace the certificate of that name, which stays valid unless it is revoked before
        #[arg(long)]
        force: bool,
    },
    /// Tell what certificates there are, until when they are valid, and which are revoked
    List {
        /// The folder of the certificates
        #[arg(value_name = "DIR")]
        folder: PathBuf,
    },
    /// Revoke the certificate of an agent, which a server with the list does not take any more
    Revoke {
        /// The folder with the authority and the certificate
        #[arg(value_name = "DIR")]
        folder: PathBuf,

        /// The name of the node
        #[arg(value_name = "NODE")]
        node: String,
    },
}

/// The definition of the command line.
pub(crate) fn command() -> clap::Command {
    Certs::command()
}

/// Makes what the arguments ask for, and tells what to do with it.
pub(crate) fn run(arguments: &ArgMatches, out: &mut dyn Write) -> Result<ExitCode> {
    let text = match Certs::from_arg_matches(arguments)?.command {
        Command::Init { folder, names, force } => {
            let folder = absolute(folder)?;
            let made = certs::init(&folder, &names, force)?;
            text::of_init(&folder, &made)
        }
        Command::Issue {
            folder,
            node,
            days,
            force,
        } => {
            let folder = absolute(folder)?;
            let made = certs::issue(&folder, &node, Some(days), force)?;
            text::of_issue(&folder, &node, server_of(&folder).as_deref(), &made)
        }
        Command::List { folder } => text::of_list(&certs::list(&folder)?),
        Command::Revoke { folder, node } => {
            let list = certs::revoke(&absolute(folder)?, &node)?;
            text::of_revoke(&node, &list)
        }
    };
    out.write_all(text.as_bytes())?;
    Ok(ExitCode::SUCCESS)
}

/// The first name of the server whose certificate is in the folder, as an address has it.
fn server_of(folder: &Path) -> Option<String> {
    let pem = fs::read(folder.join("server.pem")).ok()?;
    let (_, certificate) = parse_x509_pem(&pem).ok()?;
    let name = identity::node_of(&certificate.contents)?;
    Some(match name.parse::<Ipv6Addr>() {
        Ok(address) => format!("[{address}]"),
        Err(_) => name,
    })
}

/// The path with which a program finds the files wherever it is started.
fn absolute(path: PathBuf) -> Result<PathBuf> {
    std::path::absolute(&path).with_context(|| format!("{} has no absolute path", path.display()))
}
