//! Charts in the terminal: time series as columns of one row for each series, everything else as bars.
//!
//! Drawn is the main measure of a grouped answer; its other text and number columns name the series. All series
//! have one scale, from 0, so that they compare. What has no row has no column: a gap is a gap, not a zero.

use std::io::Write;

use logq_query::{Answer, Datum};
use ratatui_core::buffer::Buffer;
use ratatui_core::layout::Rect;
use ratatui_core::style::Modifier;
use ratatui_core::widgets::Widget as _;
use ratatui_widgets::barchart::{Bar, BarChart};
use ratatui_widgets::sparkline::Sparkline;
use unicode_width::UnicodeWidthStr as _;

use super::cell::{self, Precision};
use crate::exit::{Failure, Outcome};
use crate::ui;

use jiff::tz::TimeZone;

/// More series or bars than this are not drawn: nobody reads them.
const SERIES_MAX: usize = 24;
/// Rows of terminal for a series that is alone, one of a few, one of many.
const HEIGHTS: [(usize, u16); 3] = [(1, 10), (4, 4), (SERIES_MAX, 2)];
/// A value is drawn with so many steps at most.
const STEPS: f64 = 1e9;
/// Between two columns of text.
const GAP: usize = 2;

/// What a chart goes into.
#[derive(Clone, Copy)]
pub(crate) struct Frame<'a> {
    pub(crate) width: usize,
    pub(crate) color: bool,
    pub(crate) zone: &'a TimeZone,
}

/// Numbers under one name.
struct Series {
    name: String,
    /// Times, where there are any, and numbers.
    points: Vec<(i64, f64)>,
    /// The last number as it is written in a table.
    shown: String,
    /// The largest number and as it is written in a table.
    peak: (f64, String),
}

/// Draws an answer. Says how many series were left out.
///
/// # Errors
/// Rows that are no groups, or have no numbers.
pub(crate) fn write(out: &mut dyn Write, answer: &Answer, frame: Frame<'_>) -> Outcome<usize> {
    let (measure, over_time, mut series) = read(answer, frame.zone)?;
    if series.is_empty() {
        return Ok(0);
    }
    series.sort_by(|a, b| if over_time { b.peak.0.total_cmp(&a.peak.0) } else { std::cmp::Ordering::Equal });
    let omitted = series.len().saturating_sub(SERIES_MAX);
    series.truncate(SERIES_MAX);
    if over_time {
        columns(out, &measure, &series, frame)?;
    } else {
        bars(out, &measure, &series, frame)?;
    }
    Ok(omitted)
}

/// The series of an answer, in the order in which they come.
fn read(answer: &Answer, zone: &TimeZone) -> Outcome<(String, bool, Vec<Series>)> {
    let place = |name: &str| answer.columns.iter().position(|column| column.name == name);
    let measure = answer.measures.iter().find_map(|name| Some((name, place(name)?)));
    let Some((measure, at)) = measure else {
        return Err(Failure::bad("a chart needs rows that were grouped")
            .help("add `per 1h` for a line over time, or `by model` for bars"));
    };
    let time = place("time").filter(|_| !answer.measures.iter().any(|name| name == "time"));
    let is_key = |at: usize| {
        Some(at) != time
            && answer.columns.get(at).is_some_and(|column| !answer.measures.contains(&column.name))
    };
    let keys: Vec<usize> = (0..answer.columns.len()).filter(|at| is_key(*at)).collect();
    let mut series: Vec<Series> = Vec::new();
    for row in &answer.rows {
        let Some(datum) = row.cells.get(at) else { continue };
        let Some(number) = number(datum) else { continue };
        let names = keys.iter().filter_map(|key| row.cells.get(*key));
        let names: Vec<String> =
            names.map(|datum| cell::cell(datum, zone, Precision::Seconds).text).collect();
        let name = if names.is_empty() { ui::visible(measure) } else { names.join(" ") };
        let at = match time.and_then(|time| row.cells.get(time)) {
            Some(Datum::Time(ns)) => *ns,
            Some(_) => continue,
            None => 0,
        };
        let shown = cell::cell(datum, zone, Precision::Seconds).text;
        let known = series.iter_mut().find(|series| series.name == name);
        match known.filter(|_| time.is_some()) {
            Some(series) => {
                series.points.push((at, number));
                if series.peak.0 < number {
                    series.peak = (number, shown.clone());
                }
                series.shown = shown;
            }
            None => series.push(Series {
                name,
                points: vec![(at, number)],
                shown: shown.clone(),
                peak: (number, shown),
            }),
        }
    }
    if series.is_empty() && !answer.rows.is_empty() {
        return Err(Failure::bad(format!("there is nothing to draw: no `{measure}` is a number"))
            .help("`-o table` shows the answer"));
    }
    Ok((ui::visible(measure), time.is_some(), series))
}

