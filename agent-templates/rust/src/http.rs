//! HTTP/1.1 as far as an agent behind a proxy needs it: requests with limits, and answers.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

pub const MAX_BODY: usize = 4 * 1024 * 1024;
const MAX_HEAD: u64 = 16 * 1024;
const MAX_REQUEST_TIME: Duration = Duration::from_secs(60);
const IDLE_CHECK: Duration = Duration::from_millis(200);
const MAX_IDLE: Duration = Duration::from_secs(30);

pub struct Request {
    pub method: String,
    pub path: String,
    pub query: String,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    pub close: bool,
}

impl Request {
    pub fn header(&self, name: &str) -> Option<&str> {
        find(&self.headers, name)
    }
}

pub struct Response {
    pub status: u16,
    pub kind: &'static str,
    pub headers: Vec<(&'static str, String)>,
    pub body: Vec<u8>,
}

/// A request that cannot be answered as asked: a status, and what to change.
#[derive(Debug)]
pub struct Refusal {
    pub status: u16,
    pub detail: String,
    pub allow: Option<&'static str>,
}

impl Refusal {
    pub fn new(status: u16, detail: impl Into<String>) -> Self {
        Refusal { status, detail: detail.into(), allow: None }
    }
}

impl From<io::Error> for Refusal {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => {
                Refusal::new(408, "The request came too slowly.")
            }
            _ => Refusal::new(400, "The request ended early."),
        }
    }
}

pub struct Connection {
    reader: BufReader<TcpStream>,
}

impl Connection {
    pub fn new(stream: TcpStream) -> Self {
        Connection { reader: BufReader::new(stream) }
    }

    fn stream(&self) -> &TcpStream {
        self.reader.get_ref()
    }

