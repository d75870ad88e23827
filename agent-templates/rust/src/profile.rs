//! What is in each column of a table, and what is wrong with the table. A pure function of the
//! text: rows stream through, and only counts, numbers and a bounded set of values are kept.

use std::collections::hash_map::{Entry, HashMap};
use std::str;

use crate::http::Refusal;
use crate::json::Json;
use crate::table::{guess_separator, name_of, Rows};

const MAX_COLUMNS: usize = 500;
const MAX_DISTINCT: usize = 10_000;
const MAX_WARNINGS: usize = 50;
const LONGEST_SHOWN: usize = 80;
const TOP: usize = 3;
/// A column is taken for numbers with some wrong values, not for text, from this share on.
const MOSTLY: f64 = 0.9;

pub struct Options {
    /// None: the one that occurs most in the first row.
    pub separator: Option<u8>,
    pub header: bool,
}

impl Default for Options {
    fn default() -> Self {
        Options { separator: None, header: true }
    }
}

pub fn profile(bytes: &[u8], options: &Options) -> Result<Json, Refusal> {
    let text = str::from_utf8(bytes).map_err(|error| {
        let at = error.valid_up_to();
        let line = 1 + bytes[..at].iter().filter(|byte| **byte == b'\n').count();
        Refusal::new(
            422,
            format!("The table is not UTF-8: line {line}, byte {at}. Convert it first."),
        )
    })?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let separator = options.separator.unwrap_or_else(|| guess_separator(text));
    let mut rows = Rows::new(text, separator);
    let mut warnings = Warnings::default();

    let first = rows.next().transpose()?;
    let Some((line, first)) = first else {
        return Err(Refusal::new(422, "The table is empty. Send its text as the request's body."));
    };
    if first.len() > MAX_COLUMNS {
        let detail = format!("The table has {} columns; the limit is {MAX_COLUMNS}.", first.len());
        return Err(Refusal::new(422, detail));
    }
    let mut columns: Vec<Column> = Vec::with_capacity(first.len());
    for (index, cell) in first.iter().enumerate() {
        let named = options.header && !cell.trim().is_empty();
        let name = if named { cell.trim().to_owned() } else { format!("column {}", index + 1) };
        if options.header && !named {
            warnings.add(line, format!("Column {} has no name.", index + 1));
        } else if columns.iter().any(|column| column.name == name) {
            warnings.add(line, format!("Two columns are named \"{}\".", shown(&name)));
        }
        columns.push(Column::new(name));
    }

    let mut count = 0;
    let pending = (!options.header).then_some(Ok((line, first)));
    for row in pending.into_iter().chain(rows) {
        let (line, cells) = row?;
        count += 1;
        if cells.len() != columns.len() {
            let (has, wanted) = (cells.len(), columns.len());
            warnings.add(line, format!("The row has {has} cells instead of {wanted}."));
        }
        for (column, cell) in columns.iter_mut().zip(cells) {
            column.take(cell.trim(), line);
        }
    }
    for column in &columns {
        if let Some((line, text)) = column.stranger() {
            warnings.add(line, text);
        }
    }
    Ok(Json::Object(vec![
        ("rows", count.into()),
        ("separator", name_of(separator).into()),
        ("columns", Json::List(columns.into_iter().map(|column| column.report(count)).collect())),
        ("warnings", warnings.report()),
    ]))
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Integer,
    Number,
    Boolean,
    Date,
    Text,
}

const KINDS: usize = 5;

fn kind_of(cell: &str) -> (Kind, f64) {
    let first = cell.trim_start_matches(['-', '+']).bytes().next();
    if first.is_some_and(|byte| byte.is_ascii_digit() || byte == b'.') {
        // The first byte keeps out "inf" and "nan", which Rust would take for numbers.
        if let Some(number) = cell.parse().ok().filter(|number: &f64| number.is_finite()) {
            let whole = cell.bytes().all(|byte| byte.is_ascii_digit() || b"+-".contains(&byte));
            return (if whole { Kind::Integer } else { Kind::Number }, number);
        }
        if is_date(cell.as_bytes()) {
            return (Kind::Date, 0.0);
        }
    }
    let boolean = ["true", "false", "yes", "no"].iter().any(|word| cell.eq_ignore_ascii_case(word));
    (if boolean { Kind::Boolean } else { Kind::Text }, 0.0)
}

