//! Crawls a site over plain HTTP: `cargo run -p evented --example evented_crawl -- http://127.0.0.1:8080/`.

use std::collections::{BTreeMap, HashSet};
use std::{error::Error, io, net::SocketAddr};

use evented::{TaskGroup, block_on, net::TcpStream};
use futures_lite::{AsyncReadExt, AsyncWriteExt};
use sha2::{Digest, Sha256};

fn main() -> Result<(), Box<dyn Error>> {
    let url = std::env::args().nth(1).ok_or("usage: crawl http://ADDRESS:PORT/")?;
    let host = url.trim_start_matches("http://").trim_end_matches('/');
    let pages = block_on(crawl(host.parse()?))?;
    let mut total = Sha256::new();
    for (path, hash) in &pages {
        total.update(format!("{path}\0{hash}\n"));
    }
    println!("{} pages, {}", pages.len(), hex(&total.finalize()));
    Ok(())
}

/// The hashes of all pages that links lead to, fetched eight at a time.
async fn crawl(host: SocketAddr) -> Result<BTreeMap<String, String>, Box<dyn Error>> {
    let mut pages = BTreeMap::new();
    let mut seen = HashSet::from(["/".to_owned()]);
    let (mut todo, mut group) = (Vec::from_iter(seen.clone()), TaskGroup::new());
    loop {
        for path in todo.split_off(todo.len().saturating_sub(8 - group.len())) {
            group.spawn(async move { fetch(host, &path).await.map(|body| (path, body)) });
        }
        let Some(page) = group.next().await else { return Ok(pages) };
        let (path, Some(body)) = page?? else { continue };
        let text = String::from_utf8_lossy(&body);
        for link in text.split("href=\"/").skip(1).filter_map(|rest| rest.split('"').next()) {
            todo.extend(seen.insert(format!("/{link}")).then(|| format!("/{link}")));
        }
        pages.insert(path, hex(&Sha256::digest(&body)));
    }
}

/// The body of a page, in up to five attempts while the server is busy. None if there is no page.
async fn fetch(host: SocketAddr, path: &str) -> io::Result<Option<Vec<u8>>> {
    let request = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    for _ in 0..5 {
        let (mut stream, mut reply) = (TcpStream::connect(host).await?, Vec::new());
        stream.write_all(request.as_bytes()).await?;
        stream.read_to_end(&mut reply).await?;
        let head = reply.windows(4).position(|window| window == b"\r\n\r\n");
        match reply.get(9..12) {
            Some(b"200") => return Ok(Some(reply.split_off(head.map_or(0, |at| at + 4)))),
            Some(b"503") => {}
            _ => return Ok(None),
        }
    }
    Ok(None)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}
