//! Deals rows to files: all to one, or each to that of its day or hour.
//!
//! Rows of one piece are put in the order of their folders first, which leaves rows that come in the order of time as they are.
//! One file is open at a time. A folder that comes again gets another part, so that any order of rows is taken.

use std::collections::HashMap;
use std::path::Path;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use logq_query::{Answer, Datum, Row};

use super::out::Out;
use super::place::{OneFile, Tree};
use super::{Sheet, Way};
use crate::exit::{Failure, Outcome};

/// What Hive calls the folder of rows that have no value there.
const NO_DATE: &str = "__HIVE_DEFAULT_PARTITION__";

/// How rows are parted into folders.
#[derive(Clone, Debug)]
pub(crate) struct Parting {
    /// The zone of days and hours.
    pub(crate) zone: TimeZone,
    /// Whether there is a folder for each hour, too.
    pub(crate) hours: bool,
    /// The name of the machine, which gets a folder of its own.
    pub(crate) node: Option<String>,
}

/// Where rows go.
pub(crate) enum Target<'p> {
    Stdout,
    File { path: &'p Path, replace: bool },
    Folders { path: &'p Path, replace: bool, parting: Parting },
}

/// What was written.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Written {
    pub(crate) rows: u64,
    pub(crate) bytes: u64,
    pub(crate) files: u64,
}

enum Place {
    Stdout,
    File(OneFile),
    Folders(Tree, Parting),
}

/// Files that are being written.
pub(crate) struct Sheets<'w> {
    way: &'w Way,
    place: Place,
    /// The file that is open, and its folder.
    open: Option<(String, Sheet)>,
    /// How many parts each folder has.
    parts: HashMap<String, u32>,
    written: Written,
}

impl<'w> Sheets<'w> {
    pub(crate) fn new(way: &'w Way, target: Target<'_>) -> Outcome<Self> {
        let place = match target {
            Target::Stdout => Place::Stdout,
            Target::File { path, replace } => Place::File(OneFile::new(path, replace)?),
            Target::Folders { path, replace, parting } => Place::Folders(Tree::new(path, replace)?, parting),
        };
        let open = match &place {
            Place::Stdout => Some(Sheet::new(way, Out::stdout(way.gzip))?),
            Place::File(file) => {
                let (file, name) = file.open()?;
                Some(Sheet::new(way, Out::file(file, way.gzip, name))?)
            }
            Place::Folders(..) => None,
        };
        let open = open.map(|sheet| (String::new(), sheet));
        Ok(Self { way, place, open, parts: HashMap::new(), written: Written::default() })
    }

    /// Takes rows.
    pub(crate) fn write(&mut self, answer: &Answer) -> Outcome<()> {
        self.written.rows += answer.rows.len() as u64;
        let Place::Folders(_, parting) = &self.place else {
            let Some((_, sheet)) = &mut self.open else { return Ok(()) };
            return answer.rows.iter().try_for_each(|row| sheet.write(answer, row));
        };
        let mut dealt = Vec::with_capacity(answer.rows.len());
        for row in &answer.rows {
            dealt.push((parting.folder(answer, row)?, row));
        }
        dealt.sort_by(|a, b| a.0.cmp(&b.0));
        for (folder, row) in dealt {
            self.turn_to(folder)?;
            if let Some((_, sheet)) = &mut self.open {
                sheet.write(answer, row)?;
            }
        }
        Ok(())
    }

    /// Opens the next part of a folder, unless that is the one that is open.
    fn turn_to(&mut self, folder: String) -> Outcome<()> {
        if self.open.as_ref().is_some_and(|(open, _)| *open == folder) {
            return Ok(());
        }
        self.close()?;
        let Place::Folders(tree, parting) = &mut self.place else { return Ok(()) };
        let part = self.parts.entry(folder.clone()).or_insert(0);
        let gzip = if self.way.gzip { ".gz" } else { "" };
        let file = format!("part-{part:05}.{}{gzip}", self.way.format.as_str());
        *part += 1;
        let (unit, inside) = parting.unit(&folder);
        let inside = if inside.is_empty() { file } else { format!("{inside}/{file}") };
        let (file, name) = tree.open(unit, &inside)?;
        self.open = Some((folder, Sheet::new(self.way, Out::file(file, self.way.gzip, name))?));
        Ok(())
    }

    fn close(&mut self) -> Outcome<()> {
        if let Some((_, sheet)) = self.open.take() {
            self.written.bytes += sheet.finish()?;
            self.written.files += 1;
        }
        Ok(())
    }

    /// What was written so far.
    pub(crate) fn written(&self) -> Written {
        self.written
    }

    /// Writes what is held back, and gives the files their names.
    pub(crate) fn commit(mut self) -> Outcome<Written> {
        self.close()?;
        match self.place {
            Place::Stdout => self.written.files = 0,
            Place::File(file) => file.commit()?,
            Place::Folders(tree, _) => tree.commit()?,
        }
        Ok(self.written)
    }
}

impl Parting {
    /// The folder of a row.
    fn folder(&self, answer: &Answer, row: &Row) -> Outcome<String> {
        let time = match answer.full {
            true => row.fields.iter().find(|(name, _)| &**name == "time").map(|(_, datum)| datum),
            false => {
                let place = answer.columns.iter().position(|column| column.name == "time");
                let place = place.ok_or_else(|| {
                    Failure::bad("the rows have no column `time` to part them by")
                        .help("keep `time`, or leave --partition out")
                })?;
                row.cells.get(place)
            }
        };
        let at = match time {
            Some(Datum::Time(ns)) => Timestamp::from_nanosecond(i128::from(*ns)).ok(),
            _ => None,
        };
        let at = at.map(|at| at.to_zoned(self.zone.clone()));
        let date = at.as_ref().map_or(NO_DATE.to_owned(), |at| at.date().to_string());
        let mut folder = format!("date={date}");
        if let Some(node) = &self.node {
            folder += &format!("/node={node}");
        }
        if self.hours {
            let hour = at.map_or(NO_DATE.to_owned(), |at| format!("{:02}", at.hour()));
            folder += &format!("/hour={hour}");
        }
        Ok(folder)
    }

    /// A folder as the one that moves as a whole, and what is inside of that.
    fn unit<'f>(&self, folder: &'f str) -> (&'f str, &'f str) {
        match self.hours {
            true => folder.rsplit_once('/').unwrap_or((folder, "")),
            false => (folder, ""),
        }
    }
}
