//! Tests of counting, usage and prices against what others say about the same texts and answers.

#[cfg(test)]
mod differential;
#[cfg(test)]
mod estimates;
#[cfg(test)]
mod price;
#[cfg(all(test, feature = "tokenizer-json"))]
mod tokenizer_file;
#[cfg(test)]
mod truth;
#[cfg(test)]
mod usage;