/// 2026-07-01, alone or with a time after it.
fn is_date(cell: &[u8]) -> bool {
    let number = |part: &[u8]| part.iter().fold(0, |sum, byte| sum * 10 + usize::from(byte - b'0'));
    let shape = cell.iter().take(10).enumerate();
    cell.len() >= 10
        && shape.fold(true, |so_far, (index, byte)| {
            so_far && if index == 4 || index == 7 { *byte == b'-' } else { byte.is_ascii_digit() }
        })
        && (1..=12).contains(&number(&cell[5..7]))
        && (1..=31).contains(&number(&cell[8..10]))
        && cell.get(10).map_or(true, |byte| b"T ".contains(byte))
}

struct Column {
    name: String,
    kinds: [usize; KINDS],
    first_line: [usize; KINDS],
    numbers: Vec<f64>,
    shortest: usize,
    longest: usize,
    values: HashMap<String, usize>,
    more_values: bool,
}

impl Column {
    fn new(name: String) -> Self {
        Column {
            name,
            kinds: [0; KINDS],
            first_line: [0; KINDS],
            numbers: Vec::new(),
            shortest: usize::MAX,
            longest: 0,
            values: HashMap::new(),
            more_values: false,
        }
    }

    fn take(&mut self, cell: &str, line: usize) {
        if cell.is_empty() {
            return;
        }
        let (kind, number) = kind_of(cell);
        if self.kinds[kind as usize] == 0 {
            self.first_line[kind as usize] = line;
        }
        self.kinds[kind as usize] += 1;
        if matches!(kind, Kind::Integer | Kind::Number) {
            self.numbers.push(number);
        }
        let length = cell.chars().count();
        self.shortest = self.shortest.min(length);
        self.longest = self.longest.max(length);
        if let Some(count) = self.values.get_mut(cell) {
            *count += 1;
        } else if self.values.len() < MAX_DISTINCT {
            if let Entry::Vacant(entry) = self.values.entry(cell.to_owned()) {
                entry.insert(1);
            }
        } else {
            self.more_values = true;
        }
    }

    fn filled(&self) -> usize {
        self.kinds.iter().sum()
    }

