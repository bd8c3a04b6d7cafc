//! Signals that come to the agent and are meant for the program.
#![expect(unsafe_code, reason = "nix knows no real-time signals")]

use std::future::poll_fn;
use std::io;
use std::task::Poll;

use anyhow::Context;
use nix::libc;
use nix::sys::signal::Signal;
use tokio::signal::unix::{self, SignalKind, signal};

use super::Running;
use crate::exit::Failed;

/// The signals that are passed to a program besides those that ask the agent to end: all that would end it or stop it
/// without a fault of its own, or that tell it something. What a terminal stops for its input and output (`TTIN`, `TTOU`)
/// it stops as a group.
pub(super) fn passed_on() -> impl Iterator<Item = i32> {
    let named = [
        libc::SIGQUIT,
        libc::SIGUSR1,
        libc::SIGUSR2,
        libc::SIGALRM,
        libc::SIGSTKFLT,
        libc::SIGCONT,
        libc::SIGTSTP,
        libc::SIGXCPU,
        libc::SIGVTALRM,
        libc::SIGPROF,
        libc::SIGWINCH,
        libc::SIGIO,
        libc::SIGPWR,
    ];
    named.into_iter().chain(libc::SIGRTMIN()..=libc::SIGRTMAX())
}

/// Receives the signals that are meant for the program.
pub(crate) struct PassedOn(Vec<(i32, unix::Signal)>);

impl PassedOn {
    /// Receives them from now on, so that none ends the agent.
    pub(crate) fn listen() -> Result<Self, Failed> {
        let listen = |number| Ok((number, signal(SignalKind::from_raw(number))?));
        let signals = passed_on().map(listen).collect::<io::Result<_>>();
        Ok(Self(signals.context("signals cannot be received")?))
    }

    /// The next one.
    pub(crate) async fn next(&mut self) -> i32 {
        poll_fn(|context| {
            let mut signals = self.0.iter_mut();
            let came =
                signals.find_map(|(number, signal)| signal.poll_recv(context).is_ready().then_some(*number));
            came.map_or(Poll::Pending, Poll::Ready)
        })
        .await
    }
}

/// Tells when children have ended, one or several.
pub(crate) fn ends_of_children() -> Result<unix::Signal, Failed> {
    Ok(signal(SignalKind::child()).context("signals cannot be received")?)
}

/// Whether the agent, and with it the program, is the group at whose keys the terminal listens.
fn terminal_reaches_program() -> bool {
    std::fs::File::open("/dev/tty").is_ok_and(|terminal| {
        rustix::termios::tcgetpgrp(&terminal).is_ok_and(|group| group == rustix::process::getpgrp())
    })
}

impl Running {
    /// Passes a signal on that came to the agent.
    pub(crate) fn pass_on(&self, number: i32) {
        // What is typed at a terminal, and its size, reach the program as well; it decides what that means.
        let of_terminal = [
            libc::SIGINT,
            libc::SIGQUIT,
            libc::SIGTSTP,
            libc::SIGCONT,
            libc::SIGWINCH,
        ];
        if of_terminal.contains(&number) && terminal_reaches_program() {
            if number == libc::SIGTSTP {
                // The shell shall see both stopped.
                // SAFETY: a plain system call without pointers.
                unsafe { libc::raise(libc::SIGSTOP) };
            }
            return;
        }
        let signal =
            Signal::try_from(number).map_or_else(|_| number.to_string(), |signal| signal.to_string());
        tracing::info!(signal, "the signal is passed to the program");
        // The program may have ended in the meantime; until it is reaped, nobody else has its number.
        // SAFETY: a plain system call without pointers.
        unsafe { libc::kill(self.watched.pid.cast_signed(), number) };
    }
}
