//! Runs a program for its output, and not for longer than it may take.

use std::io::{self, Read};
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::eventfd::EventFd;
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

/// Why there is no output.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ProgramError {
    #[error("it cannot be started ({0})")]
    Start(io::Error),
    #[error("it took longer than {0:?}")]
    Slow(Duration),
    #[error("it was interrupted")]
    Stopped,
    #[error("it ended with {status}: {said}")]
    Failed { status: ExitStatus, said: String },
    #[error("its output could not be read ({0})")]
    Read(#[from] io::Error),
    #[error("its output is larger than 64 MiB")]
    Long,
}

const LONGEST: usize = 64 << 20;

/// How much is repeated of what a program says when it fails, in bytes.
const SAID: usize = 500;

/// Kills the program, and those that it has started, with the value.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        if let Ok(group) = i32::try_from(self.0.id()) {
            // Nobody is there any more when all have ended.
            let _ = killpg(Pid::from_raw(group), Signal::SIGKILL);
        }
        let _ = self.0.wait();
    }
}

/// The output of a program that ends well within `timeout`; it is killed when `stop` is written.
pub(super) fn run(command: &[String], timeout: Duration, stop: &EventFd) -> Result<Vec<u8>, ProgramError> {
    let deadline = Instant::now() + timeout;
    let (program, arguments) = command
        .split_first()
        .ok_or(ProgramError::Start(io::ErrorKind::InvalidInput.into()))?;
    let mut command = Command::new(program);
    command.args(arguments).process_group(0).stdin(Stdio::null());
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut running = Running(command.spawn().map_err(ProgramError::Start)?);
    let (mut output, mut said) = (running.0.stdout.take(), running.0.stderr.take());
    let (mut output_bytes, mut said_bytes) = (Vec::new(), Vec::new());
    let status = loop {
        // Both are read to their ends, so that the program never waits for us.
        let mut fds = vec![PollFd::new(stop.as_fd(), PollFlags::POLLIN)];
        fds.extend(
            output
                .iter()
                .map(|pipe| PollFd::new(pipe.as_fd(), PollFlags::POLLIN)),
        );
        fds.extend(
            said.iter()
                .map(|pipe| PollFd::new(pipe.as_fd(), PollFlags::POLLIN)),
        );
        let has_ended = fds.len() == 1;
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(ProgramError::Slow(timeout));
        }
        // A program can close its output before it ends; nothing tells when that is.
        let wait = if has_ended {
            left.min(Duration::from_millis(5))
        } else {
            left
        };
        let wait = PollTimeout::try_from(wait.max(Duration::from_millis(1))).unwrap_or(PollTimeout::MAX);
        match poll(&mut fds, wait) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(error) => return Err(ProgramError::Read(error.into())),
        }
        let is_ready = |fd: &PollFd<'_>| fd.any().unwrap_or_default();
        let mut ready = fds.iter().map(is_ready);
        if ready.next().unwrap_or_default() {
            return Err(ProgramError::Stopped);
        }
        let output_is_ready = output.is_some() && ready.next().unwrap_or_default();
        let said_is_ready = said.is_some() && ready.next().unwrap_or_default();
        if output_is_ready {
            take(&mut output, &mut output_bytes)?;
        }
        if said_is_ready {
            take(&mut said, &mut said_bytes)?;
            said_bytes.truncate(SAID);
        }
        if output_bytes.len() > LONGEST {
            return Err(ProgramError::Long);
        }
        if has_ended && let Some(status) = running.0.try_wait()? {
            break status;
        }
    };
    if status.success() {
        return Ok(output_bytes);
    }
    let said = String::from_utf8_lossy(&said_bytes).trim().to_owned();
    Err(ProgramError::Failed { status, said })
}

/// Reads what is there; the pipe is gone when that is its end.
fn take(pipe: &mut Option<impl Read>, into: &mut Vec<u8>) -> io::Result<()> {
    let mut bytes = [0; 16384];
    let Some(open) = pipe else { return Ok(()) };
    match open.read(&mut bytes) {
        Ok(0) => *pipe = None,
        Ok(length) => into.extend_from_slice(bytes.get(..length).unwrap_or_default()),
        Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
        Err(error) => return Err(error),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn sh(script: &str, timeout: Duration) -> Result<String, String> {
        let command = ["sh", "-c", script].map(str::to_owned);
        let output = run(&command, timeout, &EventFd::new().unwrap());
        let text = output.map(|output| String::from_utf8(output).unwrap());
        text.map_err(|error| error.to_string())
    }

    const LONG: Duration = Duration::from_secs(60);

    #[test]
    fn what_a_program_prints_comes_whole_however_much_it_says_beside() {
        let script =
            "i=0; while [ $i -lt 20000 ]; do echo 0123456789; echo something else >&2; i=$((i+1)); done";
        assert_eq!(sh(script, LONG).unwrap().len(), 220_000);
        assert_eq!(sh("echo a; exec >&- 2>&-; sleep 0.1", LONG).unwrap(), "a\n");
    }

    #[test]
    fn a_program_that_fails_is_quoted() {
        assert_eq!(
            sh("echo nobody is there >&2; exit 3", LONG).unwrap_err(),
            "it ended with exit status: 3: nobody is there"
        );
        let missing = ["/nonexistent/squeue".to_owned()];
        let error = run(&missing, LONG, &EventFd::new().unwrap()).unwrap_err();
        assert!(error.to_string().starts_with("it cannot be started"), "{error}");
    }

    #[test]
    fn a_program_that_hangs_is_killed_with_all_that_it_has_started() {
        let folder = tempfile::tempdir().unwrap();
        let note = folder.path().join("pid");
        let script = format!("sleep 1000 & echo $! > '{}'; wait", note.display());
        let start = Instant::now();
        assert_eq!(
            sh(&script, Duration::from_millis(300)).unwrap_err(),
            "it took longer than 300ms"
        );
        assert!(start.elapsed() < Duration::from_secs(20));
        let pid = std::fs::read_to_string(note).unwrap();
        let is_alive = || {
            let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.trim()));
            stat.is_ok_and(|stat| !stat.contains(") Z "))
        };
        while is_alive() && start.elapsed() < Duration::from_secs(20) {
            std::thread::sleep(Duration::from_millis(5));
        }
        assert!(!is_alive());
    }

    #[test]
    fn a_program_is_given_up_when_nobody_waits_any_more() {
        let stop = Arc::new(EventFd::new().unwrap());
        let other = Arc::clone(&stop);
        let thread =
            std::thread::spawn(move || run(&["sleep", "1000"].map(str::to_owned), LONG * 60, &other));
        std::thread::sleep(Duration::from_millis(50));
        stop.write(1).unwrap();
        assert!(matches!(thread.join().unwrap(), Err(ProgramError::Stopped)));
    }
}
