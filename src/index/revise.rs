//! A generation with some of its files replaced by others: for what must not stay in any file.
//!
//! The new generation is written beside the old one and is complete before anything changes: files that stay are hard links. The generation
//! in use gets a new name and `CURRENT` moves to it in one step, then the old folder goes; an older one keeps its name, and a power cut
//! between the two steps of its replacement can cost that one, never the one in use.

use std::fs;
use std::path::{Path, PathBuf};

use super::disk;
use super::error::IndexError;
use super::manifest::{self, MANIFEST_FILE, Manifest};
use super::section::FileDigest;
use super::store::{CatalogDir, CatalogLock};

/// A generation whose files are about to be replaced.
#[derive(Debug)]
pub struct Revision<'a> {
    catalog: &'a CatalogDir,
    lock: &'a CatalogLock,
    /// The old manifest.
    old: Manifest,
    is_current: bool,
    /// The new one's folder.
    building: PathBuf,
    /// The new one's name.
    name: String,
}

/// How a generation was replaced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replaced {
    /// Its name.
    pub generation: String,
    /// The name of what stands in its place; the same for one that was not in use.
    pub by: String,
}

impl<'a> Revision<'a> {
    /// Makes an empty folder for what takes the place of the generation that `old` describes.
    ///
    /// Returns an error if the folder cannot be made.
    pub fn start(catalog: &'a CatalogDir, lock: &'a CatalogLock, old: &Manifest) -> Result<Self, IndexError> {
        let (building, new_name) = catalog.start_build(lock)?;
        let is_current = catalog.current()?.as_deref() == Some(&old.generation);
        let name = if is_current { new_name } else { old.generation.clone() };
        Ok(Self { catalog, lock, old: old.clone(), is_current, building, name })
    }

    /// Where new files are written.
    pub fn dir(&self) -> &Path {
        &self.building
    }

    /// Puts the generation with `changed` files, which lie in [`Revision::dir`], in the place of the old one.
    ///
    /// Returns an error if a file cannot be linked, copied or written; the generation in use is then the old one.
    pub fn publish(self, changed: Vec<(String, FileDigest)>) -> Result<Replaced, IndexError> {
        let Self { catalog, lock, old, is_current, building, name } = self;
        let from = catalog.path().join(&old.generation);
        for file in old.files.keys().filter(|file| changed.iter().all(|(name, _)| name != *file)) {
            link_or_copy(&from.join(file), &building.join(file))?;
        }
        let parent = if is_current { Some(old.generation.clone()) } else { old.parent.clone() };
        let mut new = Manifest { generation: name, parent, ..old.clone() };
        new.files.extend(changed);
        new.checksum = manifest::write(&building, &new)?;
        disk::sync_folder(&building)?;
        if is_current {
            catalog.publish(lock, &building, &new)?;
            catalog.remove(lock, &old.generation)?;
        } else {
            catalog.remove(lock, &old.generation)?;
            disk::rename(&building, &catalog.path().join(&new.generation))?;
        }
        Ok(Replaced { generation: old.generation, by: new.generation })
    }
}

/// The file under another name: the same bytes on disk where the file system can, a copy where not.
fn link_or_copy(from: &Path, to: &Path) -> Result<(), IndexError> {
    let failed = |source| IndexError::Write { path: to.to_owned(), source };
    if fs::hard_link(from, to).is_err() {
        fs::copy(from, to).map_err(failed)?;
        fs::File::open(to).and_then(|file| file.sync_all()).map_err(failed)?;
    }
    Ok(())
}

impl CatalogDir {
    /// Removes generation `name`, which must not be in use, its manifest first: what a power cut leaves of it is no generation.
    ///
    /// Returns an error if a file cannot be removed.
    pub fn remove(&self, _lock: &CatalogLock, name: &str) -> Result<(), IndexError> {
        let dir = self.path().join(name);
        let manifest = dir.join(MANIFEST_FILE);
        match fs::remove_file(&manifest) {
            Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
                return Err(IndexError::Write { path: manifest, source });
            }
            _ => {}
        }
        fs::remove_dir_all(&dir).map_err(|source| IndexError::Write { path: dir, source })?;
        disk::sync_folder(&self.path())
    }
}
