//! How a file that is written gets its name: durably, in whatever folder and on whatever file system that lies.

use std::path::Path;

use crate::io::{OpenMode, Vfs};

/// How the name of a file ends that is being copied to another file system.
pub(crate) const COPYING: &str = "new";
/// Bytes of one write of such a copy.
const COPY_SIZE: usize = 1 << 20;

/// Gives a file that is on disk another name, also on another file system, as where `archive/` is a link to one. There it is
/// copied and compared before it gets its name, and the old one goes last: wherever that stops, one of the two is whole, and
/// an unfinished copy is named as such.
pub(crate) fn move_file(vfs: &dyn Vfs, from: &Path, to: &Path) -> std::io::Result<()> {
    match vfs.rename(from, to) {
        Err(error) if error.kind() == std::io::ErrorKind::CrossesDevices => {}
        result => return result,
    }
    let unfinished = to.with_extension(COPYING);
    match vfs.remove(&unfinished) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let copy = || -> std::io::Result<()> {
        let map = vfs.open(from, OpenMode::Read)?.map_read()?;
        let file = vfs.open(&unfinished, OpenMode::CreateNew)?;
        let mut offset = 0;
        for piece in map.bytes().chunks(COPY_SIZE) {
            file.write_at(offset, piece)?;
            offset += piece.len() as u64;
        }
        file.sync_data()?;
        if file.map_read()?.bytes() != map.bytes() {
            return Err(std::io::Error::other("the copy on the other file system is not what was written"));
        }
        vfs.rename(&unfinished, to)
    };
    if let Err(error) = copy() {
        // What is left of it goes when maintenance next begins.
        let _removed = vfs.remove(&unfinished);
        return Err(error);
    }
    if let Some(folder) = to.parent() {
        vfs.sync_dir(folder)?;
    }
    vfs.remove(from)
}

/// Makes the folders from the store's down to `folder`, each durable in the one above it.
pub(crate) fn make_folders(vfs: &dyn Vfs, dir: &Path, folder: &Path) -> std::io::Result<()> {
    let missing: Vec<&Path> = folder
        .ancestors()
        .take_while(|path| *path != dir && path.starts_with(dir))
        .filter(|path| vfs.stat(path).is_err())
        .collect();
    for path in missing.into_iter().rev() {
        vfs.create_dir(path)?;
        vfs.sync_dir(path.parent().unwrap_or(dir))?;
    }
    Ok(())
}
