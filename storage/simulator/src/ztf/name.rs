//! Ids of objects: `ZTF26aabcdef`, and the same as a number.

/// Letters behind the year.
const LETTERS: u32 = 7;
/// How many names a year has.
pub(super) const NAMES: u64 = 26_u64.pow(LETTERS);

/// The number of an object that was first seen in a year: the last two digits of the year, and the letters of the name
/// as digits to the base 26.
pub(super) fn id(year: i64, number: u64) -> i64 {
    year.rem_euclid(100) * NAMES as i64 + (number % NAMES) as i64
}

/// The name that goes with a number.
pub(super) fn name(id: i64) -> String {
    let mut letters = [b'a'; LETTERS as usize];
    let mut rest = id.unsigned_abs();
    for letter in letters.iter_mut().rev() {
        *letter = b'a' + (rest % 26) as u8;
        rest /= 26;
    }
    format!("ZTF{rest:02}{}", String::from_utf8_lossy(&letters))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_look_like_those_of_ztf_and_differ() {
        assert_eq!(name(id(2026, 0)), "ZTF26aaaaaaa");
        assert_eq!(name(id(2026, 27)), "ZTF26aaaaabb");
        assert_eq!(name(id(2031, NAMES - 1)), "ZTF31zzzzzzz");
        assert_eq!(name(id(2009, 1)), "ZTF09aaaaaab");
        assert_eq!(name(id(2021, 15_902_988)), "ZTF21abiuvdk");
    }
}
