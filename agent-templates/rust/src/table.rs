//! How a table is written: rows and cells after RFC 4180, read without copying where possible.

use std::borrow::Cow;

use crate::http::Refusal;

/// The separator that occurs most in the first row.
pub fn guess_separator(text: &str) -> u8 {
    let mut quoted = false;
    let mut counts = [0usize; 4];
    for byte in text.bytes() {
        match byte {
            b'"' => quoted = !quoted,
            b'\n' if !quoted => break,
            b',' | b';' | b'\t' | b'|' if !quoted => counts[index_of(byte)] += 1,
            _ => {}
        }
    }
    let most = counts.iter().copied().max().unwrap_or(0);
    SEPARATORS[counts.iter().position(|count| *count == most).unwrap_or(0)].0
}

const SEPARATORS: [(u8, &str); 4] =
    [(b',', "comma"), (b';', "semicolon"), (b'\t', "tab"), (b'|', "pipe")];

fn index_of(separator: u8) -> usize {
    SEPARATORS.iter().position(|(byte, _)| *byte == separator).unwrap_or(0)
}

pub fn name_of(separator: u8) -> &'static str {
    SEPARATORS[index_of(separator)].1
}

/// The rows of a table after RFC 4180, with the line each begins on; blank lines are passed over.
pub struct Rows<'a> {
    text: &'a str,
    separator: u8,
    at: usize,
    line: usize,
}

pub type Row<'a> = (usize, Vec<Cow<'a, str>>);

impl<'a> Iterator for Rows<'a> {
    type Item = Result<Row<'a>, Refusal>;

    fn next(&mut self) -> Option<Self::Item> {
        while self.at < self.text.len() {
            let line = self.line;
            match self.row() {
                Ok(cells) if cells.len() == 1 && cells[0].trim().is_empty() => {}
                Ok(cells) => return Some(Ok((line, cells))),
                Err(refusal) => {
                    self.at = self.text.len();
                    return Some(Err(refusal));
                }
            }
        }
        None
    }
}

impl<'a> Rows<'a> {
    pub fn new(text: &'a str, separator: u8) -> Self {
        Rows { text, separator, at: 0, line: 1 }
    }

    fn row(&mut self) -> Result<Vec<Cow<'a, str>>, Refusal> {
        let mut cells = Vec::new();
        loop {
            cells.push(self.cell()?);
            match self.text.as_bytes().get(self.at) {
                Some(byte) if *byte == self.separator => self.at += 1,
                Some(_) => {
                    self.at += 1;
                    self.line += 1;
                    return Ok(cells);
                }
                None => return Ok(cells),
            }
        }
    }

    /// One cell; afterwards `at` is on the separator, the line's end, or the text's end.
    fn cell(&mut self) -> Result<Cow<'a, str>, Refusal> {
        let bytes = self.text.as_bytes();
        if bytes.get(self.at) != Some(&b'"') {
            return Ok(Cow::Borrowed(self.plain()));
        }
        let line = self.line;
        let mut cell = Cow::Borrowed("");
        let mut begin = self.at + 1;
        loop {
            let Some(length) = bytes[begin..].iter().position(|byte| *byte == b'"') else {
                let detail = format!("The quotation mark opened on line {line} is never closed.");
                return Err(Refusal::new(422, detail));
            };
            let piece = &self.text[begin..begin + length];
            self.line += piece.bytes().filter(|byte| *byte == b'\n').count();
            cell += piece;
            self.at = begin + length + 1;
            if bytes.get(self.at) != Some(&b'"') {
                break;
            }
            cell += "\"";
            begin = self.at + 1;
        }
        let rest = self.plain();
        if !rest.is_empty() {
            cell += rest;
        }
        Ok(cell)
    }

    fn plain(&mut self) -> &'a str {
        let rest = &self.text.as_bytes()[self.at..];
        let end = |byte: &u8| *byte == self.separator || *byte == b'\n';
        let length = rest.iter().position(end).unwrap_or(rest.len());
        let cell = &self.text[self.at..self.at + length];
        self.at += length;
        cell.strip_suffix('\r').unwrap_or(cell)
    }
}
