//! Just enough JSON to answer and to log: values that know how to write themselves.

use std::fmt;
use std::io::Write;
use std::time::{SystemTime, UNIX_EPOCH};

pub enum Json {
    Null,
    Bool(bool),
    Number(f64),
    Text(String),
    List(Vec<Json>),
    Object(Vec<(&'static str, Json)>),
}

impl From<&str> for Json {
    fn from(text: &str) -> Self {
        Json::Text(text.to_owned())
    }
}

impl From<f64> for Json {
    fn from(number: f64) -> Self {
        Json::Number(number)
    }
}

impl From<usize> for Json {
    fn from(number: usize) -> Self {
        Json::Number(number as f64)
    }
}

impl fmt::Display for Json {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Json::Null => out.write_str("null"),
            Json::Bool(value) => write!(out, "{value}"),
            // JSON has no word for what is not a finite number.
            Json::Number(value) if !value.is_finite() => out.write_str("null"),
            Json::Number(value) if *value != 0.0 && !(1e-6..1e15).contains(&value.abs()) => {
                write!(out, "{value:e}")
            }
            Json::Number(value) => write!(out, "{value}"),
            Json::Text(text) => write_text(out, text),
            Json::List(items) => {
                out.write_str("[")?;
                for (index, item) in items.iter().enumerate() {
                    write!(out, "{}{item}", if index > 0 { "," } else { "" })?;
                }
                out.write_str("]")
            }
            Json::Object(fields) => {
                out.write_str("{")?;
                for (index, (name, value)) in fields.iter().enumerate() {
                    out.write_str(if index > 0 { "," } else { "" })?;
                    write_text(out, name)?;
                    write!(out, ":{value}")?;
                }
                out.write_str("}")
            }
        }
    }
}

fn write_text(out: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    out.write_str("\"")?;
    for character in text.chars() {
        match character {
            '"' => out.write_str("\\\"")?,
            '\\' => out.write_str("\\\\")?,
            '\n' => out.write_str("\\n")?,
            '\t' => out.write_str("\\t")?,
            control if control < ' ' => write!(out, "\\u{:04x}", control as u32)?,
            plain => write!(out, "{plain}")?,
        }
    }
    out.write_str("\"")
}

/// Writes one JSON object on a line of standard output.
pub fn log(level: &str, message: &str, facts: &[(&'static str, Json)]) {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let when = timestamp(now.as_secs(), now.subsec_millis());
    let mut line = format!(
        "{{\"timestamp\":{},\"level\":{},\"message\":{}",
        Json::Text(when),
        Json::from(level),
        Json::from(message)
    );
    for (name, value) in facts {
        line += &format!(",{}:{value}", Json::from(*name));
    }
    // A reader that has gone away is no reason to stop serving.
    let _ = writeln!(std::io::stdout().lock(), "{line}}}");
}

/// Seconds since 1970 as ISO 8601: the calendar is counted from 1 March, so that leap days come last.
fn timestamp(seconds: u64, millis: u32) -> String {
    let days = seconds / 86_400 + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    let (hour, minute, second) = (seconds / 3_600 % 24, seconds / 60 % 60, seconds % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{millis:03}Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_every_kind_of_value() {
        let value = Json::Object(vec![
            ("none", Json::Null),
            ("yes", Json::Bool(true)),
            ("list", Json::List(vec![1usize.into(), 0.5.into(), 1e21.into(), f64::NAN.into()])),
            ("text", "a \"b\" \\ \n\t\u{1}é".into()),
        ]);
        assert_eq!(
            value.to_string(),
            r#"{"none":null,"yes":true,"list":[1,0.5,1e21,null],"text":"a \"b\" \\ \n\t\u0001é"}"#
        );
    }

    #[test]
    fn knows_the_calendar() {
        assert_eq!(timestamp(0, 0), "1970-01-01T00:00:00.000Z");
        assert_eq!(timestamp(951_782_399, 7), "2000-02-28T23:59:59.007Z");
        assert_eq!(timestamp(951_782_400, 0), "2000-02-29T00:00:00.000Z");
        assert_eq!(timestamp(1_798_761_599, 999), "2026-12-31T23:59:59.999Z");
    }
}