    fn kind(&self) -> &'static str {
        let filled = self.filled();
        let all = |kinds: &[Kind]| {
            kinds.iter().map(|kind| self.kinds[*kind as usize]).sum::<usize>() == filled
        };
        match filled {
            0 => "empty",
            _ if all(&[Kind::Integer]) => "integer",
            _ if all(&[Kind::Integer, Kind::Number]) => "number",
            _ if all(&[Kind::Boolean]) => "boolean",
            _ if all(&[Kind::Date]) => "date",
            _ => "text",
        }
    }

    /// Where a column that is nearly all numbers, or nearly all dates, holds something else.
    fn stranger(&self) -> Option<(usize, String)> {
        let filled = self.filled();
        let numbers = self.kinds[Kind::Integer as usize] + self.kinds[Kind::Number as usize];
        let dates = self.kinds[Kind::Date as usize];
        let (what, own, fit): (_, &[Kind], _) = if numbers >= dates {
            ("numbers", &[Kind::Integer, Kind::Number], numbers)
        } else {
            ("dates", &[Kind::Date], dates)
        };
        if fit == filled || (fit as f64) < MOSTLY * filled as f64 {
            return None;
        }
        let others = [Kind::Integer, Kind::Number, Kind::Boolean, Kind::Date, Kind::Text];
        let line = others
            .iter()
            .filter(|kind| !own.contains(kind) && self.kinds[**kind as usize] > 0)
            .map(|kind| self.first_line[*kind as usize])
            .min()?;
        let name = shown(&self.name);
        let wrong = filled - fit;
        Some((
            line,
            format!(
                "\"{name}\" holds {what}, except {wrong} of {filled} values; this is the first."
            ),
        ))
    }

    fn report(mut self, rows: usize) -> Json {
        let kind = self.kind();
        let mut fields = vec![
            ("name", Json::Text(self.name.clone())),
            ("type", kind.into()),
            ("filled", self.filled().into()),
            ("empty", (rows - self.filled()).into()),
            ("distinct", self.values.len().into()),
            ("distinct_is_exact", Json::Bool(!self.more_values)),
        ];
        if matches!(kind, "integer" | "number") {
            self.numbers.sort_by(f64::total_cmp);
            let count = self.numbers.len();
            let middle = (self.numbers[(count - 1) / 2] + self.numbers[count / 2]) / 2.0;
            fields.push(("min", self.numbers[0].into()));
            fields.push(("max", self.numbers[count - 1].into()));
            fields.push(("mean", (self.numbers.iter().sum::<f64>() / count as f64).into()));
            fields.push(("median", middle.into()));
        } else if kind == "text" {
            fields.push(("shortest", self.shortest.into()));
            fields.push(("longest", self.longest.into()));
        }
        let mut top: Vec<_> = self.values.into_iter().collect();
        top.sort_by(|(a, x), (b, y)| y.cmp(x).then_with(|| a.cmp(b)));
        let top = top.into_iter().take(TOP).map(|(value, count)| {
            Json::Object(vec![("value", Json::Text(shown(&value))), ("count", count.into())])
        });
        fields.push(("top", Json::List(top.collect())));
        Json::Object(fields)
    }
}

#[derive(Default)]
struct Warnings {
    kept: Vec<(usize, String)>,
    left_out: usize,
}

impl Warnings {
    fn add(&mut self, line: usize, detail: String) {
        if self.kept.len() < MAX_WARNINGS {
            self.kept.push((line, detail));
        } else {
            self.left_out += 1;
        }
    }

    fn report(self) -> Json {
        let kept = self.kept.into_iter().map(|(line, detail)| {
            Json::Object(vec![("line", line.into()), ("detail", Json::Text(detail))])
        });
        let more = (self.left_out > 0).then(|| {
            let detail = format!("There are {} more warnings.", self.left_out);
            Json::Object(vec![("line", Json::Null), ("detail", Json::Text(detail))])
        });
        Json::List(kept.chain(more).collect())
    }
}