/// A value as a length; the unit does not matter, as all of a column have the same.
#[expect(clippy::cast_precision_loss, reason = "a chart has fewer steps than a float")]
fn number(datum: &Datum) -> Option<f64> {
    let number = match datum {
        Datum::Int(value) | Datum::Duration(value) | Datum::Cost(value) => *value as f64,
        Datum::Float(value) | Datum::Millis(value) | Datum::Dollars(value) => *value,
        Datum::Number(literal) => literal.parse().ok()?,
        _ => return None,
    };
    number.is_finite().then_some(number)
}

/// A length in steps of the scale. Below 0 there is nothing to draw; the number stands beside it.
fn steps(number: f64, largest: f64) -> u64 {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to STEPS")]
    let steps = (number.max(0.0) / largest * STEPS) as u64;
    steps
}

fn largest(series: &[Series]) -> f64 {
    series.iter().map(|series| series.peak.0).fold(f64::MIN_POSITIVE, f64::max)
}

/// Bars from the left, each with its name and number before it.
fn bars(out: &mut dyn Write, measure: &str, series: &[Series], frame: Frame<'_>) -> Outcome<()> {
    let names = series.iter().map(|series| series.name.width()).max().unwrap_or(0).min(frame.width / 3);
    let numbers = series.iter().map(|series| series.shown.width()).max().unwrap_or(0).max(measure.width());
    let label = |name: &str, number: &str| {
        let name = clipped(name, names);
        format!("{name}{}{number}", " ".repeat(names - name.width() + GAP + numbers - number.width()))
    };
    let largest = largest(series);
    let bars: Vec<Bar<'_>> = series
        .iter()
        .map(|series| {
            let value = steps(series.peak.0, largest);
            Bar::with_label(label(&series.name, &series.shown), value).text_value(String::new())
        })
        .collect();
    let area = Rect::new(0, 0, width(frame.width), u16::try_from(bars.len()).unwrap_or(u16::MAX));
    let mut buffer = Buffer::empty(area);
    BarChart::horizontal(bars).bar_width(1).bar_gap(0).max(steps(largest, largest)).render(area, &mut buffer);
    heading(out, &label("", measure), frame.color)?;
    print(out, &buffer, names + GAP + numbers, frame.color)
}

/// A row of columns over time for each series, its name and its largest number before it.
fn columns(out: &mut dyn Write, measure: &str, series: &[Series], frame: Frame<'_>) -> Outcome<()> {
    let height = HEIGHTS.iter().find(|(most, _)| series.len() <= *most).map_or(1, |(_, height)| *height);
    let names = series.iter().map(|series| series.name.width()).max().unwrap_or(0).min(frame.width / 3);
    let peaks = series.iter().map(|series| series.peak.1.width() + "max ".len()).max().unwrap_or(0);
    let indent = names.max(peaks) + GAP;
    let room = frame.width.saturating_sub(indent).max(10);
    let span = Span::of(series);
    let largest = largest(series);
    let title = if series.len() == 1 { measure.to_owned() } else { format!("{measure}, one scale for all") };
    heading(out, &title, frame.color)?;
    for series in series {
        let area = Rect::new(0, 0, width(indent + room), height);
        let mut buffer = Buffer::empty(area);
        let plot = Rect::new(width(indent), 0, width(room), height);
        let points = span.spread(&series.points, room);
        let data = points.iter().map(|point| point.map(|number| steps(number, largest)));
        let sparkline = Sparkline::default().data(data.collect::<Vec<Option<u64>>>());
        sparkline.max(steps(largest, largest)).absent_value_symbol(" ").render(plot, &mut buffer);
        let name = if series.name == measure { String::new() } else { clipped(&series.name, names) };
        let below = if name.is_empty() { 0 } else { height - 1 };
        buffer.set_string(0, 0, name, Modifier::BOLD);
        buffer.set_string(0, below, format!("max {}", series.peak.1), Modifier::DIM);
        print(out, &buffer, indent, frame.color)?;
    }
    let precision = Precision::of(span.first).max(Precision::of(span.last));
    let time = |ns| cell::cell(&Datum::Time(ns), frame.zone, precision).text;
    let (first, last) = (time(span.first), time(span.last));
    let between = room.saturating_sub(first.width() + last.width()).max(1);
    writeln!(out, "{}{first}{}{last}", " ".repeat(indent), " ".repeat(between))?;
    Ok(())
}

