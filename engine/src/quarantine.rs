//! The quarantine: where damaged pieces are kept, whole, before anything takes their place.
//!
//! A piece is copied, not moved: until the copy is on disk and has its name, the store is as it was, so that a crash
//! anywhere leaves the piece in the store, in the quarantine, or in both. The name of a copy is that of the file it
//! came from and the time at which it was made. A copy that is there already, byte for byte, is not made again.

use std::path::Path;

use crate::error::{Error, Result};
use crate::format::name::QUARANTINE_DIR;
use crate::io::names::move_file;
use crate::io::{OpenMode, Vfs};

/// Copies a damaged file of the store in `dir` to the quarantine, durably. `name` is the file's own, without a
/// folder. Returns the path of the copy, relative to the store.
///
/// # Errors
/// What the operating system says; then there is no copy under a final name.
pub(crate) fn keep(vfs: &dyn Vfs, dir: &Path, name: &str, bytes: &[u8]) -> Result<String> {
    let folder = open_folder(vfs, dir)?;
    if let Some(known) = find(vfs, &folder, name, bytes) {
        // Whoever made it may have stopped before it was durable.
        let failed = |error| Error::io("the quarantine cannot be synced", &folder, error);
        vfs.sync_dir(&folder).map_err(failed)?;
        return Ok(format!("{QUARANTINE_DIR}/{known}"));
    }
    let unfinished = folder.join(format!("{name}.new"));
    let kept = free_name(vfs, &folder, name);
    let path = folder.join(&kept);
    let failed = |error| Error::io("a damaged file cannot be set aside", &path, error);
    match vfs.remove(&unfinished) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(failed(error)),
        _ => {}
    }
    let written = vfs.open(&unfinished, OpenMode::CreateNew).and_then(|file| {
        file.write_at(0, bytes)?;
        file.sync_data()
    });
    if let Err(error) = written {
        // On a full disk the half of a copy would keep room from everybody.
        let _removed = vfs.remove(&unfinished);
        return Err(failed(error));
    }
    vfs.rename(&unfinished, &path).map_err(failed)?;
    vfs.sync_dir(&folder).map_err(failed)?;
    Ok(format!("{QUARANTINE_DIR}/{kept}"))
}

/// Moves a file of the store that nothing else is to take the place of into the quarantine, durably. Returns its new
/// path, relative to the store.
///
/// # Errors
/// What the operating system says.
pub(crate) fn set_aside(vfs: &dyn Vfs, dir: &Path, path: &Path) -> Result<String> {
    let folder = open_folder(vfs, dir)?;
    let name = path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
    let kept = free_name(vfs, &folder, &name);
    let failed = |error| Error::io("a file cannot be set aside", path, error);
    move_file(vfs, path, &folder.join(&kept)).map_err(failed)?;
    vfs.sync_dir(&folder).map_err(failed)?;
    vfs.sync_dir(path.parent().unwrap_or(dir)).map_err(failed)?;
    Ok(format!("{QUARANTINE_DIR}/{kept}"))
}

/// Makes the folder if there is none.
fn open_folder(vfs: &dyn Vfs, dir: &Path) -> Result<std::path::PathBuf> {
    let folder = dir.join(QUARANTINE_DIR);
    let failed = |error| Error::io("the quarantine cannot be made", &folder, error);
    vfs.create_dir(&folder).map_err(failed)?;
    vfs.sync_dir(dir).map_err(failed)?;
    Ok(folder)
}

/// The name of a copy: that of the file, with the time before its ending.
pub(crate) fn dated(name: &str, at: impl std::fmt::Display) -> String {
    match name.rsplit_once('.') {
        Some((stem, ending)) => format!("{stem}-{at}.{ending}"),
        None => format!("{name}-{at}"),
    }
}

/// A name that no file of the quarantine has.
fn free_name(vfs: &dyn Vfs, folder: &Path, name: &str) -> String {
    let mut at = vfs.now();
    while vfs.stat(&folder.join(dated(name, at))).is_ok() && at < i64::MAX {
        at += 1;
    }
    dated(name, at)
}

/// When a file was copied, as the name of the copy says; none for a copy of another file.
fn copied_at(copy: &str, name: &str) -> Option<i64> {
    let (stem, ending) = name.rsplit_once('.').unwrap_or((name, ""));
    let rest = copy.strip_prefix(stem)?.strip_prefix('-')?;
    let at = if ending.is_empty() { rest } else { rest.strip_suffix(ending)?.strip_suffix('.')? };
    at.parse().ok()
}

/// The path of the newest copy of a file, relative to the store in `dir`.
pub(crate) fn newest(vfs: &dyn Vfs, dir: &Path, name: &str) -> Option<String> {
    let names = vfs.list(&dir.join(QUARANTINE_DIR)).ok()?;
    let copies = names.into_iter().filter_map(|copy| Some((copied_at(&copy, name)?, copy)));
    copies.max().map(|(_, copy)| format!("{QUARANTINE_DIR}/{copy}"))
}

/// The copy of a file that has these bytes.
fn find(vfs: &dyn Vfs, folder: &Path, name: &str, bytes: &[u8]) -> Option<String> {
    vfs.list(folder).ok()?.into_iter().filter(|copy| copied_at(copy, name).is_some()).find(|other| {
        let path = folder.join(other);
        vfs.stat(&path).is_ok_and(|stat| stat.size == bytes.len() as u64)
            && vfs
                .open(&path, OpenMode::Read)
                .and_then(|file| file.map_read())
                .is_ok_and(|map| map.bytes() == bytes)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::io::disk::Disk;

    #[test]
    fn a_copy_says_where_it_came_from_and_is_made_once() {
        let dir = tempfile::tempdir().unwrap();
        let vfs = Disk::new();
        let one = keep(&vfs, dir.path(), "7.seg", b"damaged").unwrap();
        assert!(one.starts_with("quarantine/7-") && one.ends_with(".seg"), "{one}");
        assert_eq!(std::fs::read(dir.path().join(&one)).unwrap(), b"damaged");
        assert_eq!(keep(&vfs, dir.path(), "7.seg", b"damaged").unwrap(), one);
        let other = keep(&vfs, dir.path(), "7.seg", b"otherwise").unwrap();
        assert_ne!(other, one);
        std::fs::write(dir.path().join("MANIFEST"), b"").unwrap();
        let moved = set_aside(&vfs, dir.path(), &dir.path().join("MANIFEST")).unwrap();
        assert!(moved.starts_with("quarantine/MANIFEST-"), "{moved}");
        assert!(!dir.path().join("MANIFEST").exists());
        assert_eq!(std::fs::read_dir(dir.path().join("quarantine")).unwrap().count(), 3);
    }
}
