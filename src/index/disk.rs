//! Durable writes: a file is whole on disk under its name, or the old one stays.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;

use super::error::IndexError;

/// Writes a new file and syncs it.
///
/// Returns an error if it cannot be written whole.
pub(super) fn write_file(path: &Path, bytes: &[u8]) -> Result<(), IndexError> {
    let write = || {
        let mut file = File::create(path)?;
        file.write_all(bytes)?;
        file.sync_all()
    };
    write().map_err(|source| IndexError::Write { path: path.to_owned(), source })
}

/// Puts `bytes` at `path` in one step: readers see the old file or the new one, also after a power cut.
///
/// Returns an error if it cannot be written; the old file then stays.
pub(super) fn replace_file(path: &Path, bytes: &[u8]) -> Result<(), IndexError> {
    let temporary = path.with_extension("new");
    write_file(&temporary, bytes)?;
    rename(&temporary, path)
}

/// Renames and syncs the folder, so that the new name survives a power cut.
///
/// Returns an error if either step fails.
pub(super) fn rename(from: &Path, to: &Path) -> Result<(), IndexError> {
    fs::rename(from, to).map_err(|source| IndexError::Write { path: to.to_owned(), source })?;
    sync_folder(to.parent().unwrap_or(Path::new(".")))
}

/// Syncs a folder's own entries.
///
/// Returns an error if the system refuses.
pub(super) fn sync_folder(path: &Path) -> Result<(), IndexError> {
    let sync = || File::open(path)?.sync_all();
    sync().map_err(|source| IndexError::Write { path: path.to_owned(), source })
}

/// Asks the system to drop the file from its page cache; true when it agreed.
#[cfg(target_os = "linux")]
pub fn forget_pages(path: &Path) -> bool {
    let forget = |file: std::fs::File| rustix::fs::fadvise(file, 0, None, rustix::fs::Advice::DontNeed).ok();
    std::fs::File::open(path).ok().and_then(forget).is_some()
}

#[cfg(not(target_os = "linux"))]
pub fn forget_pages(_path: &Path) -> bool {
    false
}
