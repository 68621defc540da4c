//! A catalog's folder: its generations, the one in use, the lock of a build, and going back.
//!
//! | name | what |
//! |---|---|
//! | `gen-000042/` | a complete generation |
//! | `building/` | a build that is running, or that was killed: the next build removes it |
//! | `CURRENT` | name of the generation in use, a space, and its manifest's checksum |
//! | `LOCK` | held by a build, a rollback or a gc while it runs; the system frees it when the process dies |
//! | `cache/` | embeddings by text, kept between builds |
//! | `live.sqlite` | changes since the last build; with `-wal` and `-shm` files beside it while it is open |
//! | `events.sqlite`, `events.key` | what shoppers did, and the key to the hashes of their ids; likewise |
//! | `rejects.jsonl` | the feed records that the last build refused |

use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};

use super::disk;
use super::error::IndexError;
use super::generation::{Check, Generation};
use super::manifest::{self, Manifest};

const CURRENT_FILE: &str = "CURRENT";
const LOCK_FILE: &str = "LOCK";
const BUILDING_DIR: &str = "building";
const GENERATION_PREFIX: &str = "gen-";
/// Longest catalog name in bytes.
pub const MAX_CATALOG_BYTES: usize = 64;

/// A catalog's folder below the index root. Opening it touches nothing on disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CatalogDir {
    root: PathBuf,
    catalog: String,
}

/// A generation's place in [`CatalogDir::list`].
#[derive(Debug)]
pub struct Listed {
    /// The generation's name.
    pub name: String,
    /// Whether it is the one in use.
    pub is_current: bool,
    /// Its manifest, or why that cannot be read.
    pub manifest: Result<Manifest, IndexError>,
}

/// Proof that this process alone changes the catalog; freed when dropped or when the process dies.
#[derive(Debug)]
pub struct CatalogLock {
    _file: File,
}

impl CatalogDir {
    /// The folder of `catalog` below `root`.
    ///
    /// Returns an error if the name could not be a folder and a URL segment.
    pub fn new(root: &Path, catalog: &str) -> Result<Self, IndexError> {
        let is_word = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
        let starts_well = catalog.as_bytes().first().is_some_and(u8::is_ascii_alphanumeric);
        if !starts_well || catalog.len() > MAX_CATALOG_BYTES || !catalog.bytes().all(is_word) {
            return Err(IndexError::CatalogName(catalog.to_owned()));
        }
        Ok(Self { root: root.to_owned(), catalog: catalog.to_owned() })
    }

    /// Every catalog below `root` that has a generation in use, by name.
    ///
    /// Returns an error if `root` cannot be read; a missing `root` has none.
    pub fn all(root: &Path) -> Result<Vec<Self>, IndexError> {
        let mut names = names_in(root)?;
        names.sort();
        let dirs = names.iter().filter_map(|name| Self::new(root, name).ok());
        Ok(dirs.filter(|dir| dir.path().join(CURRENT_FILE).exists()).collect())
    }

    /// The catalog's name.
    pub fn catalog(&self) -> &str {
        &self.catalog
    }

    /// The catalog's folder.
    pub fn path(&self) -> PathBuf {
        self.root.join(&self.catalog)
    }

    /// Where embeddings are kept between builds.
    pub fn cache_dir(&self) -> PathBuf {
        self.path().join("cache")
    }

    /// Where changes between builds are kept.
    pub fn live_path(&self) -> PathBuf {
        self.path().join("live.sqlite")
    }

    /// Where the last build's refused feed records are.
    pub fn rejects_path(&self) -> PathBuf {
        self.path().join("rejects.jsonl")
    }

    /// The file that names the generation in use; every change of it is a new file with a new time.
    pub fn current_path(&self) -> PathBuf {
        self.path().join(CURRENT_FILE)
    }

    /// Name of the generation in use; `None` before the first build.
    ///
    /// Returns an error if `CURRENT` cannot be read or names none.
    pub fn current(&self) -> Result<Option<String>, IndexError> {
        Ok(self.read_current()?.map(|(name, _)| name))
    }

