//! The library of the driver, loaded at run time.
#![expect(unsafe_code, reason = "a library of C is loaded at run time and called")]

use std::cell::Cell;
use std::path::PathBuf;
use std::sync::{Arc, Weak};

use nvml_wrapper_sys::bindings::{self as sys, NvmlLib, nvmlReturn_t};
use parking_lot::Mutex;

/// Where the library is, if the loader does not find it by its name: WSL, containers of GKE, the GPU operator of NVIDIA, NixOS.
const PLACES: [&str; 6] = [
    "libnvidia-ml.so.1",
    "/usr/lib/wsl/lib/libnvidia-ml.so.1",
    "/usr/local/nvidia/lib64/libnvidia-ml.so.1",
    "/run/nvidia/driver/usr/lib/x86_64-linux-gnu/libnvidia-ml.so.1",
    "/run/nvidia/driver/usr/lib/aarch64-linux-gnu/libnvidia-ml.so.1",
    "/run/opengl-driver/lib/libnvidia-ml.so.1",
];

/// The library as a file, loaded while somebody uses it: when nobody does any more, the next one gets what is installed then.
#[derive(Debug)]
pub(crate) struct Library {
    places: Vec<PathBuf>,
    loaded: Mutex<Weak<Nvml>>,
}

/// The library, loaded and initialised.
struct Nvml(NvmlLib);

/// Calls to the library, counted.
#[derive(Debug)]
pub(crate) struct Session {
    nvml: Arc<Nvml>,
    calls: Cell<u64>,
}

/// Why there is no library.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OpenError {
    /// It is not installed here.
    #[error("there is no driver of NVIDIA: {0}")]
    NotThere(String),
    /// It does not work.
    #[error(transparent)]
    Refused(#[from] NvmlError),
}

/// What a function answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{function}: {} (NVML error {code})", self.words())]
pub(crate) struct NvmlError {
    pub(crate) function: &'static str,
    pub(crate) code: nvmlReturn_t,
}

impl Library {
    /// The library in this file, or in one of the usual places.
    pub(crate) fn new(file: Option<PathBuf>) -> Self {
        let places = file.map_or_else(|| PLACES.map(PathBuf::from).to_vec(), |file| vec![file]);
        Self {
            places,
            loaded: Mutex::default(),
        }
    }

    /// Loads the library unless somebody has it already.
    ///
    /// # Errors
    /// When it is not installed, or its kernel module is not loaded.
    pub(crate) fn open(&self) -> Result<Session, OpenError> {
        let mut loaded = self.loaded.lock();
        let nvml = match loaded.upgrade() {
            Some(nvml) => nvml,
            None => {
                let nvml = Arc::new(Nvml::load(&self.places)?);
                *loaded = Arc::downgrade(&nvml);
                nvml
            }
        };
        Ok(Session::new(nvml))
    }
}

impl Nvml {
    fn load(places: &[PathBuf]) -> Result<Self, OpenError> {
        let mut why = String::new();
        for place in places {
            // SAFETY: the library of the driver is trusted as its kernel module is; its initialisers need nothing of us.
            match unsafe { NvmlLib::new(place) } {
                Ok(library) => {
                    // Dropped, and thereby shut down, only if it was initialised.
                    let function = "nvmlInit_v2";
                    let code = library.nvmlInit_v2.as_ref().map_or(
                        sys::nvmlReturn_enum_NVML_ERROR_FUNCTION_NOT_FOUND,
                        // SAFETY: the function takes nothing, and may be called more than once.
                        |init| unsafe { init() },
                    );
                    NvmlError::of(function, code)?;
                    return Ok(Self(library));
                }
                // The first place says most.
                Err(error) if why.is_empty() => why = error.to_string(),
                Err(_) => {}
            }
        }
        Err(OpenError::NotThere(why))
    }
}

impl Drop for Nvml {
    fn drop(&mut self) {
        if let Ok(shut_down) = &self.0.nvmlShutdown {
            // SAFETY: it is called once for the initialisation in `load`, and nobody has a handle any more.
            let _ = unsafe { shut_down() };
        }
    }
}

impl std::fmt::Debug for Nvml {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Nvml")
    }
}

impl Session {
    const fn new(nvml: Arc<Nvml>) -> Self {
        Self {
            nvml,
            calls: Cell::new(0),
        }
    }

    pub(crate) fn library(&self) -> &NvmlLib {
        &self.nvml.0
    }

    /// How many calls were made since this was asked before.
    pub(crate) fn take_calls(&self) -> u64 {
        self.calls.take()
    }

    /// Calls a function; one that the library lacks answers as an old driver does.
    pub(super) fn call<F, E>(
        &self,
        name: &'static str,
        function: &Result<F, E>,
        call: impl FnOnce(&F) -> nvmlReturn_t,
    ) -> Result<(), NvmlError> {
        let code = match function {
            Ok(function) => {
                self.calls.update(|calls| calls + 1);
                call(function)
            }
            Err(_) => sys::nvmlReturn_enum_NVML_ERROR_FUNCTION_NOT_FOUND,
        };
        NvmlError::of(name, code)
    }
}

