//! Writes the vocabularies of the encodings in the compact form that `src/vocabulary.rs` reads.
//!
//! The vocabularies come out of the crate tiktoken-rs (OpenAI's published rank files, MIT licence), which carries
//! them as 6 MB of base64 text and takes 60 to 160 ms to load one. Here each becomes one block of bytes, about half
//! the size, that is indexed in 2 to 16 ms.
//!
//! ```text
//! off    size  meaning
//!   0       4  n, ranks, little-endian
//!   4       n  length of the token of each rank; 0 = the rank is a special token or unused
//! 4+n       -  the tokens, one behind the other
//! ```

use std::error::Error;
use std::path::Path;

use tiktoken_rs::CoreBPE;

/// Above every rank of every encoding, so that a walk over all ranks ends.
const RANK_LIMIT: u32 = 1 << 18;

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=build.rs");
    let folder = std::env::var_os("OUT_DIR").ok_or("cargo gives no OUT_DIR")?;
    let encodings = [
        ("r50k_base", tiktoken_rs::r50k_base()?),
        ("p50k_base", tiktoken_rs::p50k_base()?),
        ("cl100k_base", tiktoken_rs::cl100k_base()?),
        ("o200k_base", tiktoken_rs::o200k_base()?),
    ];
    for (name, encoding) in encodings {
        std::fs::write(Path::new(&folder).join(format!("{name}.vocabulary")), block(&encoding)?)?;
    }
    Ok(())
}

/// The vocabulary as one block. Special tokens are left out: text is never read as one.
fn block(encoding: &CoreBPE) -> Result<Vec<u8>, Box<dyn Error>> {
    let special = encoding.special_tokens();
    let mut lengths = Vec::new();
    let mut tokens = Vec::new();
    for rank in 0..RANK_LIMIT {
        let Ok(token) = encoding.decode_bytes(&[rank]) else {
            lengths.push(0);
            continue;
        };
        if std::str::from_utf8(&token).is_ok_and(|text| special.contains(text)) {
            lengths.push(0);
        } else {
            lengths.push(u8::try_from(token.len())?);
            tokens.extend_from_slice(&token);
        }
    }
    let used = lengths.iter().rposition(|length| *length != 0).map_or(0, |last| last + 1);
    lengths.truncate(used);
    let mut block = u32::try_from(used)?.to_le_bytes().to_vec();
    block.append(&mut lengths);
    block.append(&mut tokens);
    Ok(block)
}
