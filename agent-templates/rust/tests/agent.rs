//! The agent as its callers meet it: the real program on a real port.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::thread;
use std::time::Duration;

struct Agent {
    child: Child,
    log: BufReader<ChildStdout>,
    port: u16,
}

impl Agent {
    fn start() -> Agent {
        let mut child = Command::new(env!("CARGO_BIN_EXE_table-profiler"))
            .env("PORT", "0")
            .env("HOST", "127.0.0.1")
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut log = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        log.read_line(&mut line).unwrap();
        let port = line.split("\"port\":").nth(1).expect(&line).trim_end().trim_end_matches('}');
        let port = port.parse().unwrap();
        Agent { child, log, port }
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        stream
    }

    /// Sends bytes as they are, and reads until the agent ends the connection.
    fn send(&self, bytes: &[u8]) -> String {
        let mut stream = self.connect();
        let mut sender = stream.try_clone().unwrap();
        let bytes = bytes.to_vec();
        // From another thread: the agent may answer and stop reading before all is sent.
        let sending = thread::spawn(move || {
            let _ = sender.write_all(&bytes);
            let _ = sender.shutdown(Shutdown::Write);
        });
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        sending.join().unwrap();
        answer
    }

    fn post(&self, target: &str, body: &str) -> String {
        let length = body.len();
        self.send(
            format!("POST {target} HTTP/1.1\r\nContent-Length: {length}\r\n\r\n{body}").as_bytes(),
        )
    }