/// Calls a function of the library by its name in the header of NVML.
macro_rules! call {
    ($session:expr, $function:ident($($argument:expr),* $(,)?)) => {{
        let session: &$crate::device::Session = &$session;
        session.call(stringify!($function), &session.library().$function, |function| {
            // SAFETY: the type is that of the function. Handles are those that the library gave and that live as long as it;
            // pointers are to values of this frame, and counts say how many are there.
            unsafe { function($($argument),*) }
        })
    }};
}
pub(super) use call;

impl NvmlError {
    pub(super) const fn of(function: &'static str, code: nvmlReturn_t) -> Result<(), Self> {
        match code {
            sys::nvmlReturn_enum_NVML_SUCCESS => Ok(()),
            code => Err(Self { function, code }),
        }
    }

    /// Whether this GPU, this driver or this user has no such thing, now and later.
    pub(crate) const fn is_absent(self) -> bool {
        matches!(
            self.code,
            sys::nvmlReturn_enum_NVML_ERROR_NOT_SUPPORTED
                | sys::nvmlReturn_enum_NVML_ERROR_INVALID_ARGUMENT
                | sys::nvmlReturn_enum_NVML_ERROR_NO_PERMISSION
                | sys::nvmlReturn_enum_NVML_ERROR_FUNCTION_NOT_FOUND
                | sys::nvmlReturn_enum_NVML_ERROR_ARGUMENT_VERSION_MISMATCH
                | sys::nvmlReturn_enum_NVML_ERROR_DEPRECATED
        )
    }

    /// Whether nothing works any more with this handle: GPU or driver are gone.
    pub(crate) const fn is_gone(self) -> bool {
        matches!(
            self.code,
            sys::nvmlReturn_enum_NVML_ERROR_UNINITIALIZED
                | sys::nvmlReturn_enum_NVML_ERROR_DRIVER_NOT_LOADED
                | sys::nvmlReturn_enum_NVML_ERROR_GPU_IS_LOST
                | sys::nvmlReturn_enum_NVML_ERROR_RESET_REQUIRED
                | sys::nvmlReturn_enum_NVML_ERROR_LIB_RM_VERSION_MISMATCH
                | sys::nvmlReturn_enum_NVML_ERROR_GPU_NOT_FOUND
        )
    }

    /// Whether there is nothing to tell at the moment.
    pub(crate) const fn is_empty(self) -> bool {
        matches!(
            self.code,
            sys::nvmlReturn_enum_NVML_ERROR_NOT_FOUND | sys::nvmlReturn_enum_NVML_ERROR_NO_DATA
        )
    }

    /// Whether there was no room for the answer.
    pub(crate) const fn is_too_small(self) -> bool {
        self.code == sys::nvmlReturn_enum_NVML_ERROR_INSUFFICIENT_SIZE
    }

    const fn words(self) -> &'static str {
        match self.code {
            sys::nvmlReturn_enum_NVML_ERROR_UNINITIALIZED => "the library is not initialised",
            sys::nvmlReturn_enum_NVML_ERROR_NOT_SUPPORTED => "not supported by this GPU",
            sys::nvmlReturn_enum_NVML_ERROR_NO_PERMISSION => {
                "not permitted; run as root, or with CAP_SYS_ADMIN where performance counters are restricted"
            }
            sys::nvmlReturn_enum_NVML_ERROR_NOT_FOUND => "not found",
            sys::nvmlReturn_enum_NVML_ERROR_DRIVER_NOT_LOADED => {
                "the kernel module is not loaded; load it with `modprobe nvidia`"
            }
            sys::nvmlReturn_enum_NVML_ERROR_TIMEOUT => "the driver did not answer in time",
            sys::nvmlReturn_enum_NVML_ERROR_FUNCTION_NOT_FOUND => {
                "the driver is too old for it; install a newer one"
            }
            sys::nvmlReturn_enum_NVML_ERROR_GPU_IS_LOST => {
                "the GPU is lost; `dmesg | grep Xid` says why, and a reset or restart of the machine brings it back"
            }
            sys::nvmlReturn_enum_NVML_ERROR_RESET_REQUIRED => {
                "the GPU must be reset; use `nvidia-smi --gpu-reset`"
            }
            sys::nvmlReturn_enum_NVML_ERROR_LIB_RM_VERSION_MISMATCH => {
                "library and kernel module are of different versions; load the module again, or restart the machine"
            }
            sys::nvmlReturn_enum_NVML_ERROR_GPU_NOT_FOUND => "there is no such GPU",
            sys::nvmlReturn_enum_NVML_ERROR_UNKNOWN => "the driver has an error and does not say which",
            _ => "the driver refuses",
        }
    }
}
