//! An upstream that ends the process when the proxy sends it anything that is not a clean request.

use std::io::{BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;

use crate::http1::{Unclean, read_request, values};

/// A header that the proxy adds to everything it forwards. A request without it is one that the proxy does not know of.
pub const MARK: &str = "x-ripstop-fuzz";

/// Starts it. `mark` is the value of [`MARK`].
pub fn start(mark: &'static str) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port on loopback");
    let address = listener.local_addr().expect("a bound socket has an address");
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            thread::spawn(move || serve(stream, mark));
        }
    });
    address
}

fn serve(mut stream: TcpStream, mark: &str) {
    let Ok(clone) = stream.try_clone() else { return };
    let mut reader = BufReader::new(clone);
    loop {
        let request = match read_request(&mut reader) {
            Ok(request) => request,
            Err(Unclean::Ended(_)) => return,
            Err(Unclean::Dirty(why)) => die(&why),
        };
        let marks: Vec<&[u8]> = values(&request.headers, MARK).collect();
        if marks != [mark.as_bytes()] {
            die(&format!("a request that the proxy did not make: {request:?}"));
        }
        if stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").is_err() {
            return;
        }
    }
}

fn die(why: &str) -> ! {
    eprintln!("the upstream got what no proxy may send: {why}");
    std::process::abort();
}
