#![expect(
    unsafe_code,
    reason = "the scheduling class of a thread has no safe interface"
)]

use std::io;

/// A little above the middle of 1 to 99, so that the threads of the kernel at 50 and below do not delay a poll.
const PRIORITY: libc::c_int = 55;

/// Asks for `SCHED_FIFO` for this thread; without the permission it stays as it is and says so once.
pub(super) fn request() {
    let parameters = libc::sched_param {
        sched_priority: PRIORITY,
    };
    // SAFETY: `pthread_self` always names the calling thread and `parameters` outlives the call.
    let code =
        unsafe { libc::pthread_setschedparam(libc::pthread_self(), libc::SCHED_FIFO, &raw const parameters) };
    // The function returns the error itself and leaves `errno` alone.
    if code == 0 {
        tracing::debug!(priority = PRIORITY, "the real-time thread has real-time priority");
    } else {
        tracing::warn!(
            error = %io::Error::from_raw_os_error(code),
            "no real-time priority for intervals below 10 ms: ticks may come late (they are counted); \
             give the program the capability CAP_SYS_NICE, for example with `setcap cap_sys_nice=ep`"
        );
    }
}