    /// As [`CatalogDir::current`], but `None` where `CURRENT` cannot be read: what is about to replace it needs no more.
    pub fn current_if_readable(&self) -> Option<String> {
        self.current().unwrap_or_default()
    }

    fn read_current(&self) -> Result<Option<(String, String)>, IndexError> {
        let path = self.path().join(CURRENT_FILE);
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(IndexError::Read { path, source }),
        };
        let text = String::from_utf8(bytes).unwrap_or_default();
        match text.strip_suffix('\n').and_then(|line| line.split_once(' ')) {
            Some((name, checksum)) if generation_number(name).is_some() => {
                Ok(Some((name.to_owned(), checksum.to_owned())))
            }
            _ => Err(IndexError::Damaged { path, reason: "it names no generation".into() }),
        }
    }

    /// Opens the generation in use.
    ///
    /// Returns an error naming the file if there is none, or if it is damaged or not the one that was published.
    pub fn open_current(&self, check: Check) -> Result<Generation, IndexError> {
        let no_index = || IndexError::NoIndex { catalog: self.catalog.clone(), root: self.root.clone() };
        let (name, checksum) = self.read_current()?.ok_or_else(no_index)?;
        let path = self.path().join(CURRENT_FILE);
        if !self.path().join(&name).is_dir() {
            return Err(IndexError::Damaged { path, reason: format!("it names `{name}`, which does not exist") });
        }
        let generation = self.open_named(&name, check)?;
        if generation.manifest().checksum != checksum {
            return Err(IndexError::Damaged { path, reason: format!("its checksum is not the one of `{name}`") });
        }
        Ok(generation)
    }

    /// Opens the named generation.
    ///
    /// Returns an error naming the file if it does not exist or is damaged.
    pub fn open_generation(&self, name: &str, check: Check) -> Result<Generation, IndexError> {
        let dir = self.path().join(name);
        if generation_number(name).is_none() || !dir.is_dir() {
            return Err(IndexError::NoGeneration { catalog: self.catalog.clone(), generation: name.to_owned() });
        }
        self.open_named(name, check)
    }

    /// Opens a generation, which must be the one that its folders say it is: a copied or renamed folder is not.
    fn open_named(&self, name: &str, check: Check) -> Result<Generation, IndexError> {
        let dir = self.path().join(name);
        let generation = Generation::open(&dir, check)?;
        let Manifest { catalog, generation: own, .. } = generation.manifest();
        if catalog != &self.catalog || own != name {
            let reason = format!("it is of generation `{own}` of catalog `{catalog}`");
            return Err(IndexError::Damaged { path: dir.join(manifest::MANIFEST_FILE), reason });
        }
        Ok(generation)
    }

    /// The catalog's generations, oldest first.
    ///
    /// None is in use while `CURRENT` cannot be read. Returns an error if the folder cannot be read.
    pub fn list(&self) -> Result<Vec<Listed>, IndexError> {
        let current = self.current_if_readable();
        let listed = self.generations()?.into_iter().map(|name| Listed {
            is_current: current.as_deref() == Some(&name),
            manifest: manifest::read(&self.path().join(&name)),
            name,
        });
        Ok(listed.collect())
    }

    fn generations(&self) -> Result<Vec<String>, IndexError> {
        let mut names = names_in(&self.path())?;
        names.retain(|name| generation_number(name).is_some());
        names.sort_by_key(|name| generation_number(name));
        Ok(names)
    }

    /// Takes the catalog's lock, making its folder if need be.
    ///
    /// Returns an error if another process holds the lock or the folder cannot be written.
    pub fn lock(&self) -> Result<CatalogLock, IndexError> {
        let path = self.path().join(LOCK_FILE);
        let failed = |source| IndexError::Write { path: path.clone(), source };
        fs::create_dir_all(self.path()).map_err(failed)?;
        let file = File::options().create(true).append(true).open(&path).map_err(failed)?;
        match file.try_lock() {
            Ok(()) => Ok(CatalogLock { _file: file }),
            Err(TryLockError::WouldBlock) => Err(IndexError::BuildInProgress { catalog: self.catalog.clone(), path }),
            Err(TryLockError::Error(source)) => Err(IndexError::Write { path, source }),
        }
    }

    /// Makes an empty folder for a new generation and chooses its name, one above the highest there is.
    ///
    /// Returns an error if the folder cannot be made.
    pub fn start_build(&self, lock: &CatalogLock) -> Result<(PathBuf, String), IndexError> {
        self.discard_build(lock)?;
        let dir = self.path().join(BUILDING_DIR);
        fs::create_dir(&dir).map_err(|source| IndexError::Write { path: dir.clone(), source })?;
        let highest = self.generations()?.last().and_then(|name| generation_number(name)).unwrap_or(0);
        Ok((dir, format!("{GENERATION_PREFIX}{:06}", highest + 1)))
    }

    /// Removes what a killed build left.
    ///
    /// Returns an error if it cannot be removed.
    pub fn discard_build(&self, _lock: &CatalogLock) -> Result<(), IndexError> {
        let dir = self.path().join(BUILDING_DIR);
        if dir.exists() {
            fs::remove_dir_all(&dir).map_err(|source| IndexError::Write { path: dir, source })?;
        }
        Ok(())
    }

    /// Gives the finished folder its name and puts it in use, in two steps each of which is whole or not at all.
    ///
    /// Returns an error if either cannot be written; the generation in use is then the old one.
    pub fn publish(&self, _lock: &CatalogLock, building: &Path, manifest: &Manifest) -> Result<(), IndexError> {
        disk::rename(building, &self.path().join(&manifest.generation))?;
        self.set_current(manifest)
    }

    fn set_current(&self, manifest: &Manifest) -> Result<(), IndexError> {
        let line = format!("{} {}\n", manifest.generation, manifest.checksum);
        disk::replace_file(&self.path().join(CURRENT_FILE), line.as_bytes())
    }

    /// Puts an older generation in use: the named one, or the newest before the one in use, or the newest of all where `CURRENT` cannot
    /// be read. Returns its manifest.
    ///
    /// Returns an error if there is none, it is damaged, or another process changes the catalog.
    pub fn rollback(&self, to: Option<&str>) -> Result<Manifest, IndexError> {
        let _lock = self.lock()?;
        let generations = self.generations()?;
        let current = self.current_if_readable().and_then(|name| generation_number(&name)).unwrap_or(u64::MAX);
        let before = generations.iter().rfind(|name| generation_number(name).is_some_and(|n| n < current));
        let no_older = || IndexError::NoOlderGeneration { catalog: self.catalog.clone() };
        let name = to.or(before.map(String::as_str)).ok_or_else(no_older)?;
        let generation = self.open_generation(name, Check::Hashes)?;
        self.set_current(generation.manifest())?;
        Ok(generation.manifest().clone())
    }

    /// Deletes all generations but the one in use and the `keep` newest others, and what a killed build left.
    ///
    /// Returns the names of what was deleted. Returns an error if a folder cannot be deleted or another process changes the catalog.
    pub fn gc(&self, keep: usize) -> Result<Vec<String>, IndexError> {
        let _lock = self.lock()?;
        let current = self.current()?;
        let mut names = self.generations()?;
        names.retain(|name| Some(name) != current.as_ref());
        names.truncate(names.len().saturating_sub(keep));
        if self.path().join(BUILDING_DIR).exists() {
            names.push(BUILDING_DIR.to_owned());
        }
        for name in &names {
            let dir = self.path().join(name);
            fs::remove_dir_all(&dir).map_err(|source| IndexError::Write { path: dir, source })?;
        }
        Ok(names)
    }
}

/// The number in `gen-000042`.
fn generation_number(name: &str) -> Option<u64> {
    let digits = name.strip_prefix(GENERATION_PREFIX)?;
    let is_number = digits.len() >= 6 && digits.bytes().all(|b| b.is_ascii_digit());
    is_number.then(|| digits.parse().ok()).flatten()
}

fn names_in(dir: &Path) -> Result<Vec<String>, IndexError> {
    let failed = |source| IndexError::Read { path: dir.to_owned(), source };
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(source) => return Err(failed(source)),
    };
    let mut names = Vec::new();
    for entry in entries {
        names.push(entry.map_err(failed)?.file_name().to_string_lossy().into_owned());
    }
    Ok(names)
}
