//! Words: which groups hold a word, by tantivy. A document is a group, its one field the group's words. Nothing is stored, scored or positioned: a term, and who has it.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tantivy::directory::RamDirectory;
use tantivy::postings::InvertedIndexSerializer;
use tantivy::schema::{Field, IndexRecordOption, Schema, TextFieldIndexing, TextOptions};
use tantivy::tokenizer::{RawTokenizer, TextAnalyzer, TokenizerManager};
use tantivy::{
    Directory as _, DocSet as _, SegmentReader, SingleSegmentIndexWriter, TERMINATED, TantivyDocument, Term,
};

use super::directory::Pieces;
use super::groups::Groups;
use super::{Bytes, Damaged};

/// The files of a tantivy segment and the one that describes it, by their extensions. Part of the format: the
/// position in this list, plus one, is the kind of the piece.
pub(super) const FILES: [&str; 7] = ["json", "term", "idx", "pos", "fast", "store", "fieldnorm"];

const META: &str = "meta.json";
const FIELD: &str = "words";
/// Part of the format. Nothing is cut by it: words come cut.
const TOKENIZER: &str = "lines";

/// Memory that tantivy sizes its first tables by.
const BUDGET: usize = 32 << 20;

/// A file of the segment of this name.
fn file_path(name: &str, extension: &str) -> PathBuf {
    Path::new(name).with_extension(extension)
}

fn schema() -> (Schema, Field) {
    let indexing = TextFieldIndexing::default()
        .set_tokenizer(TOKENIZER)
        .set_index_option(IndexRecordOption::Basic)
        .set_fieldnorms(false);
    let mut schema = Schema::builder();
    let field = schema.add_text_field(FIELD, TextOptions::default().set_indexing_options(indexing));
    (schema.build(), field)
}

/// Takes a word, and the groups that hold it in order.
pub(super) type Put<'p> = dyn FnMut(&[u8], &[u32]) -> std::io::Result<()> + 'p;

