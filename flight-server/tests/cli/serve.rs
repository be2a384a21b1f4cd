//! The server, as far as it shows on the command line. What it answers is tested with its clients.

use std::io::{BufRead, BufReader};
use std::net::TcpStream;
use std::process::{Command, Stdio};

use crate::support::Place;

#[test]
fn it_says_where_it_listens_and_stops_when_told() {
    let (place, _) = Place::with_packets();
    let mut server = place
        .command(&["serve", "--listen", "127.0.0.1:0"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(server.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let address = line.trim().strip_prefix("listening on grpc://").unwrap();
    drop(TcpStream::connect(address).unwrap());
    assert!(Command::new("kill").arg(server.id().to_string()).status().unwrap().success());
    let done = server.wait_with_output().unwrap();
    assert!(done.status.success(), "{:?} {}", done.status, String::from_utf8_lossy(&done.stderr));
}

#[test]
fn other_machines_are_not_served() {
    let (place, _) = Place::with_packets();
    place.run(&["serve", "--listen", "0.0.0.0:0"]).ends(2).warns("127.0.0.1");
    place.run(&["serve", "--listen", "somewhere"]).ends(2);
    place.run(&["serve", "--rights", ""]).ends(2).warns("public");
}
