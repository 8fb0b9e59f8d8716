//! Sends back what it gets: `cargo run -p evented --example evented_echo -- 127.0.0.1:7000`.
//! At most 1,000 connections at once, and none that says nothing for a minute.

use std::{error::Error, io, time::Duration};

use evented::net::{TcpListener, TcpStream};
use evented::{block_on, spawn, sync::Semaphore, timeout};
use futures_lite::{AsyncReadExt, AsyncWriteExt};

/// How many connections there may be.
const CONNECTIONS: usize = 1_000;
/// How long one may say nothing.
const PATIENCE: Duration = Duration::from_mins(1);

fn main() -> Result<(), Box<dyn Error>> {
    let address = std::env::args().nth(1).ok_or("usage: echo ADDRESS:PORT")?.parse()?;
    block_on(async {
        let listener = TcpListener::bind(address)?;
        println!("listening on {}", listener.local_addr()?);
        let places = Semaphore::new(CONNECTIONS);
        loop {
            // Others wait in the kernel's queue until there is a place.
            let place = places.acquire().await;
            match listener.accept().await {
                Ok((stream, peer)) => spawn(async move {
                    let _place = place;
                    if let Err(error) = echo(stream).await {
                        eprintln!("{peer}: {error}");
                    }
                })
                .detach(),
                // No descriptor left: one connection was turned away. Going on does not spin.
                Err(error) => eprintln!("failed to accept: {error}"),
            }
        }
    })
}

async fn echo(mut stream: TcpStream) -> io::Result<()> {
    let mut buffer = vec![0; 16 * 1024];
    loop {
        match timeout(PATIENCE, stream.read(&mut buffer)).await?? {
            0 => return stream.close().await,
            count => stream.write_all(&buffer[..count]).await?,
        }
    }
}