/// The time that a chart shows: from the first to the last bucket.
struct Span {
    first: i64,
    last: i64,
    /// The length of a bucket: the shortest way from one to the next.
    step: i64,
}

impl Span {
    fn of(series: &[Series]) -> Self {
        let mut times: Vec<i64> =
            series.iter().flat_map(|series| &series.points).map(|point| point.0).collect();
        times.sort_unstable();
        times.dedup();
        let (first, last) = (times.first().copied().unwrap_or(0), times.last().copied().unwrap_or(0));
        let steps = times.windows(2).map(|pair| pair[1].saturating_sub(pair[0]));
        Self { first, last, step: steps.min().unwrap_or(1).max(1) }
    }

    /// What each of so many columns shows: the largest of the buckets that lie in it.
    fn spread(&self, points: &[(i64, f64)], columns: usize) -> Vec<Option<f64>> {
        let length = i128::from(self.last) - i128::from(self.first) + i128::from(self.step);
        let column = |offset: i128| usize::try_from(offset * columns as i128 / length).unwrap_or(0);
        let mut shown: Vec<Option<f64>> = vec![None; columns];
        for &(time, number) in points {
            let offset = i128::from(time) - i128::from(self.first);
            let from = column(offset);
            let until = column(offset + i128::from(self.step)).max(from + 1).min(columns);
            for slot in shown.get_mut(from..until).unwrap_or_default() {
                *slot = Some(slot.map_or(number, |other| other.max(number)));
            }
        }
        shown
    }
}

/// A name, shortened with a mark where it is too wide.
fn clipped(name: &str, width: usize) -> String {
    if name.width() <= width {
        return name.to_owned();
    }
    let mut out = String::new();
    for c in name.chars() {
        if width < out.width() + c.to_string().width() + 1 {
            break;
        }
        out.push(c);
    }
    out.push('\u{2026}');
    out
}

fn width(columns: usize) -> u16 {
    u16::try_from(columns).unwrap_or(u16::MAX)
}

fn heading(out: &mut dyn Write, text: &str, color: bool) -> Outcome<()> {
    if color {
        writeln!(out, "\x1b[1m{text}\x1b[0m")?;
    } else {
        writeln!(out, "{text}")?;
    }
    Ok(())
}

