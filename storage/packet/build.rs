//! Tells tests whether the real packets and an S3 server are at hand, so that those that need them are *ignored* where
//! they are not, instead of passing without having looked.

use std::path::PathBuf;

fn main() {
    println!("cargo::rustc-check-cfg=cfg(real_packets)");
    println!("cargo::rerun-if-env-changed=NOCTUARY_TEST_DATA");
    println!("cargo::rustc-check-cfg=cfg(s3_server)");
    println!("cargo::rerun-if-env-changed=NOCTUARY_TEST_S3");
    if std::env::var_os("NOCTUARY_TEST_S3").is_some() {
        println!("cargo::rustc-cfg=s3_server");
    }
    let package = std::env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from).unwrap_or_default();
    let folder = match std::env::var_os("NOCTUARY_TEST_DATA") {
        Some(folder) => Some(PathBuf::from(folder)),
        None => package.ancestors().map(|up| up.join("../shared/data")).find(|f| f.join("lsst").is_dir()),
    };
    if let Some(folder) = folder.and_then(|f| f.canonicalize().ok()).filter(|f| f.join("lsst").is_dir()) {
        println!("cargo::rerun-if-changed={}", folder.display());
        println!("cargo::rustc-cfg=real_packets");
        println!("cargo::rustc-env=NOCTUARY_REAL_PACKETS={}", folder.display());
    }
}
