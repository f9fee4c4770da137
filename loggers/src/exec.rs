//! Alerts to a program: what the budgets of a store raise, as JSON on the standard input of a command.
//!
//! The command is a list of arguments and never a line for a shell, so that no name of a budget or a user becomes a part of it.
//! What was delivered is remembered by the store ([`Budgets::deliver`]): an alert reaches the command once, and again when it failed.

use std::io::{Read as _, Write as _};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use logq_engine::budget::{Budgets, Delivered, Outgoing};
use logq_engine::{Error, ErrorKind, Result, Store, Value};

/// How often a command is looked at while it runs.
const LOOK_EVERY: Duration = Duration::from_millis(10);
/// Without news the outbox is looked at this often: another process may have raised an alert.
const ROUND_EVERY: Duration = Duration::from_secs(5);
/// Bytes of what a command complains of that are kept.
const COMPLAINT_MAX: u64 = 2048;
/// How long it is waited for after a command that failed.
const COMPLAINT_WAIT: Duration = Duration::from_secs(1);

/// A command that is run for each alert.
///
/// ```
/// # let dir = tempfile::tempdir().unwrap();
/// use logq_engine::{Event, Options, Store};
/// use logq_loggers::ExecSink;
/// let store = Store::open(dir.path(), Options::default())?;
/// let file = dir.path().join("alerts.jsonl");
/// let sink = ExecSink::new(["tee", "-a", file.to_str().unwrap()])?;
/// store.budgets().record(&Event::ai("chat").tokens(45_000, 0))?; // beyond 0.8 of 50,000 an hour
/// assert_eq!(sink.deliver(&store.budgets())?.delivered, 1);
/// assert!(std::fs::read_to_string(file).unwrap().contains("\"budget\":\"hourly\""));
/// # Ok::<(), logq_engine::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct ExecSink {
    program: String,
    arguments: Vec<String>,
    timeout: Duration,
}

/// Delivers in the background until it is dropped, which waits for a command that runs.
#[derive(Debug)]
pub struct ExecWatch {
    wake: Sender<Wake>,
    thread: Option<JoinHandle<()>>,
}

enum Wake {
    Alert,
    Stop,
}

impl ExecSink {
    /// A command and its arguments. It has 30 seconds for each alert.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] when there is no command, or a NUL in it.
    pub fn new<S: Into<String>>(command: impl IntoIterator<Item = S>) -> Result<Self> {
        let mut words = command.into_iter().map(Into::into);
        let program = words.next().filter(|program: &String| !program.is_empty());
        let invalid = |what: &str| Error::new(ErrorKind::Invalid, what);
        let program = program.ok_or_else(|| invalid("a command for alerts needs a program"))?;
        let arguments: Vec<String> = words.collect();
        if arguments.iter().chain([&program]).any(|word| word.contains('\0')) {
            return Err(invalid("a command for alerts cannot hold a NUL"));
        }
        Ok(Self { program, arguments, timeout: Duration::from_secs(30) })
    }

    /// Another time for each alert; a command that takes longer is killed and has failed.
    #[must_use]
    pub fn timeout(self, timeout: Duration) -> Self {
        Self { timeout, ..self }
    }

    /// Delivers what waits, as [`Budgets::deliver`]. A command has taken an alert when it ends with 0.
    ///
    /// # Errors
    /// As [`Budgets::deliver`]; that the command fails is no error, [`Delivered::failed`] says why.
    pub fn deliver(&self, budgets: &Budgets) -> Result<Delivered> {
        budgets.deliver(&mut |alert| self.send(alert))
    }

    /// Runs the command for one alert.
    ///
    /// # Errors
    /// Why the command did not take it.
    pub fn send(&self, alert: &Outgoing) -> std::result::Result<(), String> {
        let mut child = Command::new(&self.program)
            .args(&self.arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| format!("`{}` cannot be run: {error}", self.program))?;
        let mut line = json(alert);
        line.push('\n');
        let (input, complaints) = (child.stdin.take(), child.stderr.take());
        // Both run beside it: a command need neither read nor be quiet.
        std::thread::spawn(move || drop(input.map(|mut input| input.write_all(line.as_bytes()))));
        let (tell, told) = mpsc::channel();
        std::thread::spawn(move || {
            let mut text = Vec::new();
            if let Some(mut complaints) = complaints {
                // What is beyond is read all the same, so that the command is not stopped by a full pipe.
                drop(complaints.by_ref().take(COMPLAINT_MAX).read_to_end(&mut text));
                drop(tell.send(String::from_utf8_lossy(&text).trim().to_owned()));
                drop(std::io::copy(&mut complaints, &mut std::io::sink()));
            }
        });
        self.wait(&mut child)?;
        let ended = child.wait();
        // What the command left running may hold its pipe open for ever.
        let complaint = match &ended {
            Ok(status) if status.success() => String::new(),
            _ => told.recv_timeout(COMPLAINT_WAIT).unwrap_or_default(),
        };
        match ended {
            Ok(status) if status.success() => Ok(()),
            Ok(status) if complaint.is_empty() => Err(format!("`{}` failed: {status}", self.program)),
            Ok(status) => Err(format!("`{}` failed: {status}: {complaint}", self.program)),
            Err(error) => Err(format!("`{}` cannot be waited for: {error}", self.program)),
        }
    }

