//! Checksums of files: fast ones, to notice damage. Packets have SHA-256 besides.

/// XXH3, 128 bits, hexadecimal.
#[must_use]
pub fn of(bytes: &[u8]) -> String {
    format!("{:032x}", xxhash_rust::xxh3::xxh3_128(bytes))
}
