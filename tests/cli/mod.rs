//! The command as a person and a script meet it: the real binary, its exit codes and its streams.

mod append;
mod backup;
mod budget;
mod calls;
mod check;
mod count;
mod export;
mod forget;
mod health;
mod import;
mod output;
mod repair;
mod settings;
mod shell;
mod suites;
mod track;
mod upkeep;

use std::ffi::OsStr;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What one run of the command left behind.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Ran {
    /// The run, which has to be a success.
    #[track_caller]
    pub(crate) fn good(self) -> Self {
        assert_eq!(self.code, Some(0), "{self:?}");
        self
    }

    /// The run, which has to end with this code and say this on standard error.
    #[track_caller]
    pub(crate) fn ends(self, code: i32, said: &str) -> Self {
        assert_eq!(self.code, Some(code), "{self:?}");
        assert!(self.err.contains(said), "{said:?} is not in {:?}", self.err);
        self
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {}", self.out))
    }
}

/// A temporary directory with a store in it.
pub(crate) struct Place {
    pub(crate) dir: tempfile::TempDir,
}

impl Place {
    pub(crate) fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn store(&self) -> PathBuf {
        self.path("store")
    }

    pub(crate) fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, bytes).unwrap();
        path
    }

    /// The command on this store, in an environment that says nothing.
    pub(crate) fn command<A: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = A>) -> Command {
        let mut command = bare(self.dir.path());
        command.env("LOGQ_STORE", self.store()).args(args);
        command
    }

    pub(crate) fn run<A: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = A>) -> Ran {
        run(&mut self.command(args), b"")
    }

    pub(crate) fn run_with<A: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = A>, input: &[u8]) -> Ran {
        run(&mut self.command(args), input)
    }

    /// A query whose answer is JSON.
    #[track_caller]
    pub(crate) fn json(&self, query: &str) -> serde_json::Value {
        self.run(["-o", "json", query]).good().json()
    }

    /// How many events there are.
    #[track_caller]
    pub(crate) fn count(&self) -> i64 {
        self.json("events | stats count")["rows"][0]["count"].as_i64().unwrap()
    }

    /// The files that hold records.
    pub(crate) fn active_files(&self) -> Vec<PathBuf> {
        let all = std::fs::read_dir(self.store().join("active")).unwrap().map(|entry| entry.unwrap().path());
        all.filter(|path| path.extension().is_some_and(|extension| extension == "log")).collect()
    }
}

/// The command in `dir`, in an environment that says nothing.
pub(crate) fn bare(dir: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_logq"));
    command.current_dir(dir).env("HOME", dir);
    for name in ["LOGQ_STORE", "LOGQ_NOW", "NO_COLOR", "XDG_DATA_HOME", "TERM"] {
        command.env_remove(name);
    }
    command
}

pub(crate) fn run(command: &mut Command, input: &[u8]) -> Ran {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_vec();
    // A command that does not read its input closes the pipe, which is its right.
    let feeder = std::thread::spawn(move || drop(stdin.write_all(&input)));
    let output = child.wait_with_output().unwrap();
    feeder.join().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Ran { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
}