    /// Waits until the command ends; kills it after its time.
    fn wait(&self, child: &mut Child) -> std::result::Result<(), String> {
        let started = Instant::now();
        loop {
            match child.try_wait() {
                Ok(Some(_)) => return Ok(()),
                Ok(None) if started.elapsed() < self.timeout => std::thread::sleep(LOOK_EVERY),
                Ok(None) => {
                    // It may have ended just now, which is as good.
                    drop(child.kill());
                    drop(child.wait());
                    return Err(format!(
                        "`{}` took more than {:?} and was killed",
                        self.program, self.timeout
                    ));
                }
                Err(error) => return Err(format!("`{}` cannot be waited for: {error}", self.program)),
            }
        }
    }

    /// Delivers in the background: at once what this process raises, within seconds what others raise, and again what failed.
    /// `failed` is told of each failure. The store stays open until what is returned is dropped.
    #[must_use = "nothing is delivered once it is dropped"]
    pub fn watch(self, store: &Store, failed: impl Fn(&str) + Send + 'static) -> ExecWatch {
        let (wake, woken) = mpsc::channel();
        let budgets = store.budgets();
        let alerted = wake.clone();
        // Nobody listens once the watch is dropped.
        budgets.on_alert(move |_| drop(alerted.send(Wake::Alert)));
        let thread = std::thread::spawn(move || {
            loop {
                match self.deliver(&budgets) {
                    Ok(Delivered { failed: Some(why), .. }) => failed(&why.what),
                    Ok(_) => {}
                    Err(error) => failed(&error.to_string()),
                }
                match woken.recv_timeout(ROUND_EVERY) {
                    Ok(Wake::Alert) | Err(RecvTimeoutError::Timeout) => {}
                    Ok(Wake::Stop) | Err(RecvTimeoutError::Disconnected) => return,
                }
            }
        });
        ExecWatch { wake, thread: Some(thread) }
    }
}

impl Drop for ExecWatch {
    fn drop(&mut self) {
        // A thread that has ended needs no word.
        drop(self.wake.send(Wake::Stop));
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

/// An alert as one JSON object: the fields of its event, its time and its record.
fn json(alert: &Outgoing) -> String {
    let mut object = serde_json::Map::new();
    object.insert("event".into(), "budget_alert".into());
    object.insert("id".into(), alert.id.to_string().into());
    object.insert("time_ns".into(), alert.time.into());
    let names =
        ["message", "budget", "group", "threshold", "measure", "used", "limit", "window", "dedupe_key"];
    for name in names {
        if let Some(value) = alert.event.get(name) {
            object.insert(name.into(), as_json(value));
        }
    }
    if let Some(Value::Time(start)) = alert.event.get("window_start") {
        object.insert("window_start_ns".into(), start.into());
    }
    serde_json::Value::Object(object).to_string()
}

fn as_json(value: Value<'_>) -> serde_json::Value {
    match value {
        Value::Int(int) => int.into(),
        Value::Number(text) => serde_json::from_str(text).unwrap_or(serde_json::Value::Null),
        // Money in US dollars: the shortest decimal that reads back as the same number of billionths.
        Value::Cost(nanos) => serde_json::from_str(&dollars(nanos)).unwrap_or(serde_json::Value::Null),
        Value::Time(ns) => ns.into(),
        other => logq_engine::compare::to_text(other).into(),
    }
}

fn dollars(nanos: i64) -> String {
    let (sign, nanos) = (if nanos < 0 { "-" } else { "" }, nanos.unsigned_abs());
    format!("{sign}{}.{:09}", nanos / 1_000_000_000, nanos % 1_000_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_a_program_and_its_arguments() {
        for bad in [&[][..], &[""], &["a\0b"], &["a", "\0"]] {
            assert_eq!(ExecSink::new(bad.iter().copied()).unwrap_err().kind(), ErrorKind::Invalid, "{bad:?}");
        }
    }

    #[test]
    fn money_keeps_its_billionths() {
        assert_eq!((dollars(-1), dollars(2_500_000_000)), ("-0.000000001".into(), "2.500000000".into()));
    }
}
