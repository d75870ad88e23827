//! What the agent answers and what it refuses.

use std::panic::{catch_unwind, AssertUnwindSafe};
use std::time::Instant;

use crate::http::{Refusal, Request, Response, MAX_BODY};
use crate::json::{log, Json};
use crate::profile::{profile, Options};

const CSP: &str = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; \
                   img-src data:; base-uri 'none'; form-action 'none'";
/// What GET / tells a program; `options` holds requests to it.
const DESCRIPTION: &str = r#"{"name":"table-profiler","description":"Reads a table and says what is in each column, and what is wrong with it.","actions":[{"name":"profile","method":"POST","path":"/profile","input":{"description":"The table as text in UTF-8: CSV, or with another separator. 4 MiB and 500 columns at most.","contentType":"text/csv"},"parameters":{"separator":{"enum":["auto","comma","semicolon","tab","pipe"],"default":"auto"},"header":{"enum":["yes","no"],"default":"yes","description":"Whether the first row names the columns."}}}],"health":"/health"}"#;

/// Answers one request and logs how; never fails.
pub fn answer(request: &Request) -> Response {
    let began = Instant::now();
    let response = match catch_unwind(AssertUnwindSafe(|| route(request))) {
        Ok(Ok(response)) => response,
        Ok(Err(refusal)) => problem(&refusal),
        // The panic's own message is on standard error.
        Err(_) => problem(&Refusal::new(500, "The agent failed; the reason is in its log.")),
    };
    if request.path != "/health" {
        let took = (began.elapsed().as_secs_f64() * 10_000.0).round() / 10.0;
        let level = if response.status == 500 { "error" } else { "info" };
        let facts = [
            ("method", Json::from(request.method.as_str())),
            ("path", Json::from(request.path.as_str())),
            ("status", Json::from(f64::from(response.status))),
            ("duration_ms", Json::from(took)),
        ];
        log(level, "request", &facts);
    }
    response
}

fn route(request: &Request) -> Result<Response, Refusal> {
    let method = if request.method == "HEAD" { "GET" } else { request.method.as_str() };
    match (method, request.path.as_str()) {
        ("GET", "/") => {
            if request.header("accept").is_some_and(|accept| accept.contains("text/html")) {
                Ok(page("text/html; charset=utf-8", include_str!("../page/index.html")))
            } else {
                let mut response = json(200, "application/json", DESCRIPTION.to_owned());
                response.headers.push(("Vary", "Accept".to_owned()));
                Ok(response)
            }
        }
        ("GET", "/page/page.css") => {
            Ok(page("text/css; charset=utf-8", include_str!("../page/page.css")))
        }
        ("GET", "/page/page.js") => {
            Ok(page("text/javascript; charset=utf-8", include_str!("../page/page.js")))
        }
        ("GET", "/health") => Ok(json(200, "application/json", r#"{"status":"ok"}"#.to_owned())),
        ("POST", "/profile") => {
            let kind = request.header("content-type").unwrap_or("").to_ascii_lowercase();
            if kind.starts_with("multipart/") || kind.starts_with("application/json") {
                let detail = "Send the table itself as the body, for example with curl \
                              --data-binary @table.csv -H 'Content-Type: text/csv'.";
                return Err(Refusal::new(415, detail));
            }
            let report = profile(&request.body, &options(&request.query)?)?;
            Ok(json(200, "application/json", report.to_string()))
        }
        (_, "/profile") => Err(method_not_allowed("POST")),
        (_, "/" | "/health" | "/page/page.css" | "/page/page.js") => {
            Err(method_not_allowed("GET, HEAD"))
        }
        _ => Err(Refusal::new(404, "There is nothing here; GET / says what there is.")),
    }
}

fn options(query: &str) -> Result<Options, Refusal> {
    let mut options = Options::default();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        match pair {
            "separator=auto" => options.separator = None,
            "separator=comma" => options.separator = Some(b','),
            "separator=semicolon" => options.separator = Some(b';'),
            "separator=tab" => options.separator = Some(b'\t'),
            "separator=pipe" => options.separator = Some(b'|'),
            "header=yes" => options.header = true,
            "header=no" => options.header = false,
            _ => {
                let detail = format!(
                    "\"{pair}\" is not known. There are separator=auto, comma, semicolon, tab or \
                     pipe, and header=yes or no."
                );
                return Err(Refusal::new(422, detail));
            }
        }
    }
    Ok(options)
}

fn method_not_allowed(allow: &'static str) -> Refusal {
    Refusal { status: 405, detail: format!("Use {allow} here."), allow: Some(allow) }
}

/// Every refusal in one shape (RFC 9457).
pub fn problem(refusal: &Refusal) -> Response {
    let body = Json::Object(vec![
        ("title", Json::from("The request was refused")),
        ("status", Json::from(f64::from(refusal.status))),
        ("detail", Json::from(refusal.detail.as_str())),
    ]);
    let mut response = json(refusal.status, "application/problem+json", body.to_string());
    response.headers.extend(refusal.allow.map(|allow| ("Allow", allow.to_owned())));
    response
}

fn json(status: u16, kind: &'static str, body: String) -> Response {
    Response { status, kind, headers: Vec::new(), body: body.into_bytes() }
}

fn page(kind: &'static str, text: &'static str) -> Response {
    let headers = [
        ("Content-Security-Policy", CSP),
        ("X-Content-Type-Options", "nosniff"),
        ("Referrer-Policy", "no-referrer"),
        ("Vary", "Accept"),
    ];
    let headers = headers.map(|(name, value)| (name, value.to_owned())).into();
    Response { status: 200, kind, headers, body: text.into() }
}

const _: () = assert!(MAX_BODY == 4 << 20, "DESCRIPTION names the limit");
