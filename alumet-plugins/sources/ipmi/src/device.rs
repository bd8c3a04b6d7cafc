//! The device of a management controller, as the kernel gives it.
//!
//! Format: `include/uapi/linux/ipmi.h` and `Documentation/driver-api/ipmi.rst`.
#![expect(
    unsafe_code,
    reason = "the driver is asked by ioctl, with pointers to buffers"
)]

use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::libc::{c_int, c_long, c_short, c_uint};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::dcmi::{ANSWER, COMMAND, NETWORK_FUNCTION, PowerReading, REQUEST, decode};
use crate::error::IpmiError;

/// How long an answer is waited for.
const PATIENCE: Duration = Duration::from_secs(2);

/// The controller itself, as an address.
const SYSTEM_INTERFACE: c_int = 0x0c;
const BMC_CHANNEL: c_short = 0xf;

/// What is received is the answer to a command.
const RESPONSE: c_int = 1;

/// `struct ipmi_system_interface_addr`.
#[repr(C)]
#[derive(Default)]
struct Address {
    kind: c_int,
    channel: c_short,
    lun: u8,
}

/// `struct ipmi_msg`.
#[repr(C)]
struct Message {
    network_function: u8,
    command: u8,
    length: u16,
    data: *mut u8,
}

/// `struct ipmi_req`.
#[repr(C)]
struct Request {
    address: *mut Address,
    address_length: c_uint,
    id: c_long,
    message: Message,
}

/// `struct ipmi_recv`.
#[repr(C)]
struct Received {
    kind: c_int,
    address: *mut [u8; 40],
    address_length: c_uint,
    id: c_long,
    message: Message,
}

nix::ioctl_read!(send_command, b'i', 13, Request);
nix::ioctl_readwrite!(receive_truncated, b'i', 11, Received);

/// A management controller.
#[derive(Debug)]
pub(crate) struct Device {
    path: PathBuf,
    /// Missing before the first question, and after one that was not answered: the kernel forgets that one then.
    file: Option<File>,
    questions: c_long,
}

impl Device {
    /// The controller with the device at `path`.
    pub(crate) fn at(path: &Path) -> Self {
        Self {
            path: path.to_path_buf(),
            file: None,
            questions: 0,
        }
    }

    /// The power now. Waits for the answer, but not for long.
    ///
    /// # Errors
    /// When the device cannot be used, or the controller does not answer, refuses, or measures no power.
    pub(crate) fn read(&mut self) -> Result<PowerReading, IpmiError> {
        self.questions += 1;
        let id = self.questions;
        let file = match self.file.take() {
            Some(file) => file,
            None => self.open()?,
        };
        let io = |errno: Errno| IpmiError::Io {
            path: self.path.clone(),
            error: errno.into(),
        };
        send(&file, id).map_err(io)?;
        let deadline = Instant::now() + PATIENCE;
        let mut buffer = [0; ANSWER + 1];
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            if !wait(&file, left).map_err(io)? {
                return Err(IpmiError::NoAnswer);
            }
            match receive(&file, &mut buffer) {
                Ok((RESPONSE, received, length)) if received == id => {
                    self.file = Some(file);
                    return decode(&buffer[..length]);
                }
                // Something else that the controller has to tell, or somebody was faster.
                Ok(_) | Err(Errno::EAGAIN | Errno::EINTR) => {}
                Err(errno) => return Err(io(errno)),
            }
        }
    }

    fn open(&self) -> Result<File, IpmiError> {
        let opened = OpenOptions::new().read(true).write(true).open(&self.path);
        opened.map_err(|error| {
            let path = self.path.clone();
            match error.kind() {
                io::ErrorKind::NotFound => IpmiError::Absent(path),
                io::ErrorKind::PermissionDenied => IpmiError::Denied(path),
                _ => IpmiError::Io { path, error },
            }
        })
    }
}

fn send(file: &File, id: c_long) -> Result<(), Errno> {
    let mut address = Address {
        kind: SYSTEM_INTERFACE,
        channel: BMC_CHANNEL,
        lun: 0,
    };
    let mut data = REQUEST;
    let mut request = Request {
        address: &raw mut address,
        address_length: size_of::<Address>() as c_uint,
        id,
        message: Message {
            network_function: NETWORK_FUNCTION,
            command: COMMAND,
            length: data.len() as u16,
            data: data.as_mut_ptr(),
        },
    };
    // SAFETY: the descriptor is open, the structures are those of the kernel, and what they point to lives until the call
    // returns and is as long as they say; the kernel copies it.
    unsafe { send_command(file.as_raw_fd(), &raw mut request) }.map(drop)
}

/// What has come: its kind, the question that it answers, and how long it is in `buffer`, which it may have filled.
fn receive(file: &File, buffer: &mut [u8; ANSWER + 1]) -> Result<(c_int, c_long, usize), Errno> {
    let mut address = [0; 40];
    let mut received = Received {
        kind: 0,
        address: &raw mut address,
        address_length: address.len() as c_uint,
        id: 0,
        message: Message {
            network_function: 0,
            command: 0,
            length: buffer.len() as u16,
            data: buffer.as_mut_ptr(),
        },
    };
    // SAFETY: as for `send_command`; the kernel writes no more than the lengths say.
    let result = unsafe { receive_truncated(file.as_raw_fd(), &raw mut received) };
    match result {
        // It was longer than any reading: what is there is not looked at further than its length.
        Ok(_) | Err(Errno::EMSGSIZE) => {
            let length = usize::from(received.message.length).min(buffer.len());
            Ok((received.kind, received.id, length))
        }
        Err(errno) => Err(errno),
    }
}

/// Whether something has come within this time.
fn wait(file: &File, patience: Duration) -> Result<bool, Errno> {
    let milliseconds = u16::try_from(patience.as_millis()).unwrap_or(u16::MAX);
    let mut files = [PollFd::new(file.as_fd(), PollFlags::POLLIN)];
    match poll(&mut files, PollTimeout::from(milliseconds)) {
        Err(Errno::EINTR) => Ok(true),
        ready => Ok(ready? > 0),
    }
}