fn shown(text: &str) -> String {
    match text.char_indices().nth(LONGEST_SHOWN) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> String {
        profile(text.as_bytes(), &Options::default()).unwrap().to_string()
    }

    fn refused(bytes: &[u8]) -> String {
        profile(bytes, &Options::default()).err().unwrap().detail
    }

    fn has(report: &str, part: &str) {
        assert!(report.contains(part), "{part}\nis not in\n{report}");
    }

    #[test]
    fn profiles_each_kind_of_column() {
        let report = read("n,x,b,d,t,e\n1,0.5,yes,2026-01-31,ab,\n3,2,no,2026-02-01T10:00Z,c,\n2,-1e2,YES,2026-03-01,ab,\n");
        has(&report, r#""rows":3,"separator":"comma""#);
        has(
            &report,
            r#"{"name":"n","type":"integer","filled":3,"empty":0,"distinct":3,"distinct_is_exact":true,"min":1,"max":3,"mean":2,"median":2,"top":[{"value":"1","count":1},"#,
        );
        has(
            &report,
            r#""name":"x","type":"number","filled":3,"empty":0,"distinct":3,"distinct_is_exact":true,"min":-100,"max":2,"mean":-32.5,"median":0.5"#,
        );
        has(&report, r#""name":"b","type":"boolean""#);
        has(&report, r#""name":"d","type":"date""#);
        has(
            &report,
            r#""name":"t","type":"text","filled":3,"empty":0,"distinct":2,"distinct_is_exact":true,"shortest":1,"longest":2,"top":[{"value":"ab","count":2}"#,
        );
        has(&report, r#""name":"e","type":"empty","filled":0,"empty":3"#);
        has(&report, r#""warnings":[]"#);
    }

    #[test]
    fn quotes_may_hold_separators_lines_and_quotes() {
        let report = read("a,b\r\n\"x, \"\"y\"\"\nz\",1\r\n\r\n  \r\nlast,2");
        has(&report, r#""rows":2"#);
        has(&report, r#"{"value":"x, \"y\"\nz","count":1}"#);
        has(&report, r#""warnings":[]"#);
    }

    #[test]
    fn finds_the_separator_in_the_first_row() {
        for (text, name) in [
            ("a;b;\"c,d,e\"\n1;2;3", "semicolon"),
            ("a\tb\n", "tab"),
            ("a|b|c,d\n", "pipe"),
            ("a\n1", "comma"),
        ] {
            has(&read(text), &format!(r#""separator":"{name}""#));
        }
    }

    #[test]
    fn without_a_header_the_first_row_counts() {
        let options = Options { header: false, ..Options::default() };
        let report = profile(b"1,2\n3,4", &options).unwrap().to_string();
        has(&report, r#""rows":2"#);
        has(&report, r#""name":"column 2","type":"integer""#);
    }

    #[test]
    fn warns_with_the_line() {
        let mut text = String::from("\u{feff}id,id,\n1,2,3,4\n5\n\"6\nsix\",6,6\n");
        has(&read(&text), r#"{"line":1,"detail":"Two columns are named \"id\"."}"#);
        has(&read(&text), r#"{"line":1,"detail":"Column 3 has no name."}"#);
        has(&read(&text), r#"{"line":2,"detail":"The row has 4 cells instead of 3."}"#);
        has(&read(&text), r#"{"line":3,"detail":"The row has 1 cells instead of 3."}"#);
        text = format!("price\n{}oops\n", "1.5\n".repeat(20));
        has(
            &read(&text),
            r#"{"line":22,"detail":"\"price\" holds numbers, except 1 of 21 values; this is the first."}"#,
        );
        has(&read(&text), r#""type":"text""#);
        text = format!("day\n{}5\n", "2026-01-01\n".repeat(20));
        has(&read(&text), r#"{"line":22,"detail":"\"day\" holds dates"#);
        text = format!("a,b\n{}", "1\n".repeat(60));
        has(&read(&text), r#"{"line":null,"detail":"There are 10 more warnings."}"#);
    }

    #[test]
    fn numbers_and_dates_that_are_none() {
        for cell in [
            "inf",
            "NaN",
            "1e999",
            "-",
            "+",
            ".",
            "1-2",
            "2026-13-01",
            "2026-01-32",
            "2026-01-011",
            "0x1f",
        ] {
            has(&read(&format!("a\n{cell}")), r#""type":"text""#);
        }
    }

    #[test]
    fn refuses_what_is_no_table() {
        assert!(refused(b"").contains("empty"));
        assert!(refused(b"\n \n").contains("empty"));
        assert!(refused(b"a,b\n1,\xff").contains("line 2, byte 6"));
        assert!(refused(b"a\n1\n\"open\n\n").contains("opened on line 3"));
        assert!(refused(",".repeat(500).as_bytes()).contains("501 columns"));
    }

    #[test]
    fn keeps_a_bounded_number_of_values() {
        let text: String = (0..10_050).map(|number| format!("v{number}\n")).collect();
        has(&read(&format!("a\n{text}v0\n")), r#""distinct":10000,"distinct_is_exact":false"#);
        has(&read(&format!("a\n{text}v0\n")), r#""top":[{"value":"v0","count":2}"#);
        has(&read(&format!("a\n{}", "x".repeat(1000))), &format!("\"{}…\"", "x".repeat(80)));
    }
}
