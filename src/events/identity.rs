//! Who did it, as a keyed hash: the only form in which ids of shoppers, sessions, events and orders are ever written.
//!
//! The key is `events.key` in the catalog's folder: 32 random bytes that only their owner may read, made on first use. Without it the
//! hashes tell nothing about the ids, not even by trying all of them; whoever loses it can add no event to the old ones.

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use super::error::EventError;

/// Name of the key's file in a catalog's folder.
pub const KEY_FILE: &str = "events.key";
const KEY_BYTES: usize = 32;

/// What an id names: equal texts of two domains have nothing in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Domain {
    /// A visitor or a user.
    Shopper,
    Session,
    Order,
    /// An event's own id.
    Event,
    /// An event without an id, by its content.
    Content,
    /// Tells whether a store was written with this key.
    Check,
    /// An id that is being erased.
    Erasure,
    /// An order and the time at which a refund of it was told to have been.
    Refund,
}

/// The key of one catalog.
#[derive(Clone)]
pub(super) struct IdentityKey([u8; KEY_BYTES]);

impl IdentityKey {
    /// Reads the key in `folder`; `None` when there is none.
    ///
    /// Returns an error if it cannot be read or is no key.
    pub(super) fn read(folder: &Path) -> Result<Option<Self>, EventError> {
        let path = folder.join(KEY_FILE);
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(EventError::ReadKey { path, source: source.into() }),
        };
        match <[u8; KEY_BYTES]>::try_from(bytes) {
            Ok(key) => Ok(Some(Self(key))),
            Err(bytes) => Err(EventError::DamagedKey { path, num_bytes: bytes.len() }),
        }
    }

    /// Reads the key in `folder`, making it when there is none.
    ///
    /// Returns an error as [`IdentityKey::read`] does, or if it cannot be made.
    pub(super) fn read_or_make(folder: &Path) -> Result<Self, EventError> {
        if let Some(key) = Self::read(folder)? {
            return Ok(key);
        }
        let path = folder.join(KEY_FILE);
        let failed = |source: std::io::Error| EventError::MakeKey { path: path.clone(), source: source.into() };
        let temporary = folder.join(format!("{KEY_FILE}.{}", ulid::Ulid::generate()));
        let made = make(&temporary, &path);
        // What is left of the temporary file is its name alone, if the link was made.
        let _ = fs::remove_file(&temporary);
        made.map_err(failed)?;
        Self::read(folder)?.ok_or(EventError::MissingKey { path })
    }

    /// 128 bits that stand for `bytes` in `domain`.
    pub(super) fn digest(&self, domain: Domain, bytes: &[u8]) -> [u8; 16] {
        let mut hasher = blake3::Hasher::new_keyed(&self.0);
        hasher.update(&[domain as u8]).update(bytes);
        let mut digest = [0; 16];
        digest.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
        digest
    }

    /// 64 bits that stand for `text` in `domain`.
    pub(super) fn hash(&self, domain: Domain, text: &str) -> i64 {
        let [a, b, c, d, e, f, g, h, ..] = self.digest(domain, text.as_bytes());
        i64::from_be_bytes([a, b, c, d, e, f, g, h])
    }
}

/// Writes a key to `temporary` and gives it the name `path`, unless another process was quicker.
fn make(temporary: &Path, path: &Path) -> std::io::Result<()> {
    let mut key = [0; KEY_BYTES];
    File::open("/dev/urandom")?.read_exact(&mut key)?;
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(temporary)?;
    file.write_all(&key)?;
    file.sync_all()?;
    match fs::hard_link(temporary, path) {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    let folder = path.parent().map_or_else(|| PathBuf::from("."), Path::to_owned);
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_key_is_made_once_for_its_owner_alone_and_hashes_by_domain() {
        let dir = tempfile::tempdir().unwrap();
        assert!(IdentityKey::read(dir.path()).unwrap().is_none());
        let key = IdentityKey::read_or_make(dir.path()).unwrap();
        let again = IdentityKey::read_or_make(dir.path()).unwrap();
        assert_eq!(key.hash(Domain::Shopper, "anna"), again.hash(Domain::Shopper, "anna"));
        assert_ne!(key.hash(Domain::Shopper, "anna"), key.hash(Domain::Session, "anna"));
        assert_ne!(key.hash(Domain::Shopper, "anna"), key.hash(Domain::Shopper, "anne"));
        let mode = fs::metadata(dir.path().join(KEY_FILE)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
        let other = tempfile::tempdir().unwrap();
        let other = IdentityKey::read_or_make(other.path()).unwrap();
        assert_ne!(key.hash(Domain::Shopper, "anna"), other.hash(Domain::Shopper, "anna"));
    }

    #[test]
    fn a_cut_key_is_an_error_that_names_it() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join(KEY_FILE), "short").unwrap();
        let error = IdentityKey::read_or_make(dir.path()).err().unwrap();
        assert!(matches!(&error, EventError::DamagedKey { num_bytes: 5, .. }), "{error}");
    }
}
