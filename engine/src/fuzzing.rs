//! Bodies of fuzz targets: any bytes go in, nothing panics.

use crate::column;
use crate::format::header;
use crate::format::manifest::{Edit, HEAD_SIZE, Head, read_edit};
use crate::index;
use crate::record::{self, Payload};
use crate::segment::walk::{Frames, Step, Walk, settle};

/// Reads bytes as an active file and as a payload.
pub fn frames(bytes: &[u8]) {
    let mut file = vec![0; 4096];
    file.extend_from_slice(bytes);
    let frames = Frames { bytes: &file, salt: 0, cap: u64::MAX };
    let mut walk = Walk::new(frames, header::SIZE);
    while walk.step() == Step::Batch {}
    for frame in settle(frames, header::SIZE, 0, None).frames {
        payload(frame.payload(&file));
    }
    payload(bytes);
    let _read = header::FileHeader::read(bytes);
}

fn payload(bytes: &[u8]) {
    let Some(mut payload) = Payload::read(bytes) else { return };
    while let Some((_, mut fields)) = payload.take_row() {
        while let Some(raw) = record::take_field(&mut fields) {
            let _shown = (payload.name(raw.name), raw.value());
        }
    }
}

/// Reads bytes as a manifest.
pub fn manifest(bytes: &[u8]) {
    let _head = Head::read(bytes);
    let mut offset = HEAD_SIZE;
    while let Edit::Ops(_, next) = read_edit(bytes, 0, offset) {
        offset = next;
    }
}

/// Reads bytes as the chunk of a column, with the checksums that it has and with right ones.
pub fn column(bytes: &[u8]) {
    column::fuzz(bytes);
}

/// Reads bytes as the index of a segment, with the checksums that it has and with right ones.
pub fn index(bytes: &[u8]) {
    index::fuzz(bytes);
}
