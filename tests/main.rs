//! All tests of the whole: the command, imports of real logs, the same questions to another database, the
//! engine on a machine that fails, the house rules, the fuzz targets. One binary, linked once.

#[cfg(test)]
mod cli;
#[cfg(test)]
mod fuzz_smoke;
#[cfg(test)]
mod kill;
#[cfg(test)]
mod machine;
#[cfg(test)]
mod oracle;
#[cfg(test)]
mod real;
#[cfg(test)]
mod tidy;
