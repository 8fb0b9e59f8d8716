//! Jobs that wait: another worker takes the seat.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use threads::{Pool, blocking};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // One worker, and ten jobs that each wait for another job of the same pool.
    let pool = Arc::new(Pool::new(1)?);
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;

    let inner = Arc::clone(&pool);
    let server = pool.spawn(move || -> std::io::Result<()> {
        for x in 0..10u8 {
            let (mut stream, _) = blocking(|| listener.accept())?;
            drop(inner.spawn(move || stream.write_all(&[x])));
        }
        Ok(())
    });
    let clients = (0..10).map(|_| {
        pool.spawn(move || -> std::io::Result<u8> {
            let mut answer = [0];
            blocking(|| TcpStream::connect(address)?.read_exact(&mut answer))?;
            Ok(answer[0])
        })
    });
    let clients: Vec<_> = clients.collect();
    let mut sum = 0;
    for client in clients {
        sum += u32::from(client.join()??);
    }
    server.join()??;
    println!("answers: {sum}, workers: {}", pool.workers());
    Ok(())
}
