//! One page, fetched over HTTP/1.1 with a connection of its own; its links are what the crawl goes
//! on with.

use std::io;

use futures_lite::{AsyncReadExt, AsyncWriteExt};

use crate::{Crawl, Io, Output};

use super::TaskError;

/// How often a page is asked for before the crawl gives up on it.
pub const ATTEMPTS: u32 = 5;

/// The longest answer that is read, in bytes.
const MAX_ANSWER_BYTES: u64 = 1 << 20;

/// What every link begins with.
const LINK: &[u8] = b"href=\"/p/";

/// Fetches the page, again while the server says 503.
pub(super) async fn run<I: Io>(io: &I, task: &Crawl, page: u64) -> Result<Output, TaskError> {
    for attempt in 0..ATTEMPTS {
        let answer =
            fetch(io, task, page, attempt).await.map_err(TaskError::io(format!("page {page}")))?;
        let (status, body) =
            split(&answer).ok_or_else(|| TaskError::Input(format!("page {page}: not HTTP")))?;
        match status {
            200 => return Ok(output_of(body)),
            503 => {}
            _ => return Err(TaskError::Input(format!("page {page}: status {status}"))),
        }
    }
    Err(TaskError::Input(format!("page {page}: still refused after {ATTEMPTS} attempts")))
}

/// One request and all of its answer.
async fn fetch<I: Io>(io: &I, task: &Crawl, page: u64, attempt: u32) -> io::Result<Vec<u8>> {
    let host = page % u64::from(task.hosts.max(1));
    let request = format!(
        "GET /p/{page} HTTP/1.1\r\nHost: h{host}.test\r\nX-Attempt: {attempt}\r\nConnection: close\r\n\r\n"
    );
    let mut stream = io.connect(task.upstream).await?;
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    stream.take(MAX_ANSWER_BYTES).read_to_end(&mut answer).await?;
    Ok(answer)
}

/// Status and body of an answer; `None` when it is not a whole answer of HTTP/1.1.
fn split(answer: &[u8]) -> Option<(u16, &[u8])> {
    let mut headers = [httparse::EMPTY_HEADER; 32];
    let mut head = httparse::Response::new(&mut headers);
    let httparse::Status::Complete(length) = head.parse(answer).ok()? else { return None };
    let body = &answer[length..];
    let stated =
        head.headers.iter().find(|header| header.name.eq_ignore_ascii_case("content-length"))?;
    let stated: usize = std::str::from_utf8(stated.value).ok()?.parse().ok()?;
    (stated == body.len()).then_some((head.code?, body))
}

/// CRC-32 of the page, then the pages it links to in their order, all as little-endian `u32`.
pub(crate) fn output_of(body: &[u8]) -> Output {
    let mut bytes = crc32fast::hash(body).to_le_bytes().to_vec();
    let mut rest = body;
    while let Some(at) = memchr::memmem::find(rest, LINK) {
        rest = &rest[at + LINK.len()..];
        let digits = rest.iter().take_while(|byte| byte.is_ascii_digit());
        let page = digits
            .fold(0u32, |page, digit| page.wrapping_mul(10).wrapping_add(u32::from(digit - b'0')));
        bytes.extend_from_slice(&page.to_le_bytes());
    }
    Output::Bytes(bytes)
}

/// The pages that the output of a crawl task links to, in their order; empty when it is not one.
pub fn links_of(output: &Output) -> impl Iterator<Item = u64> {
    let bytes = match output {
        Output::Bytes(bytes) => bytes.get(4..).unwrap_or_default(),
        Output::Word(_) => &[],
    };
    bytes.as_chunks::<4>().0.iter().map(|page| u64::from(u32::from_le_bytes(*page)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_come_back_in_order() {
        let output = output_of(br#"<a href="/p/12">x</a> href="/q/3" <a href="/p/4">"#);
        assert_eq!(links_of(&output).collect::<Vec<_>>(), [12, 4]);
    }

    #[test]
    fn a_cut_answer_is_no_answer() {
        let whole = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nbody";
        assert_eq!(split(whole), Some((200, &b"body"[..])));
        assert_eq!(split(&whole[..whole.len() - 1]), None);
        assert_eq!(split(b"rubbish"), None);
    }
}
