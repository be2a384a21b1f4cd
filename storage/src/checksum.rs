//! Checksums of files: fast ones, to notice damage. Packets have SHA-256 besides.

use xxhash_rust::xxh3::Xxh3;

/// XXH3, 128 bits, hexadecimal.
#[must_use]
pub fn of(bytes: &[u8]) -> String {
    let mut running = Running::default();
    running.update(bytes);
    running.told()
}

/// The same of bytes that come one part after the other.
#[derive(Default)]
pub struct Running(Xxh3);

impl Running {
    /// Takes in the next part.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The checksum of all parts so far.
    #[must_use]
    pub fn told(&self) -> String {
        format!("{:032x}", self.0.digest128())
    }
}
