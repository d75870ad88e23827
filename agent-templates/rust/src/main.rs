//! Starts the agent, hands each connection to a thread, and stops it without losing a request.

mod agent;
mod http;
mod json;
mod profile;
mod table;

use std::env;
use std::io;
use std::net::{TcpListener, TcpStream};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::Duration;

use json::{log, Json};

const MAX_CONNECTIONS: usize = 64;
const DRAIN: Duration = Duration::from_secs(10);
const READ_TIMEOUT: Duration = Duration::from_secs(15);

fn main() -> ExitCode {
    let port = env::var("PORT").ok().filter(|port| !port.is_empty()).unwrap_or("8080".into());
    let host = env::var("HOST").unwrap_or("0.0.0.0".into());
    match serve(&host, &port) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            log("error", &format!("cannot listen on {host}:{port}: {error}"), &[]);
            ExitCode::FAILURE
        }
    }
}

fn serve(host: &str, port: &str) -> io::Result<()> {
    let listener = TcpListener::bind(format!("{host}:{port}"))?;
    let address = listener.local_addr()?;
    let stopping = Arc::new(AtomicBool::new(false));
    let signal = stop::on_signal(Arc::clone(&stopping), address.port())?;
    log("info", "listening", &[("port", Json::from(address.port() as f64))]);

    let open = Arc::new(Open::default());
    for stream in listener.incoming() {
        if stopping.load(Ordering::SeqCst) {
            break;
        }
        let Ok(stream) = stream else {
            // Out of file handles, most likely: give the open connections time to end.
            thread::sleep(Duration::from_millis(20));
            continue;
        };
        let Some(place) = open.enter() else {
            refuse(stream);
            continue;
        };
        let stopping = Arc::clone(&stopping);
        let started = thread::Builder::new().spawn(move || {
            let _place = place;
            converse(stream, &stopping);
        });
        if let Err(error) = started {
            log("error", &format!("a connection was dropped: {error}"), &[]);
        }
    }
    drop(listener);
    open.wait(DRAIN);
    let name = signal.join().unwrap_or("unknown");
    log("info", "stopped", &[("signal", Json::from(name))]);
    Ok(())
}

/// Answers the requests of one connection until it ends, or the agent stops.
fn converse(stream: TcpStream, stopping: &AtomicBool) {
    let _ = stream.set_read_timeout(Some(READ_TIMEOUT));
    let _ = stream.set_write_timeout(Some(READ_TIMEOUT));
    let _ = stream.set_nodelay(true);
    let mut connection = http::Connection::new(stream);
    while let Some(outcome) = connection.next(stopping) {
        let last = match outcome {
            Ok(request) => {
                let last = request.close || stopping.load(Ordering::SeqCst);
                connection.send(&agent::answer(&request), request.method == "HEAD", last).is_err()
                    || last
            }
            Err(refusal) => {
                let _ = connection.send(&agent::problem(&refusal), false, true);
                connection.drain();
                true
            }
        };
        if last {
            break;
        }
    }
}

fn refuse(stream: TcpStream) {
    let busy = http::Refusal::new(503, "Too many connections are open. Try again in a moment.");
    let _ = stream.set_write_timeout(Some(Duration::from_secs(1)));
    let _ = http::Connection::new(stream).send(&agent::problem(&busy), false, true);
}

/// How many connections are open, and a way to wait until there are none.
#[derive(Default)]
struct Open {
    count: Mutex<usize>,
    left: Condvar,
}

struct Place(Arc<Open>);

impl Open {
    fn enter(self: &Arc<Self>) -> Option<Place> {
        let mut count = self.count.lock().unwrap();
        if *count >= MAX_CONNECTIONS {
            return None;
        }
        *count += 1;
        Some(Place(Arc::clone(self)))
    }

    fn wait(&self, patience: Duration) {
        let count = self.count.lock().unwrap();
        let _ = self.left.wait_timeout_while(count, patience, |count| *count > 0);
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        *self.0.count.lock().unwrap() -= 1;
        self.0.left.notify_all();
    }
}

/// SIGTERM and SIGINT without a dependency: the handler may do little more than write a byte to a
/// pipe, and a thread at the other end does the rest.
mod stop {
    use std::io::{self, Read};
    use std::net::TcpStream;
    use std::os::fd::IntoRawFd;
    use std::os::unix::net::UnixStream;
    use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
    use std::sync::Arc;
    use std::thread::{self, JoinHandle};

    const SIGINT: i32 = 2;
    const SIGTERM: i32 = 15;
    static PIPE: AtomicI32 = AtomicI32::new(-1);

    extern "C" {
        fn signal(signum: i32, handler: extern "C" fn(i32)) -> usize;
        fn write(fd: i32, bytes: *const u8, count: usize) -> isize;
    }

    extern "C" fn note(signum: i32) {
        let byte = signum as u8;
        // SAFETY: write(2) may be called in a signal handler; the pointer is to one live byte.
        unsafe { write(PIPE.load(Ordering::SeqCst), &byte, 1) };
    }

    pub fn on_signal(stopping: Arc<AtomicBool>, port: u16) -> io::Result<JoinHandle<&'static str>> {
        let (mut reader, writer) = UnixStream::pair()?;
        PIPE.store(writer.into_raw_fd(), Ordering::SeqCst);
        // SAFETY: `note` has the signature signal(2) asks for and lives as long as the program.
        unsafe {
            signal(SIGTERM, note);
            signal(SIGINT, note);
        }
        Ok(thread::spawn(move || {
            let mut byte = [0];
            while reader.read_exact(&mut byte).is_err() {}
            stopping.store(true, Ordering::SeqCst);
            // accept(2) waits for a connection, so give it one.
            let _ = TcpStream::connect(("127.0.0.1", port));
            if i32::from(byte[0]) == SIGTERM {
                "SIGTERM"
            } else {
                "SIGINT"
            }
        }))
    }
}