/// Writes what was drawn; what stands right of `indent` is the picture.
fn print(out: &mut dyn Write, buffer: &Buffer, indent: usize, color: bool) -> Outcome<()> {
    let columns = usize::from(buffer.area.width).max(1);
    for line in buffer.content.chunks(columns) {
        let text = |cells: &[ratatui_core::buffer::Cell]| {
            let mut text = String::new();
            let mut hidden = 0;
            for cell in cells {
                // A wide character fills the cell behind it too.
                if hidden == 0 {
                    text.push_str(cell.symbol());
                    hidden = cell.symbol().width();
                }
                hidden = hidden.saturating_sub(1);
            }
            text
        };
        let (words, picture) = line.split_at(indent.min(line.len()));
        let (words, picture) = (text(words), text(picture));
        let picture = picture.trim_end();
        match (picture.is_empty(), color) {
            (true, _) => writeln!(out, "{}", words.trim_end())?,
            (false, true) => writeln!(out, "{words}\x1b[36m{picture}\x1b[0m")?,
            (false, false) => writeln!(out, "{words}{picture}")?,
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::{Expect, expect};
    use logq_engine::{Durability, Event, Options, Store};

    const HOUR: i64 = 3_600_000_000_000;

    fn drawn(query: &str) -> Outcome<String> {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path(), Options { maintain: false, ..Options::default() }).unwrap();
        let log = store.writer_with(Durability::Buffered).unwrap();
        for n in 0..60_i64 {
            let model = ["llama3.2", "gpt-4o", "qwen"][usize::try_from(n % 3).unwrap()];
            // Nothing in the hours 20 to 24.
            if !(40..50).contains(&n) {
                let event = Event::ai("chat").at(n * HOUR / 2).model(model).tokens(100 + n * 10 * (n % 7), 5);
                log.append(&event).unwrap();
            }
        }
        let answer = logq_query::run(&store, query).unwrap();
        let mut out = Vec::new();
        write(&mut out, &answer, Frame { width: 60, color: false, zone: &TimeZone::UTC })?;
        Ok(String::from_utf8(out).unwrap())
    }

    fn check(query: &str, want: &Expect) {
        let drawn = drawn(query).unwrap();
        assert!(drawn.lines().all(|line| line.width() <= 60), "{drawn}");
        // The blocks of one eighth to eight, as digits.
        let blocks = '\u{2581}'..='\u{2588}';
        let digit =
            |c: char| blocks.clone().position(|block| block == c).map_or(c, |at| b"12345678"[at].into());
        want.assert_eq(&drawn.chars().map(digit).collect::<String>());
    }

    #[test]
    fn groups_are_bars_of_one_scale() {
        check(
            "tokens by model",
            &expect![[r#"
                      total_tokens
            gpt-4o          15,150 8888888888888888888888888888888888888
            llama3.2        14,685 88888888888888888888888888888888888
            qwen            13,165 88888888888888888888888888888888
        "#]],
        );
    }

    #[test]
    fn buckets_are_columns_and_a_gap_is_a_gap() {
        check(
            "tokens per 1h",
            &expect![[r#"
            total_tokens
            max 6,210                                              8
                                                                   8
                                                                   8
                                                                 228
                                                                 888
                                             88   88   5         888  88
                                             88   884  8         888  88
                                   4   882  888  6888  8        6888  88
                                 448  588833888  8888888        88882288
                          244777688844888888888668888888        88888888
                          1970-01-01 00:00              1970-01-02 05:00
        "#]],
        );
    }

    #[test]
    fn each_key_has_a_row_of_its_own() {
        check(
            "tokens by model per 1h",
            &expect![[r#"
            total_tokens, one scale for all
            gpt-4o                                                 8
                                                  44               8
                                     11   22   11 88             778  33
            max 3,405  1  2    388  388 3388   88 8877           888  88
            llama3.2                                               2
                                                                   8
                                            8    8    7        22  8
            max 2,805   11 4422 6622 77   778  668  448        88  866
            qwen
                                                                 44   11
                                       4    5    5    3          88   88
            max 2,225   113  115    5  855  833  8    8        5588   88
                       1970-01-01 00:00                 1970-01-02 05:00
        "#]],
        );
    }

    #[test]
    fn the_main_measure_is_drawn() {
        check(
            "events | stats count, max(prompt_tokens) as peak by model | keep model, peak",
            &expect![[r#"
                       peak
            llama3.2  2,800 888888888888888888888888888888888888
            qwen      2,220 8888888888888888888888888888
            gpt-4o    3,400 88888888888888888888888888888888888888888888
        "#]],
        );
    }

    #[test]
    fn what_cannot_be_drawn_says_what_can() {
        let failure = drawn("events").unwrap_err();
        assert_eq!(failure.message, "a chart needs rows that were grouped");
        let failure = drawn("events | stats max(model) as most").unwrap_err();
        assert_eq!(failure.message, "there is nothing to draw: no `most` is a number");
        assert_eq!(drawn("tokens by model | where total_tokens < 0").unwrap(), "");
    }

    #[test]
    fn a_name_that_is_cut_says_so() {
        assert_eq!(clipped("llama3.2", 8), "llama3.2");
        assert_eq!(clipped("llama3.2:latest", 8), "llama3.\u{2026}");
        assert_eq!(clipped("\u{4e2d}\u{6587}\u{5b57}", 5), "\u{4e2d}\u{6587}\u{2026}");
    }

    #[test]
    fn many_buckets_share_columns_and_the_largest_shows() {
        let span = Span { first: 0, last: 99, step: 1 };
        let points: Vec<(i64, f64)> = (0..100).map(|at| (at, if at == 55 { 9.0 } else { 1.0 })).collect();
        let shown = span.spread(&points, 10);
        assert_eq!(shown.len(), 10);
        assert_eq!(shown.iter().position(|column| *column == Some(9.0)), Some(5));
        let extremes = Span { first: i64::MIN, last: i64::MAX, step: 1 };
        assert_eq!(
            extremes.spread(&[(i64::MIN, 1.0), (i64::MAX, 2.0)], 4),
            [Some(1.0), None, None, Some(2.0)]
        );
    }
}
