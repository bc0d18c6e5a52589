//! Names the shared library, so that programs ask the loader for the ABI that they were built against.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    // The number grows when a program that was built before would not run any more.
    if std::env::var("CARGO_CFG_TARGET_OS").is_ok_and(|system| system == "linux") {
        println!("cargo::rustc-cdylib-link-arg=-Wl,-soname,libportkeeper.so.0");
    }
}
