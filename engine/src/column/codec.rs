//! Codecs: how the bytes of one page are squeezed.
//!
//! ```text
//! 0 stored   1 LZ4 (block format, no size in front)   2 DEFLATE (raw, no zlib head)   3 Zstandard (one frame)
//! ```
//!
//! A page that does not get smaller by a thirty-second is stored: reading it back is then a copy. Before
//! anything is allocated for a page, its stated size is held against what the codec can make of the stored
//! bytes at best.

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};
use zstd::bulk::{Compressor, Decompressor};

/// DEFLATE's level. On English prose in pages of 64 KiB levels 4, 5 and 6 came to 40.9, 40.6 and 40.5 % of
/// the size at 70, 66 and 59 MB/s; level 2 to 43.0 % at 100 MB/s.
const LEVEL: u32 = 5;

/// Zstandard's level where nothing else is said. On the prompts of a million agent events in pages of 256 KiB levels 3, 4, 5 and 6
/// came to 40.0, 38.5, 37.9 and 37.5 % of the size at 95, 59, 53 and 39 MB/s, and DEFLATE in pages of 64 KiB to 41.5 %.
const ZSTD_LEVEL: i32 = 3;
/// A smaller page is left to DEFLATE, whose frame takes fewer bytes.
const ZSTD_SIZE_MIN: usize = 1 << 10;

/// LZ4 grows no byte to more than this many.
const LZ4_RATIO_MAX: usize = 255;
/// DEFLATE grows no byte to more than this many.
const DEFLATE_RATIO_MAX: usize = 1032;

/// Zstandard grows no byte to more than this many: a block of 128 KiB takes four bytes at least.
const ZSTD_RATIO_MAX: usize = 1 << 15;

/// The codec of a page; the numbers are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Codec {
    Stored = 0,
    Lz4 = 1,
    Deflate = 2,
    Zstd = 3,
}

impl Codec {
    pub(crate) const fn from_tag(tag: u8) -> Option<Self> {
        Some(match tag {
            0 => Self::Stored,
            1 => Self::Lz4,
            2 => Self::Deflate,
            3 => Self::Zstd,
            _ => return None,
        })
    }
}

/// Squeezes pages, one after the other; keeps its tables and buffers between them.
pub(crate) struct Packer {
    zstd_level: i32,
    deflate: Option<Compress>,
    zstd: Option<Compressor<'static>>,
    out: Vec<u8>,
}

impl Default for Packer {
    fn default() -> Self {
        Self::new(ZSTD_LEVEL)
    }
}

impl Packer {
    /// One that uses this level of Zstandard.
    pub(crate) fn new(zstd_level: i32) -> Self {
        Self { zstd_level, deflate: None, zstd: None, out: Vec::new() }
    }

    /// The page under `codec`, or stored if that does not make it smaller.
    pub(crate) fn pack<'p>(&'p mut self, codec: Codec, raw: &'p [u8]) -> (Codec, &'p [u8]) {
        let codec = match codec {
            Codec::Zstd if raw.len() < ZSTD_SIZE_MIN => Codec::Deflate,
            codec => codec,
        };
        let small = match codec {
            Codec::Stored => None,
            Codec::Lz4 => self.lz4(raw),
            Codec::Deflate => self.deflate(raw),
            Codec::Zstd => self.zstd(raw),
        };
        match small.and_then(|len| self.out.get(..len)) {
            Some(small) => (codec, small),
            None => (Codec::Stored, raw),
        }
    }

    fn lz4(&mut self, raw: &[u8]) -> Option<usize> {
        let room = lz4_flex::block::get_maximum_output_size(raw.len());
        if self.out.len() < room {
            self.out.resize(room, 0);
        }
        let len = lz4_flex::block::compress_into(raw, &mut self.out).ok()?;
        (len < worthwhile(raw.len())).then_some(len)
    }

    fn deflate(&mut self, raw: &[u8]) -> Option<usize> {
        let deflate = self.deflate.get_or_insert_with(|| Compress::new(Compression::new(LEVEL), false));
        deflate.reset();
        let room = worthwhile(raw.len());
        if self.out.len() < room {
            self.out.resize(room, 0);
        }
        let status = deflate.compress(raw, self.out.get_mut(..room)?, FlushCompress::Finish).ok()?;
        (status == Status::StreamEnd).then(|| usize::try_from(deflate.total_out()).ok()).flatten()
    }

    fn zstd(&mut self, raw: &[u8]) -> Option<usize> {
        if self.zstd.is_none() {
            let mut zstd = Compressor::new(self.zstd_level).ok()?;
            // The table of pages has size and checksum.
            zstd.include_checksum(false).ok()?;
            zstd.include_contentsize(false).ok()?;
            self.zstd = Some(zstd);
        }
        let room = worthwhile(raw.len());
        if self.out.len() < room {
            self.out.resize(room, 0);
        }
        self.zstd.as_mut()?.compress_to_buffer(raw, self.out.get_mut(..room)?).ok()
    }
}

