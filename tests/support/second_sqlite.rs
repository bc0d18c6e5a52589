//! A second copy of SQLite in this process: the system's, as Python's `sqlite3` loads it.

use std::{
    ffi::{CString, c_char, c_int, c_void},
    mem,
    path::Path,
    ptr,
};

use nix::libc::{RTLD_LOCAL, RTLD_NOW, dlopen, dlsym};

type Open = unsafe extern "C" fn(*const c_char, *mut *mut c_void) -> c_int;
type Exec = unsafe extern "C" fn(
    *mut c_void,
    *const c_char,
    *const c_void,
    *const c_void,
    *const c_void,
) -> c_int;
type Close = unsafe extern "C" fn(*mut c_void) -> c_int;
type Timeout = unsafe extern "C" fn(*mut c_void, c_int) -> c_int;

pub struct SecondSqlite {
    open: Open,
    exec: Exec,
    close: Close,
    timeout: Timeout,
}

impl SecondSqlite {
    pub fn load() -> Self {
        // SAFETY: the library's documented interface. It stays loaded.
        unsafe {
            let library = dlopen(c"libsqlite3.so.0".as_ptr(), RTLD_NOW | RTLD_LOCAL);
            assert!(!library.is_null(), "the system has no libsqlite3.so.0");
            let symbol = |name: &std::ffi::CStr| {
                let found = dlsym(library, name.as_ptr());
                assert!(!found.is_null());
                found
            };
            Self {
                open: mem::transmute::<*mut c_void, Open>(symbol(c"sqlite3_open")),
                exec: mem::transmute::<*mut c_void, Exec>(symbol(c"sqlite3_exec")),
                close: mem::transmute::<*mut c_void, Close>(symbol(c"sqlite3_close")),
                timeout: mem::transmute::<*mut c_void, Timeout>(symbol(c"sqlite3_busy_timeout")),
            }
        }
    }

    /// Opens the database, runs `sql` and closes it; returns SQLite's code.
    pub fn run(&self, database: &Path, sql: &str) -> c_int {
        let path = CString::new(database.to_str().unwrap()).unwrap();
        let sql = CString::new(sql).unwrap();
        let mut db = ptr::null_mut();
        // SAFETY: as above; the handle is used by this thread alone.
        unsafe {
            assert_eq!((self.open)(path.as_ptr(), &raw mut db), 0);
            (self.timeout)(db, 30_000);
            let result = (self.exec)(db, sql.as_ptr(), ptr::null(), ptr::null(), ptr::null());
            assert_eq!((self.close)(db), 0);
            result
        }
    }
}