    /// The next request, or None when the connection has ended, was idle for long, or the agent
    /// stops before a request has begun.
    pub fn next(&mut self, stopping: &AtomicBool) -> Option<Result<Request, Refusal>> {
        let patience = self.stream().read_timeout().ok()?;
        let idle = Instant::now();
        self.stream().set_read_timeout(Some(IDLE_CHECK)).ok()?;
        loop {
            match self.reader.fill_buf() {
                Ok([]) => return None,
                Ok(_) => break,
                Err(error)
                    if matches!(
                        error.kind(),
                        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut
                    ) =>
                {
                    if stopping.load(Ordering::SeqCst) || idle.elapsed() > MAX_IDLE {
                        return None;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return None,
            }
        }
        self.stream().set_read_timeout(patience).ok()?;
        Some(self.read())
    }

    fn read(&mut self) -> Result<Request, Refusal> {
        let deadline = Instant::now() + MAX_REQUEST_TIME;
        let mut head = (&mut self.reader).take(MAX_HEAD);
        let first = line(&mut head, deadline)?;
        let mut parts = first.split(' ');
        let (Some(method), Some(target), Some(version), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(Refusal::new(400, "The first line is not an HTTP request."));
        };
        if !version.starts_with("HTTP/1.") {
            return Err(Refusal::new(505, "This agent speaks HTTP/1.1."));
        }
        let mut headers = Vec::new();
        loop {
            let text = line(&mut head, deadline)?;
            if text.is_empty() {
                break;
            }
            match text.split_once(':') {
                Some((name, value)) if !name.is_empty() && !name.contains([' ', '\t']) => {
                    headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
                }
                _ => return Err(Refusal::new(400, "A header line has no name.")),
            }
        }
        let connection = find(&headers, "connection").unwrap_or("").to_ascii_lowercase();
        let close = if version == "HTTP/1.0" {
            !connection.contains("keep-alive")
        } else {
            connection.contains("close")
        };
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let (method, path, query) = (method.to_owned(), path.to_owned(), query.to_owned());
        let body = self.body(&headers, deadline)?;
        Ok(Request { method, path, query, headers, body, close })
    }

    fn body(
        &mut self,
        headers: &[(String, String)],
        deadline: Instant,
    ) -> Result<Vec<u8>, Refusal> {
        let too_large =
            || Refusal::new(413, format!("A table may have {} MiB at most.", MAX_BODY >> 20));
        let lengths: Vec<_> = headers.iter().filter(|(name, _)| name == "content-length").collect();
        let coding = find(headers, "transfer-encoding");
        // Two lengths, or a length and chunks, are how requests are smuggled past a proxy.
        if lengths.len() > 1 || (coding.is_some() && !lengths.is_empty()) {
            return Err(Refusal::new(400, "The request gives its length twice."));
        }
        let length = match lengths.first() {
            None => 0,
            Some((_, text))
                if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) =>
            {
                text.parse().unwrap_or(usize::MAX)
            }
            Some(_) => return Err(Refusal::new(400, "Content-Length is not a number.")),
        };
        if length > MAX_BODY {
            return Err(too_large());
        }
        if find(headers, "expect").is_some_and(|text| text.eq_ignore_ascii_case("100-continue")) {
            self.stream().write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
        }
        let mut body = Vec::new();
        match coding {
            None => self.pour(length, &mut body, deadline)?,
            Some(coding) if coding.eq_ignore_ascii_case("chunked") => loop {
                let size = line(&mut (&mut self.reader).take(MAX_HEAD), deadline)?;
                let size = size.split(';').next().unwrap_or("").trim();
                // from_str_radix would also take a sign.
                let digits = !size.is_empty() && size.bytes().all(|byte| byte.is_ascii_hexdigit());
                let size = match usize::from_str_radix(size, 16) {
                    Ok(size) if digits => size,
                    _ => return Err(Refusal::new(400, "A chunk has no size.")),
                };
                if size > MAX_BODY - body.len() {
                    return Err(too_large());
                }
                self.pour(size, &mut body, deadline)?;
                if size > 0 {
                    line(&mut (&mut self.reader).take(2), deadline)?;
                    continue;
                }
                // Trailers, which nobody here reads.
                let mut trailers = (&mut self.reader).take(MAX_HEAD);
                while !line(&mut trailers, deadline)?.is_empty() {}
                break;
            },
            Some(_) => return Err(Refusal::new(501, "Send the body plain or chunked.")),
        }
        Ok(body)
    }

    fn pour(&mut self, count: usize, body: &mut Vec<u8>, deadline: Instant) -> Result<(), Refusal> {
        let mut left = count;
        while left > 0 {
            let piece = self.reader.fill_buf()?;
            if piece.is_empty() {
                return Err(Refusal::new(400, "The body is shorter than announced."));
            }
            if Instant::now() > deadline {
                return Err(Refusal::new(408, "The request came too slowly."));
            }
            let taken = piece.len().min(left);
            body.extend_from_slice(&piece[..taken]);
            self.reader.consume(taken);
            left -= taken;
        }
        Ok(())
    }

    pub fn send(&mut self, response: &Response, head_only: bool, last: bool) -> io::Result<()> {
        let mut head = format!(
            "HTTP/1.1 {} {}\r\nContent-Type: {}\r\nContent-Length: {}\r\n",
            response.status,
            reason(response.status),
            response.kind,
            response.body.len()
        );
        for (name, value) in &response.headers {
            head += &format!("{name}: {value}\r\n");
        }
        head += if last { "Connection: close\r\n\r\n" } else { "\r\n" };
        let mut bytes = head.into_bytes();
        if !head_only {
            bytes.extend_from_slice(&response.body);
        }
        self.stream().write_all(&bytes)
    }

    /// Reads what is still coming after a refusal: closing at once would reset the connection,
    /// and the sender would never see why.
    pub fn drain(&mut self) {
        let _ = self.stream().shutdown(Shutdown::Write);
        let _ = self.stream().set_read_timeout(Some(Duration::from_millis(500)));
        let mut left = 4 * MAX_BODY;
        while let Ok(piece) = self.reader.fill_buf() {
            let count = piece.len();
            if count == 0 || count > left {
                break;
            }
            left -= count;
            self.reader.consume(count);
        }
    }
}

fn line(reader: &mut impl BufRead, deadline: Instant) -> Result<String, Refusal> {
    let mut bytes = Vec::new();
    loop {
        let piece = reader.fill_buf()?;
        if piece.is_empty() {
            return Err(Refusal::new(431, "The request's head is too long, or ended early."));
        }
        if Instant::now() > deadline {
            return Err(Refusal::new(408, "The request came too slowly."));
        }
        let end = piece.iter().position(|byte| *byte == b'\n');
        let taken = end.map_or(piece.len(), |at| at + 1);
        bytes.extend_from_slice(&piece[..taken]);
        reader.consume(taken);
        if end.is_some() {
            bytes.pop();
            if bytes.last() == Some(&b'\r') {
                bytes.pop();
            }
            return String::from_utf8(bytes)
                .map_err(|_| Refusal::new(400, "The request's head is not UTF-8."));
        }
    }
}

fn find<'a>(headers: &'a [(String, String)], name: &str) -> Option<&'a str> {
    headers.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
}

fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        400 => "Bad Request",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        413 => "Content Too Large",
        415 => "Unsupported Media Type",
        422 => "Unprocessable Content",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        503 => "Service Unavailable",
        505 => "HTTP Version Not Supported",
        _ => "Refused",
    }
}
