//! Answers plain HTTP: `cargo run --release -p evented --example evented_http -- 127.0.0.1:8080`.

use std::{error::Error, io, net::SocketAddr, time::Duration};

use evented::net::{TcpListener, TcpStream};
use evented::{block_on, spawn, timeout};
use futures_lite::{AsyncReadExt, AsyncWriteExt};

/// How long a client may be silent.
const PATIENCE: Duration = Duration::from_mins(1);

fn main() -> Result<(), Box<dyn Error>> {
    let address = std::env::args().nth(1).ok_or("usage: http ADDRESS:PORT")?;
    Ok(block_on(listen(address.parse()?))?)
}

/// A task for each connection. What `accept` reports was turned away: others are still welcome.
async fn listen(address: SocketAddr) -> io::Result<()> {
    let listener = TcpListener::bind(address)?;
    println!("http://{}/", listener.local_addr()?);
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => spawn(async move {
                if let Err(error) = serve(stream).await {
                    eprintln!("{peer}: {error}");
                }
            })
            .detach(),
            Err(error) => eprintln!("failed to accept: {error}"),
        }
    }
}

/// Answers request after request, which may come in pieces or several at once.
async fn serve(mut stream: TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let (mut received, mut buffer) = (Vec::new(), [0; 4096]);
    loop {
        while let Some(end) = received.windows(4).position(|four| four == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&received[..end]).to_ascii_lowercase();
            let (status, body) = match head.split(' ').collect::<Vec<_>>()[..] {
                ["get", "/", ..] => ("200 OK", "hello\n"),
                ["get", ..] => ("404 Not Found", "there is nothing here\n"),
                _ => ("405 Method Not Allowed\r\nAllow: GET", "ask for something\n"),
            };
            let head_of_reply = format!("HTTP/1.1 {status}\r\nContent-Length: {}", body.len());
            stream.write_all(format!("{head_of_reply}\r\n\r\n{body}").as_bytes()).await?;
            let is_last = head.contains("connection: close") || head.contains(" http/1.0");
            if is_last || status.starts_with("405") {
                return Ok(()); // What may follow as the body of that request is no request.
            }
            received.drain(..end + 4);
        }
        match timeout(PATIENCE, stream.read(&mut buffer)).await?? {
            0 => return Ok(()),
            _ if received.len() > 16 * 1024 => return Err(io::ErrorKind::InvalidData.into()),
            read => received.extend_from_slice(&buffer[..read]),
        }
    }
}
