//! Names of objects: `ZTF26aabcdef`.

/// Letters behind the year.
const LETTERS: u32 = 7;
/// How many names a year has.
pub(super) const NAMES: u64 = 26_u64.pow(LETTERS);

/// The name of an object that was first seen in a year (its last two digits), from its number.
pub(super) fn name(year: i64, number: u64) -> String {
    let mut letters = [b'a'; LETTERS as usize];
    let mut rest = number % NAMES;
    for letter in letters.iter_mut().rev() {
        *letter = b'a' + (rest % 26) as u8;
        rest /= 26;
    }
    format!("ZTF{:02}{}", year.rem_euclid(100), String::from_utf8_lossy(&letters))
}

/// The name as a number, two digits of the year and the letters read in base 26: the name can be had back from it.
pub(super) fn number(name: &str) -> i64 {
    name.bytes().skip(3).fold(0, |number, byte| match byte {
        b'0'..=b'9' => number * 10 + i64::from(byte - b'0'),
        _ => number * 26 + i64::from(byte.saturating_sub(b'a')),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_look_like_those_of_ztf_and_differ() {
        assert_eq!(name(2026, 0), "ZTF26aaaaaaa");
        assert_eq!(name(2026, 27), "ZTF26aaaaabb");
        assert_eq!(name(2031, NAMES - 1), "ZTF31zzzzzzz");
        assert_eq!(number("ZTF21abiuvdk"), 21 * NAMES as i64 + 15_902_988);
        assert_eq!(name(2021, 15_902_988), "ZTF21abiuvdk");
    }
}