    fn terminate(&self) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
    }

    /// How the agent ended, and its last log line.
    fn end(&mut self) -> (ExitStatus, String) {
        let status = self.child.wait().unwrap();
        let mut rest = String::new();
        self.log.read_to_string(&mut rest).unwrap();
        (status, rest.lines().last().unwrap_or("").to_owned())
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[track_caller]
fn assert_has(answer: &str, parts: &[&str]) {
    for part in parts {
        assert!(answer.contains(part), "{part}\nis not in\n{answer}");
    }
}

#[test]
fn is_healthy_and_describes_itself() {
    let agent = Agent::start();
    let health = agent.send(b"GET /health HTTP/1.1\r\n\r\n");
    assert_has(&health, &["HTTP/1.1 200 OK\r\n", "\r\n\r\n{\"status\":\"ok\"}"]);
    assert_has(
        &agent.send(b"GET / HTTP/1.1\r\n\r\n"),
        &["application/json", "\"path\":\"/profile\""],
    );
    let page = agent.send(b"GET / HTTP/1.1\r\nAccept: text/html\r\n\r\n");
    assert_has(&page, &["default-src 'none'", "<h1>Table profiler</h1>"]);
    for name in ["page.css", "page.js"] {
        assert_has(
            &agent.send(format!("GET /page/{name} HTTP/1.1\r\n\r\n").as_bytes()),
            &["200 OK"],
        );
    }
    let head = agent.send(b"HEAD / HTTP/1.1\r\n\r\n");
    assert!(head.contains("200 OK") && head.ends_with("\r\n\r\n"), "{head}");
}

#[test]
fn profiles_a_table() {
    let agent = Agent::start();
    let answer = agent.post("/profile", "ship,length\nAurora,126.8\nBelem,58\n");
    assert_has(&answer, &["200 OK", "\"rows\":2", "\"name\":\"length\",\"type\":\"number\""]);
    let answer = agent.post("/profile?separator=semicolon&header=no", "1,5;2\n");
    assert_has(&answer, &["\"rows\":1", "\"name\":\"column 2\",\"type\":\"integer\""]);
}

#[test]
fn reads_chunks_waits_for_continue_and_keeps_the_connection() {
    let agent = Agent::start();
    let chunked = "POST /profile HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n\
                   4\r\na,b\n\r\n3;x=y\r\n1,2\r\n0\r\nTrailer: z\r\n\r\n";
    let answer = agent.send(format!("{chunked}GET /health HTTP/1.1\r\n\r\n").as_bytes());
    assert_has(&answer, &["\"rows\":1", "{\"status\":\"ok\"}"]);

    let mut stream = agent.connect();
    let head = b"POST /profile HTTP/1.1\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n";
    stream.write_all(head).unwrap();
    let mut first = [0; 25];
    stream.read_exact(&mut first).unwrap();
    assert_eq!(&first, b"HTTP/1.1 100 Continue\r\n\r\n");
    stream.write_all(b"a\n1").unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    let mut rest = String::new();
    stream.read_to_string(&mut rest).unwrap();
    assert_has(&rest, &["200 OK", "\"rows\":1"]);
}

#[test]
fn refuses_with_a_reason() {
    let agent = Agent::start();
    let large = "1\n".repeat(3 << 20);
    let wrong = [
        (agent.post("/profile", ""), "422", "The table is empty"),
        (agent.post("/profile?header=maybe", "a"), "422", "header=yes or no"),
        (agent.post("/profile", &large), "413", "4 MiB at most"),
        (agent.send(b"GET /nothing HTTP/1.1\r\n\r\n"), "404", "GET / says"),
        (agent.send(b"GET /profile HTTP/1.1\r\n\r\n"), "405", "Allow: POST"),
        (agent.send(b"POST / HTTP/1.1\r\n\r\n"), "405", "Allow: GET, HEAD"),
        (
            agent.send(
                b"POST /profile HTTP/1.1\r\nContent-Type: multipart/form-data; boundary=x\r\n\r\n",
            ),
            "415",
            "--data-binary",
        ),
        (agent.send(b"hello\r\n\r\n"), "400", "not an HTTP request"),
        (agent.send(b"GET / HTTP/2\r\n\r\n"), "505", "HTTP/1.1"),
        (agent.send(b"GET / HTTP/1.1\r\nno colon\r\n\r\n"), "400", "no name"),
        (
            agent.send(b"POST /profile HTTP/1.1\r\nContent-Length: +1\r\n\r\na"),
            "400",
            "not a number",
        ),
        (agent.send(b"POST /profile HTTP/1.1\r\nContent-Length: 9\r\n\r\na"), "400", "shorter"),
        (
            agent
                .send(b"POST /profile HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\na"),
            "400",
            "twice",
        ),
        (
            agent.send(b"POST /profile HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n"),
            "400",
            "no size",
        ),
        (
            agent.send(format!("GET /{} HTTP/1.1\r\n\r\n", "x".repeat(20_000)).as_bytes()),
            "431",
            "too long",
        ),
    ];
    for (answer, status, reason) in wrong {
        let status = format!("HTTP/1.1 {status} ");
        assert_has(&answer, &[&status, "application/problem+json", reason]);
    }
}

#[test]
fn finishes_what_is_under_way_when_told_to_stop() {
    let mut agent = Agent::start();
    let mut stream = agent.connect();
    stream.write_all(b"POST /profile HTTP/1.1\r\nContent-Length: 7\r\n\r\na,b\n").unwrap();
    thread::sleep(Duration::from_millis(300));
    agent.terminate();
    thread::sleep(Duration::from_millis(300));
    stream.write_all(b"1,2").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert_has(&answer, &["200 OK", "Connection: close", "\"rows\":1"]);
    let (status, last) = agent.end();
    assert!(status.success());
    assert_has(&last, &["\"message\":\"stopped\"", "\"signal\":\"SIGTERM\""]);
}

#[test]
fn says_why_it_cannot_start() {
    let agent = Agent::start();
    let output = Command::new(env!("CARGO_BIN_EXE_table-profiler"))
        .env("PORT", agent.port.to_string())
        .env("HOST", "127.0.0.1")
        .output()
        .unwrap();
    assert!(!output.status.success());
    assert_has(&String::from_utf8(output.stdout).unwrap(), &["\"error\"", "cannot listen on"]);
}
