//! A tokenizer.json of the user's own: the vocabulary of a model that is not ours to give away.
//!
//! The format and its meaning are those of the crate `tokenizers` of Hugging Face, which reads it and counts. What it counts is the
//! text alone: no template of a chat and no token that a model puts around a text.

use std::fmt;
use std::path::Path;

/// A tokenizer that was read from a file.
///
/// ```
/// # let dir = tempfile::tempdir().unwrap();
/// # let path = dir.path().join("tokenizer.json");
/// # std::fs::write(&path, r#"{"version":"1.0","added_tokens":[],"pre_tokenizer":{"type":"Whitespace"},
/// #   "model":{"type":"WordLevel","vocab":{"[UNK]":0,"which":1,"way":2},"unk_token":"[UNK]"}}"#).unwrap();
/// use logq_tokens::TokenizerFile;
/// let tokenizer = TokenizerFile::open(&path)?;
/// assert_eq!((tokenizer.count("which way"), tokenizer.name()), (2, "tokenizer.json"));
/// # Ok::<(), logq_tokens::TokenizerFileError>(())
/// ```
#[derive(Clone, Debug)]
pub struct TokenizerFile {
    tokenizer: tokenizers::Tokenizer,
    name: String,
}

/// Why a file is no tokenizer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenizerFileError {
    what: String,
}

impl fmt::Display for TokenizerFileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

impl std::error::Error for TokenizerFileError {}

impl TokenizerFile {
    /// Reads a tokenizer.json.
    ///
    /// # Errors
    /// A file that cannot be read or holds no tokenizer; the message names it.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, TokenizerFileError> {
        let path = path.as_ref();
        let failed =
            |what: &dyn fmt::Display| TokenizerFileError { what: format!("{}: {what}", path.display()) };
        let bytes = std::fs::read(path).map_err(|error| failed(&error))?;
        let mut tokenizer = tokenizers::Tokenizer::from_bytes(bytes)
            .map_err(|error| failed(&format_args!("no tokenizer.json ({error})")))?;
        // A file may say that texts are cut or filled up to a length: a count is of all of a text and of nothing else.
        tokenizer.with_padding(None);
        tokenizer.with_truncation(None).map_err(|error| failed(&error))?;
        let name = path
            .file_name()
            .map_or_else(|| "tokenizer.json".into(), |name| name.to_string_lossy().into_owned());
        Ok(Self { tokenizer, name })
    }

    /// The name of the file.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The tokens of the whole text; of one that the tokenizer has no way to take apart, its bytes.
    #[must_use]
    pub fn count(&self, text: &str) -> u64 {
        let tokens = self.tokenizer.encode_fast(text, false).map(|encoding| encoding.len());
        tokens.unwrap_or(text.len()) as u64
    }
}
