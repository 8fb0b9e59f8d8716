//! Fetches every page that is linked from a first one, eight requests at a time.

use std::collections::{BTreeMap, HashSet};
use std::io::{Error, Read, Write};
use std::net::TcpStream;

use processes::{AsCompleted, Pool};
use sha2::{Digest, Sha256};

const IN_FLIGHT: usize = 8;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let url = std::env::args().nth(1).ok_or("usage: crawl http://HOST:PORT/")?;
    let host = url.trim_start_matches("http://").trim_end_matches('/');
    let pool = Pool::new(IN_FLIGHT)?;
    let (mut pages, mut seen) = (BTreeMap::new(), HashSet::from(["/".to_owned()]));
    let (mut waiting, mut fetching) = (vec!["/".to_owned()], AsCompleted::new());
    while !waiting.is_empty() || !fetching.is_empty() {
        let free = IN_FLIGHT - fetching.len();
        for path in waiting.drain(waiting.len().saturating_sub(free)..) {
            fetching.push(0, pool.submit(page, (host.to_owned(), path)));
        }
        let fetched = fetching.next().map(|(_key, result)| result).transpose()?.transpose()?;
        let Some((path, digest, links)) = fetched.flatten() else { continue };
        waiting.extend(links.into_iter().filter(|link| seen.insert(link.clone())));
        pages.insert(path, digest);
    }
    let lines: Vec<_> = pages.iter().map(|(path, hash)| format!("{path}\0{hash}\n")).collect();
    println!("{} pages, {}", pages.len(), digest(lines.concat().as_bytes()));
    Ok(())
}

/// Runs in a worker: path, digest and links of a page; nothing unless its status is 200.
fn page((host, path): (String, String)) -> Result<Option<(String, String, Vec<String>)>, String> {
    let fetch = || get(&host, &path).map_err(|error| format!("{path}: {error}"));
    let mut attempts = std::iter::repeat_with(fetch).take(5);
    match attempts.find(|answer| !matches!(answer, Ok((503, _)))).transpose()? {
        Some((200, body)) => {
            let text = String::from_utf8_lossy(&body);
            let links = text.split("href=\"/").skip(1).filter_map(|rest| rest.split('"').next());
            let links = links.map(|link| format!("/{link}")).collect();
            Ok(Some((path, digest(&body), links)))
        }
        _ => Ok(None),
    }
}

fn get(host: &str, path: &str) -> Result<(u16, Vec<u8>), Error> {
    let (mut stream, mut answer) = (TcpStream::connect(host)?, Vec::new());
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n")?;
    stream.read_to_end(&mut answer)?;
    let end =
        answer.windows(4).position(|end| end == b"\r\n\r\n").ok_or(Error::other("no head"))?;
    let status = String::from_utf8_lossy(&answer).split(' ').nth(1).and_then(|n| n.parse().ok());
    Ok((status.ok_or(Error::other("no status"))?, answer.split_off(end + 4)))
}

fn digest(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}
