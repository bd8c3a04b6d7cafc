//! The file system of SQLite, with an ear for every operation and the power to let it fail.

#![expect(
    unsafe_code,
    reason = "SQLite calls its file system through tables of C functions"
)]

use std::ffi::{CStr, OsStr, c_char, c_int, c_void};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::ptr;
use std::sync::Once;

use rusqlite::ffi;

use super::{Operation, happens};

/// One open file: first what SQLite sees, then the path, and the file of the system behind it in memory.
#[repr(C)]
struct File {
    methods: ffi::sqlite3_file,
    path: *mut PathBuf,
}

/// Makes this file system the default of the process.
pub(super) fn install() {
    static ONCE: Once = Once::new();
    // SAFETY: both structures live for ever, and the table has the layout of the system's with other functions.
    ONCE.call_once(|| unsafe {
        ffi::sqlite3_initialize();
        let system = ffi::sqlite3_vfs_find(ptr::null());
        assert!(!system.is_null());
        let ours = ffi::sqlite3_vfs {
            szOsFile: size_of::<File>() as c_int + (*system).szOsFile,
            pNext: ptr::null_mut(),
            zName: c"faulty".as_ptr(),
            pAppData: system.cast::<c_void>(),
            xOpen: Some(open),
            xDelete: Some(delete),
            ..*system
        };
        let ours = Box::into_raw(Box::new(ours));
        assert_eq!(ffi::sqlite3_vfs_register(ours, 1), ffi::SQLITE_OK);
    });
}

static METHODS: ffi::sqlite3_io_methods = ffi::sqlite3_io_methods {
    // Version 2 has shared memory, which no power failure leaves.
    iVersion: 2,
    xClose: Some(close),
    xRead: Some(read),
    xWrite: Some(write),
    xTruncate: Some(truncate),
    xSync: Some(sync),
    xFileSize: Some(file_size),
    xLock: Some(lock),
    xUnlock: Some(unlock),
    xCheckReservedLock: Some(check_reserved_lock),
    xFileControl: Some(file_control),
    xSectorSize: Some(sector_size),
    xDeviceCharacteristics: Some(device_characteristics),
    xShmMap: Some(map_shared),
    xShmLock: Some(lock_shared),
    xShmBarrier: Some(order_shared),
    xShmUnmap: Some(unmap_shared),
    xFetch: None,
    xUnfetch: None,
};

/// The file system of the system.
///
/// # Safety
/// `vfs` is the one of [`install`].
unsafe fn system(vfs: *mut ffi::sqlite3_vfs) -> *mut ffi::sqlite3_vfs {
    // SAFETY: `install` has put it there.
    unsafe { (*vfs).pAppData.cast() }
}

/// The file of the system behind ours.
///
/// # Safety
/// `file` has `szOsFile` bytes.
unsafe fn inner(file: *mut ffi::sqlite3_file) -> *mut ffi::sqlite3_file {
    // SAFETY: `szOsFile` counts both, and the size of ours is a multiple of the alignment of a pointer.
    unsafe { file.cast::<File>().add(1).cast() }
}

/// The path of an open file.
///
/// # Safety
/// `file` was opened by [`open`].
unsafe fn path(file: *mut ffi::sqlite3_file) -> PathBuf {
    // SAFETY: it stays until the file is closed.
    unsafe { (*(*file.cast::<File>()).path).clone() }
}

/// # Safety
/// `name` is null or a text that ends with a zero.
unsafe fn to_path(name: *const c_char) -> PathBuf {
    if name.is_null() {
        return PathBuf::new();
    }
    // SAFETY: as the caller promises.
    let text = unsafe { CStr::from_ptr(name) };
    PathBuf::from(OsStr::from_bytes(text.to_bytes()))
}

unsafe extern "C" fn open(
    vfs: *mut ffi::sqlite3_vfs,
    name: ffi::sqlite3_filename,
    file: *mut ffi::sqlite3_file,
    flags: c_int,
    out: *mut c_int,
) -> c_int {
    // SAFETY: SQLite gives its own structures, with as much memory as was asked for.
    unsafe {
        (*file).pMethods = ptr::null();
        let path = to_path(name);
        if let Err(code) = happens(&path, || Operation::Create(path.clone())) {
            return code;
        }
        let system = system(vfs);
        let Some(open) = (*system).xOpen else {
            return ffi::SQLITE_CANTOPEN;
        };
        let inner = inner(file);
        (*inner).pMethods = ptr::null();
        let code = open(system, name, inner, flags, out);
        if (*inner).pMethods.is_null() {
            return code;
        }
        (*file.cast::<File>()).path = Box::into_raw(Box::new(path));
        (*file).pMethods = &raw const METHODS;
        code
    }
}

