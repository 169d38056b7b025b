//! Fetches a page by Rust's standard library.
use std::io::{Read, Write};
use std::net::TcpStream;

fn main() -> std::io::Result<()> {
    let to = std::env::args().nth(1).expect("HOST:PORT");
    let mut connection = TcpStream::connect(&to)?;
    write!(connection, "GET / HTTP/1.0\r\nHost: {to}\r\n\r\n")?;
    let mut page = String::new();
    connection.read_to_string(&mut page)?;
    print!("{page}");
    Ok(())
}
