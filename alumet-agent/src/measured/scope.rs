//! A scope of systemd: where somebody who may not divide the control group of his session can make groups.
//!
//! Interface: org.freedesktop.systemd1(5), `StartTransientUnit`; systemd.scope(5).

use std::sync::Once;
use std::time::Duration;

use alumet_reader_cgroupfs::CgroupPath;
use anyhow::{Context, bail, ensure};
use tokio::runtime::Builder;
use tokio_stream::StreamExt;
use zbus::message::Type;
use zbus::{Connection, MatchRule, MessageStream, OwnedObjectPath, Variant};

const SERVICE: &str = "org.freedesktop.systemd1";
const OBJECT: &str = "/org/freedesktop/systemd1";
const INTERFACE: &str = "org.freedesktop.systemd1.Manager";

/// How many characters of a command are shown.
const SHOWN: usize = 200;

/// How long the program may wait for it.
const PATIENCE: Duration = Duration::from_millis(500);

/// Moves this process out of `group`, the control group of a session, into a scope of the user's systemd, which ends with its
/// last process. It is asked for once in the life of this process.
///
/// # Errors
/// When `group` is none of a session, and when there is no systemd or it does not do it in time.
pub(super) fn enter(group: &CgroupPath, command: &str) -> anyhow::Result<()> {
    static ASKED: Once = Once::new();
    let user = format!("/user-{}.slice", rustix::process::getuid().as_raw());
    // Nobody gets out of a service, a container or the job of a batch system, whose limits and accounts that would evade.
    ensure!(
        group
            .parent()
            .is_some_and(|parent| parent.as_bytes().ends_with(user.as_bytes())),
        "{group} is no session of this user"
    );
    let mut answer = Err(anyhow::anyhow!("systemd was asked before"));
    ASKED.call_once(|| answer = ask_in_time(command));
    answer.context("there is no scope of systemd")
}

fn ask_in_time(command: &str) -> anyhow::Result<()> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let answer = runtime.block_on(async { tokio::time::timeout(PATIENCE, ask(command)).await });
    answer.with_context(|| format!("systemd has not answered within {} ms", PATIENCE.as_millis()))?
}

async fn ask(command: &str) -> anyhow::Result<()> {
    let bus = Connection::session().await?;
    let removals = MatchRule::builder()
        .msg_type(Type::Signal)
        .path(OBJECT)
        .interface(INTERFACE)
        .member("JobRemoved")
        .build()?;
    let mut removals = MessageStream::for_match_rule(removals, &bus, None).await?;
    let words = command.split_whitespace().collect::<Vec<_>>().join(" ");
    let words: String = words.chars().filter(|c| !c.is_control()).take(SHOWN).collect();
    let properties = [
        ("Description", Variant::from(format!("alumet-agent exec {words}"))),
        // That of whoever asks, in the PID namespace of systemd.
        ("PIDs", Variant::from(vec![0_u32])),
        ("Delegate", Variant::from(true)),
        ("CollectMode", Variant::from("inactive-or-failed")),
    ];
    let others: [(&str, Vec<(&str, Variant<'_>)>); 0] = [];
    let name = format!("alumet-agent-{}.scope", std::process::id());
    let arguments = (name, "fail", &properties[..], &others[..]);
    let call = bus.call_method(
        Some(SERVICE),
        OBJECT,
        Some(INTERFACE),
        "StartTransientUnit",
        &arguments,
    );
    let job: OwnedObjectPath = call.await?.body().deserialize()?;
    while let Some(removal) = removals.next().await {
        let removal = removal?;
        let (_, removed, _, result): (u32, OwnedObjectPath, String, String) = removal.body().deserialize()?;
        if removed == job {
            ensure!(result == "done", "its start has ended with `{result}`");
            return Ok(());
        }
    }
    bail!("the bus has ended the connection")
}
