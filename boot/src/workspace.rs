//! Where this clone lies on the host's disk.
//!
//! The launcher is always run from the clone it was built in, so the place is known at compile time
//! and the current directory does not matter.

use std::path::{Path, PathBuf};

/// The root of the Cargo workspace.
pub fn root() -> PathBuf {
    let boot = Path::new(env!("CARGO_MANIFEST_DIR"));
    boot.parent().expect("boot/ lies inside the workspace").to_path_buf()
}

/// The environment variable that names the workspace whose kernel machines boot, where that is not this one's: a
/// broken twin's. The programs on it stay this one's.
pub const KERNEL_SOURCE: &str = "LASTREF_KERNEL_SOURCE";

/// The root of the workspace whose kernel is booted.
pub fn kernel_root() -> PathBuf {
    std::env::var_os(KERNEL_SOURCE).map_or_else(root, PathBuf::from)
}

/// Finds an executable by name in `PATH`, then in the places `PATH` often leaves out.
pub fn which(name: &str) -> Option<PathBuf> {
    all_of(name).next()
}

/// Every executable of that name, in the order of [`which`].
pub fn all_of(name: &str) -> impl Iterator<Item = PathBuf> {
    const USUAL: [&str; 4] = ["/usr/bin", "/usr/local/bin", "/usr/sbin", "/opt/homebrew/bin"];
    let path = std::env::var_os("PATH").unwrap_or_default();
    let directories: Vec<_> = std::env::split_paths(&path).chain(USUAL.map(PathBuf::from)).collect();
    directories.into_iter().map(move |directory| directory.join(name)).filter(|file| is_executable(file))
}

fn is_executable(file: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    file.metadata().is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}