unsafe extern "C" fn delete(vfs: *mut ffi::sqlite3_vfs, name: *const c_char, flush: c_int) -> c_int {
    // SAFETY: SQLite gives its own structures.
    unsafe {
        let path = to_path(name);
        if let Err(code) = happens(&path, || Operation::Delete(path.clone())) {
            return code;
        }
        let system = system(vfs);
        (*system)
            .xDelete
            .map_or(ffi::SQLITE_IOERR, |delete| delete(system, name, flush))
    }
}

/// Calls a method of the file of the system.
macro_rules! forward {
    ($file:ident, $method:ident $(, $argument:expr)*) => {{
        // SAFETY: the file was opened by `open`, so there is one of the system behind it with all methods.
        unsafe {
            let inner = inner($file);
            match (*(*inner).pMethods).$method {
                Some(method) => method(inner $(, $argument)*),
                None => ffi::SQLITE_IOERR,
            }
        }
    }};
}

unsafe extern "C" fn close(file: *mut ffi::sqlite3_file) -> c_int {
    // SAFETY: `open` has made the box, and SQLite closes a file once.
    drop(unsafe { Box::from_raw((*file.cast::<File>()).path) });
    forward!(file, xClose)
}

unsafe extern "C" fn read(file: *mut ffi::sqlite3_file, to: *mut c_void, length: c_int, at: i64) -> c_int {
    forward!(file, xRead, to, length, at)
}

unsafe extern "C" fn write(
    file: *mut ffi::sqlite3_file,
    from: *const c_void,
    length: c_int,
    at: i64,
) -> c_int {
    // SAFETY: SQLite gives that many bytes.
    let bytes = unsafe { std::slice::from_raw_parts(from.cast::<u8>(), length as usize) };
    // SAFETY: the file is open.
    let path = unsafe { path(file) };
    match happens(&path, || {
        Operation::Write(path.clone(), at as usize, bytes.to_vec())
    }) {
        Ok(()) => forward!(file, xWrite, from, length, at),
        Err(code) => code,
    }
}

unsafe extern "C" fn truncate(file: *mut ffi::sqlite3_file, length: i64) -> c_int {
    // SAFETY: the file is open.
    let path = unsafe { path(file) };
    match happens(&path, || Operation::Truncate(path.clone(), length as usize)) {
        Ok(()) => forward!(file, xTruncate, length),
        Err(code) => code,
    }
}

unsafe extern "C" fn sync(file: *mut ffi::sqlite3_file, _flags: c_int) -> c_int {
    // SAFETY: the file is open.
    let path = unsafe { path(file) };
    // The disk itself is left in peace: what counts is what was asked of it.
    happens(&path, || Operation::Sync(path.clone())).map_or_else(|code| code, |()| ffi::SQLITE_OK)
}

unsafe extern "C" fn file_size(file: *mut ffi::sqlite3_file, size: *mut i64) -> c_int {
    forward!(file, xFileSize, size)
}

unsafe extern "C" fn lock(file: *mut ffi::sqlite3_file, level: c_int) -> c_int {
    forward!(file, xLock, level)
}

unsafe extern "C" fn unlock(file: *mut ffi::sqlite3_file, level: c_int) -> c_int {
    forward!(file, xUnlock, level)
}

unsafe extern "C" fn check_reserved_lock(file: *mut ffi::sqlite3_file, result: *mut c_int) -> c_int {
    forward!(file, xCheckReservedLock, result)
}

unsafe extern "C" fn file_control(file: *mut ffi::sqlite3_file, what: c_int, with: *mut c_void) -> c_int {
    forward!(file, xFileControl, what, with)
}

unsafe extern "C" fn sector_size(file: *mut ffi::sqlite3_file) -> c_int {
    forward!(file, xSectorSize)
}

unsafe extern "C" fn device_characteristics(file: *mut ffi::sqlite3_file) -> c_int {
    forward!(file, xDeviceCharacteristics)
}

unsafe extern "C" fn map_shared(
    file: *mut ffi::sqlite3_file,
    page: c_int,
    size: c_int,
    extend: c_int,
    to: *mut *mut c_void,
) -> c_int {
    forward!(file, xShmMap, page, size, extend, to)
}

unsafe extern "C" fn lock_shared(
    file: *mut ffi::sqlite3_file,
    from: c_int,
    count: c_int,
    how: c_int,
) -> c_int {
    forward!(file, xShmLock, from, count, how)
}

unsafe extern "C" fn order_shared(file: *mut ffi::sqlite3_file) {
    // SAFETY: the file was opened by `open`, so there is one of the system behind it with all methods.
    unsafe {
        let inner = inner(file);
        if let Some(order) = (*(*inner).pMethods).xShmBarrier {
            order(inner);
        }
    }
}

unsafe extern "C" fn unmap_shared(file: *mut ffi::sqlite3_file, delete: c_int) -> c_int {
    forward!(file, xShmUnmap, delete)
}