/// The size that a codec must reach to be used.
fn worthwhile(raw: usize) -> usize {
    raw - raw / 32
}

/// Reads pages back; keeps its tables between them.
#[derive(Default)]
pub(crate) struct Unpacker {
    inflate: Option<Decompress>,
    zstd: Option<Decompressor<'static>>,
}

impl Unpacker {
    /// Whether `stored` bytes can be a page of `raw` bytes at all.
    pub(crate) fn plausible(codec: Codec, stored: usize, raw: usize) -> bool {
        match codec {
            Codec::Stored => raw == stored,
            Codec::Lz4 => raw / LZ4_RATIO_MAX <= stored,
            Codec::Deflate => raw / DEFLATE_RATIO_MAX <= stored,
            Codec::Zstd => raw / ZSTD_RATIO_MAX <= stored,
        }
    }

    /// Replaces what `out` holds by the page's `raw` bytes. `None` when it does not come to exactly these.
    pub(crate) fn unpack(
        &mut self,
        codec: Codec,
        stored: &[u8],
        raw: usize,
        out: &mut Vec<u8>,
    ) -> Option<()> {
        if !Self::plausible(codec, stored.len(), raw) {
            return None;
        }
        if codec == Codec::Stored {
            out.clear();
            out.extend_from_slice(stored);
            return Some(());
        }
        out.resize(raw, 0);
        match codec {
            Codec::Stored => {}
            Codec::Lz4 => {
                let len = lz4_flex::block::decompress_into(stored, out).ok()?;
                (len == raw).then_some(())?;
            }
            Codec::Deflate => {
                let inflate = self.inflate.get_or_insert_with(|| Decompress::new(false));
                inflate.reset(false);
                let status = inflate.decompress(stored, out, FlushDecompress::Finish).ok()?;
                let whole = status == Status::StreamEnd
                    && inflate.total_out() == raw as u64
                    && inflate.total_in() == stored.len() as u64;
                whole.then_some(())?;
            }
            Codec::Zstd => {
                if self.zstd.is_none() {
                    self.zstd = Some(Decompressor::new().ok()?);
                }
                let len = self.zstd.as_mut()?.decompress_to_buffer(stored, out.as_mut_slice()).ok()?;
                (len == raw).then_some(())?;
            }
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CODECS: [Codec; 4] = [Codec::Stored, Codec::Lz4, Codec::Deflate, Codec::Zstd];

    fn text(size: usize) -> Vec<u8> {
        (0..).flat_map(|n: u32| format!("line {n} of {}\n", n % 7).into_bytes()).take(size).collect()
    }

    fn noise(size: usize) -> Vec<u8> {
        let mut state = 88_172_645_463_325_252_u64;
        let step = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state.to_le_bytes()
        };
        std::iter::repeat_with(step).flatten().take(size).collect()
    }

    #[test]
    fn pages_of_every_codec_and_size_read_back() {
        let (mut packer, mut unpacker, mut out) = (Packer::default(), Unpacker::default(), Vec::new());
        for codec in CODECS {
            for raw in [text(0), text(1), text(40), text(70_000), noise(5000), vec![0; 1 << 20], text(9)] {
                let (used, stored) = packer.pack(codec, &raw);
                assert_eq!(Codec::from_tag(used as u8), Some(used));
                assert!(stored.len() <= raw.len());
                assert_eq!(unpacker.unpack(used, stored, raw.len(), &mut out), Some(()));
                assert_eq!(out, raw);
            }
        }
        assert_eq!(packer.pack(Codec::Deflate, &noise(5000)).0, Codec::Stored);
        assert_eq!(packer.pack(Codec::Lz4, &text(5000)).0, Codec::Lz4);
        assert_eq!(packer.pack(Codec::Zstd, &text(5000)).0, Codec::Zstd);
        assert_eq!(packer.pack(Codec::Zstd, &text(500)).0, Codec::Deflate);
        assert_eq!(packer.pack(Codec::Zstd, &noise(5000)).0, Codec::Stored);
        assert_eq!(Codec::from_tag(4), None);
    }

    #[test]
    fn a_wrong_size_is_refused() {
        let (mut packer, mut unpacker, mut out) = (Packer::default(), Unpacker::default(), Vec::new());
        let raw = text(5000);
        for codec in CODECS {
            let (used, stored) = packer.pack(codec, &raw);
            for wrong in [0, 1, raw.len() - 1, raw.len() + 1, usize::MAX] {
                assert_eq!(unpacker.unpack(used, stored, wrong, &mut out), None, "{codec:?} {wrong}");
            }
            let (_, cut) = stored.split_last().unwrap();
            assert_eq!(unpacker.unpack(used, cut, raw.len(), &mut out), None, "{codec:?}");
            let longer = [stored, &[0]].concat();
            assert_eq!(unpacker.unpack(used, &longer, raw.len(), &mut out), None, "{codec:?}");
        }
    }
}
