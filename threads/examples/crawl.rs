//! Fetches a page and every page it links to on the same server, eight at a time,
//! and prints one line: how many pages, and one digest of their paths and bodies.
//!
//! `cargo run --release -p threads --example threads_crawl -- http://127.0.0.1:PORT/`

use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read, Write};
use std::{env, net::TcpStream};
use threads::{AsCompleted, Pool};

const IN_FLIGHT: usize = 8;
const ATTEMPTS: usize = 5;

/// The path and the body of a page; no body if there is none, or it stays unavailable.
fn fetch((server, path): (String, String)) -> io::Result<(String, Option<Vec<u8>>)> {
    let request = format!("GET {path} HTTP/1.1\r\nHost: {server}\r\nConnection: close\r\n\r\n");
    for _ in 0..ATTEMPTS {
        let (mut stream, mut response) = (TcpStream::connect(&server)?, Vec::new());
        stream.write_all(request.as_bytes())?;
        stream.read_to_end(&mut response)?;
        let head = response.windows(4).position(|bytes| bytes == b"\r\n\r\n");
        let body = response.split_off(head.ok_or(io::ErrorKind::InvalidData)? + 4);
        match response.get(9..12) {
            Some(b"200") => return Ok((path, Some(body))),
            Some(b"503") => {}
            _ => break,
        }
    }
    Ok((path, None))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"))
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let url = env::args().nth(1).unwrap_or_default();
    let rest = url.strip_prefix("http://").ok_or("usage: crawl http://127.0.0.1:PORT/")?;
    let (server, path) = rest.split_once('/').unwrap_or((rest, ""));
    let pool = Pool::new(IN_FLIGHT)?; // A worker waits for one response at a time.
    let first = format!("/{path}");
    let (mut seen, mut pages) = (BTreeSet::from([first.clone()]), BTreeMap::new());
    let mut fetches = AsCompleted::new();
    fetches.push(0, pool.submit(fetch, (server.to_owned(), first)));
    while let Some((_, page)) = fetches.next() {
        let (path, Some(body)) = page?? else { continue };
        for link in String::from_utf8_lossy(&body).split("href=\"/").skip(1) {
            let path = format!("/{}", link.split('"').next().unwrap_or_default());
            if seen.insert(path.clone()) {
                fetches.push(0, pool.submit(fetch, (server.to_owned(), path)));
            }
        }
        pages.insert(path, hex(&Sha256::digest(&body)));
    }
    let lines: Vec<_> = pages.iter().map(|(path, hash)| format!("{path}\0{hash}\n")).collect();
    println!("{} pages, {}", lines.len(), hex(&Sha256::digest(lines.concat())));
    Ok(())
}
