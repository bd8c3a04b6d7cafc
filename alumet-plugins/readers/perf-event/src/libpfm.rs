//! libpfm, which knows the events that each model of a CPU has, loaded when a name needs it.
#![expect(unsafe_code, reason = "a library of C is loaded at run time and called")]

use std::cell::OnceCell;
use std::error::Error;
use std::ffi::{CStr, CString, OsStr, OsString, c_char, c_int, c_void};
use std::ptr;

use libloading::{Library, Symbol};
use nix::libc;
use perf_event::Builder;
use perf_event::events::Software;

use crate::Code;

/// The library, which is loaded when it is asked for the first time.
#[derive(Debug, Default)]
pub struct Libpfm {
    chosen: Option<OsString>,
    library: OnceCell<Library>,
}

/// The reason why libpfm does not tell the numbers of a name.
#[derive(Debug, thiserror::Error)]
pub enum LibpfmError {
    /// It is not installed.
    #[error(
        "libpfm cannot be loaded ({why}); install it (`apt install libpfm4`, `dnf install libpfm`), or name its file in ALUMET_LIBPFM_LIB"
    )]
    NotThere {
        /// What the loader says.
        why: String,
    },
    /// It does not work on this CPU, or does not know the event.
    #[error("libpfm: {0}")]
    Refused(String),
}

/// `pfm_perf_encode_arg_t` (perfmon/pfmlib_perf_event.h).
#[repr(C)]
struct EncodeArguments {
    attributes: *mut c_void,
    full_name: *mut *mut c_char,
    size: usize,
    index: c_int,
    cpu: c_int,
    flags: c_int,
    padding: c_int,
}

/// `PFM_OS_PERF_EVENT`.
const OS_PERF_EVENT: c_int = 1;
/// `PFM_PLM3`: user mode. What is excluded is decided elsewhere.
const USER_MODE: c_int = 8;
/// `PERF_ATTR_SIZE_VER1`: up to `config2`. libpfm refuses a structure that is newer than itself.
const ATTRIBUTES_SIZE: u32 = 72;

impl Libpfm {
    /// The file that was chosen, or `libpfm.so.4`. A program that has more rights than its user does not let that user choose.
    pub fn new(chosen: Option<OsString>) -> Self {
        // SAFETY: the call only reads the auxiliary vector.
        let is_privileged = unsafe { libc::getauxval(libc::AT_SECURE) } != 0;
        Self {
            chosen: chosen.filter(|chosen| !chosen.is_empty() && !is_privileged),
            library: OnceCell::new(),
        }
    }

    fn library(&self) -> Result<&Library, LibpfmError> {
        if let Some(library) = self.library.get() {
            return Ok(library);
        }
        let name = self.chosen.as_deref().unwrap_or(OsStr::new("libpfm.so.4"));
        // SAFETY: libpfm runs no code when it is loaded; whoever chooses another file answers for it.
        let library = unsafe { Library::new(name) }.map_err(|error| LibpfmError::NotThere {
            // The error itself only says that it failed.
            why: error
                .source()
                .map_or_else(|| error.to_string(), ToString::to_string),
        })?;
        // SAFETY: the type is that of the function. It may be called more than once.
        let code = unsafe { function::<unsafe extern "C" fn() -> c_int>(&library, c"pfm_initialize")?() };
        if code != 0 {
            return Err(explain(&library, code));
        }
        Ok(self.library.get_or_init(|| library))
    }

    /// The numbers of an event, such as `RESOURCE_STALLS:ANY`.
    ///
    /// # Errors
    /// When no PMU of this machine has an event of this name.
    pub fn encode(&self, name: &str) -> Result<Code, LibpfmError> {
        type Encode = unsafe extern "C" fn(*const c_char, c_int, c_int, *mut c_void) -> c_int;
        let library = self.library()?;
        let c_name = CString::new(name).map_err(|error| LibpfmError::Refused(error.to_string()))?;
        let mut builder = Builder::new(Software::DUMMY);
        builder.attrs_mut().size = ATTRIBUTES_SIZE;
        let mut arguments = EncodeArguments {
            attributes: ptr::from_mut(builder.attrs_mut()).cast(),
            full_name: ptr::null_mut(),
            size: size_of::<EncodeArguments>(),
            index: 0,
            cpu: -1,
            flags: 0,
            padding: 0,
        };
        // SAFETY: the type is that of the function.
        let encode = unsafe { function::<Encode>(library, c"pfm_get_os_event_encoding") }?;
        let arguments = ptr::from_mut(&mut arguments).cast();
        // SAFETY: the name ends with a zero; the arguments say their size, and so do the attributes that they point to, which
        // live until the end of this function.
        match unsafe { encode(c_name.as_ptr(), USER_MODE, OS_PERF_EVENT, arguments) } {
            0 => {
                let attributes = builder.attrs();
                Ok(Code {
                    kind: attributes.type_,
                    config: [attributes.config, attributes.config1, attributes.config2, 0],
                })
            }
            code => Err(explain(library, code)),
        }
    }
}

fn explain(library: &Library, code: c_int) -> LibpfmError {
    type Words = unsafe extern "C" fn(c_int) -> *const c_char;
    // SAFETY: the type is that of the function; the text is a constant of the library, which is loaded.
    let words =
        unsafe { function::<Words>(library, c"pfm_strerror").map(|words| CStr::from_ptr(words(code))) };
    words.map_or_else(
        |error| error,
        |words| LibpfmError::Refused(words.to_string_lossy().into_owned()),
    )
}

/// A function of the library.
///
/// # Safety
/// `T` is its type in perfmon/pfmlib.h.
unsafe fn function<'l, T>(library: &'l Library, name: &CStr) -> Result<Symbol<'l, T>, LibpfmError> {
    // SAFETY: as above.
    let found = unsafe { library.get::<T>(name) };
    found.map_err(|_| LibpfmError::Refused(format!("it has no function {name:?}: another file was chosen")))
}