/// Makes the files of an index, in the order of [`FILES`]; one that there is none of is empty. `words` gives
/// each word in order, with the groups that hold it, of `groups`; `held` is how many that are of all words.
///
/// Documents without words go through tantivy's own writer, which makes all but the words. These go to its serializer as they
/// are, in place of as documents that it would take apart again: that took a sixth of the time of sealing.
pub(super) fn write(
    groups: u32,
    held: u64,
    words: impl FnOnce(&mut Put<'_>) -> std::io::Result<()>,
) -> tantivy::Result<Vec<Vec<u8>>> {
    let (schema, field) = schema();
    let directory = RamDirectory::create();
    let mut writer = writer(schema, directory.clone(), TextAnalyzer::from(RawTokenizer::default()))?;
    for _ in 0..groups {
        writer.add_document(TantivyDocument::default())?;
    }
    let index = writer.finalize()?;
    let mut files = all(&directory, &index)?;
    if held == 0 {
        return Ok(files);
    }
    let segment = index.new_segment();
    let mut serializer = InvertedIndexSerializer::open(&segment)?;
    let mut terms = serializer.new_field(field, held, None)?;
    words(&mut |word, groups| {
        terms.new_term_without_freq(word)?;
        groups.iter().for_each(|&group| terms.write_doc(group, 0, &[]));
        terms.close_term()
    })?;
    terms.close()?;
    serializer.close()?;
    take(&directory, &segment.id().uuid_string(), &mut files)?;
    Ok(files)
}

/// The same files, of documents that hold their words.
#[cfg(test)]
pub(super) fn of_documents(groups: &[Vec<String>]) -> tantivy::Result<Vec<Vec<u8>>> {
    let (schema, field) = schema();
    let directory = RamDirectory::create();
    let cut = tantivy::tokenizer::WhitespaceTokenizer::default();
    let mut writer = writer(schema, directory.clone(), TextAnalyzer::from(cut))?;
    for group in groups {
        let words: std::collections::BTreeSet<&str> = group.iter().map(String::as_str).collect();
        let mut document = TantivyDocument::default();
        document.add_text(field, words.into_iter().collect::<Vec<_>>().join(" "));
        writer.add_document(document)?;
    }
    all(&directory, &writer.finalize()?)
}

fn writer(
    schema: Schema,
    directory: RamDirectory,
    cut: TextAnalyzer,
) -> tantivy::Result<SingleSegmentIndexWriter> {
    let tokenizers = TokenizerManager::default();
    tokenizers.register(TOKENIZER, cut);
    let builder = tantivy::Index::builder().schema(schema).tokenizers(tokenizers);
    builder.single_segment_index_writer(directory, BUDGET)
}

/// The files of the one segment of an index.
fn all(directory: &RamDirectory, index: &tantivy::Index) -> tantivy::Result<Vec<Vec<u8>>> {
    let mut files = vec![Vec::new(); FILES.len()];
    for meta in index.searchable_segment_metas()? {
        let name = meta.id().uuid_string();
        take(directory, &name, &mut files)?;
        let described = directory.atomic_read(Path::new(META))?;
        if let Some(first) = files.first_mut() {
            *first = nameless(&String::from_utf8_lossy(&described), &name).into_bytes();
        }
    }
    Ok(files)
}

/// Takes the files of a segment that there are.
fn take(directory: &RamDirectory, name: &str, files: &mut [Vec<u8>]) -> tantivy::Result<()> {
    for (extension, file) in FILES.iter().zip(files).skip(1) {
        let path = file_path(name, extension);
        if directory.exists(&path)? {
            *file = directory.open_read(&path)?.read_bytes()?.to_vec();
        }
    }
    Ok(())
}

/// The description of an index with zeros for the random name of its segment, so that the same words give the
/// same bytes.
fn nameless(described: &str, name: &str) -> String {
    // The name is 32 hexadecimal digits; in the description they come in groups of 8, 4, 4, 4 and 12.
    let mut hyphenated = String::new();
    for (at, digit) in name.chars().enumerate() {
        if matches!(at, 8 | 12 | 16 | 20) {
            hyphenated.push('-');
        }
        hyphenated.push(digit);
    }
    let zeros = |name: &str| name.replace(|c| c != '-', "0");
    described.replace(&hyphenated, &zeros(&hyphenated)).replace(name, &zeros(name))
}

/// The word index of a segment, for asking.
pub(super) struct Words {
    reader: SegmentReader,
    field: Field,
}

/// Asks tantivy, which panics over bytes that it did not write: of all single bytes flipped behind checksums
/// made right again, one in twenty-six did. Checksums keep accidents from it, but not files made to harm.
/// Nothing is changed by reading, but for a cache of tantivy's that refuses to work from then on.
fn guarded<T>(ask: impl FnOnce() -> Result<T, Damaged>) -> Result<T, Damaged> {
    catch_unwind(AssertUnwindSafe(ask)).unwrap_or_else(|_| Err(broken(())))
}

fn broken(_: impl Sized) -> Damaged {
    Damaged { what: "a word index that tantivy cannot read", offset: 0 }
}

impl Words {
    /// Opens the files, whose checksums hold.
    pub(super) fn open(files: Arc<[(&'static str, Bytes)]>, groups: u32) -> Result<Self, Damaged> {
        guarded(|| Self::open_trusting(files, groups))
    }

    fn open_trusting(files: Arc<[(&'static str, Bytes)]>, groups: u32) -> Result<Self, Damaged> {
        let index = tantivy::Index::open(Pieces(files)).map_err(broken)?;
        let (schema, field) = schema();
        let segments = index.searchable_segments().map_err(broken)?;
        let [segment] = segments.as_slice() else { return Err(broken(segments)) };
        let reader = SegmentReader::open(segment).map_err(broken)?;
        if index.schema() != schema || reader.max_doc() != groups || reader.has_deletes() {
            return Err(broken(reader));
        }
        Ok(Self { reader, field })
    }

    /// The groups that hold a word.
    pub(super) fn candidates(&self, word: &str, groups: u32) -> Result<Groups, Damaged> {
        guarded(|| self.candidates_trusting(word, groups))
    }

    fn candidates_trusting(&self, word: &str, groups: u32) -> Result<Groups, Damaged> {
        let inverted = self.reader.inverted_index(self.field).map_err(broken)?;
        let mut found = Groups::none(groups);
        let term = Term::from_field_text(self.field, word);
        let postings = inverted.read_postings(&term, IndexRecordOption::Basic).map_err(broken)?;
        let Some(mut postings) = postings else { return Ok(found) };
        let mut group = postings.doc();
        while group != TERMINATED {
            if !found.insert(group) {
                return Err(broken(group));
            }
            let next = postings.advance();
            // Groups that go up come to an end.
            if next <= group {
                return Err(broken(next));
            }
            group = next;
        }
        Ok(found)
    }

    /// Whether the files are what tantivy wrote, by the checksums that it keeps itself.
    pub(super) fn verify(&self) -> Result<(), Damaged> {
        guarded(|| self.verify_trusting())
    }

    fn verify_trusting(&self) -> Result<(), Damaged> {
        let name = self.reader.segment_id().uuid_string();
        let directory = self.reader.index().directory();
        for extension in FILES.iter().skip(1) {
            let path = file_path(&name, extension);
            if !directory.validate_checksum(&path).map_err(broken)? {
                return Err(broken(path));
            }
        }
        Ok(())
    }
}
