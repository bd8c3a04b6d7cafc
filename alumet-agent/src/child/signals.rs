//! Signals that come to the agent and are meant for the program.
#![expect(unsafe_code, reason = "nix knows no real-time signals")]

use nix::libc;
use nix::sys::signal::Signal;

use super::Running;

/// The signals that are passed to a program besides those that ask the agent to end: all that would end it or stop it
/// without a fault of its own, or that tell it something. What a terminal stops for its input and output (`TTIN`, `TTOU`)
/// it stops as a group.
pub(crate) fn passed_on() -> impl Iterator<Item = i32> {
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
