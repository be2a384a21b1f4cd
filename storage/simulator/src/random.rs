//! Streams of numbers that depend on nothing but the seed and on what they are for.

/// What a stream is for; two purposes never share numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u64)]
pub(crate) enum Purpose {
    Field = 1,
    Weather,
    Visit,
    Object,
    Flare,
    Source,
    Window,
    Selection,
    Body,
    Artefact,
    Pixels,
    Psf,
    Delivery,
    Damage,
    Program,
    Channel,
    Scene,
    Sync,
}

/// Numbers for one purpose about one thing, or about one thing at one time.
///
/// Because each thing has its own stream, a record can be made again at any time, in any order and on any thread, and
/// is the same to the last bit. The generator is xoshiro256++ (Blackman and Vigna 2021), which costs nothing to start:
/// most streams are asked for a handful of numbers.
#[derive(Debug, Clone)]
pub(crate) struct Stream {
    state: [u64; 4],
    spare: [f32; 4],
    left: usize,
}

impl Stream {
    pub(crate) fn new(seed: u64, purpose: Purpose, thing: u64, time: u64) -> Self {
        let words = [seed, purpose as u64, thing, time];
        let key = words.iter().fold(0, |key: u64, word| scramble(key.wrapping_add(GOLDEN) ^ scramble(*word)));
        let mut count = key;
        let state = [(); 4].map(|()| {
            count = count.wrapping_add(GOLDEN);
            scramble(count)
        });
        Self { state, spare: [0.0; 4], left: 0 }
    }

    pub(crate) fn word(&mut self) -> u64 {
        let s = &mut self.state;
        let word = s[0].wrapping_add(s[3]).rotate_left(23).wrapping_add(s[0]);
        let shifted = s[1] << 17;
        s[2] ^= s[0];
        s[3] ^= s[1];
        s[1] ^= s[2];
        s[0] ^= s[3];
        s[2] ^= shifted;
        s[3] = s[3].rotate_left(45);
        word
    }

    pub(crate) fn fill(&mut self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(8) {
            chunk.copy_from_slice(&self.word().to_le_bytes()[..chunk.len()]);
        }
    }

    /// Uniform in `[0, 1)`.
    pub(crate) fn uniform(&mut self) -> f64 {
        const STEP: f64 = 1.0 / (1_u64 << 53) as f64;
        (self.word() >> 11) as f64 * STEP
    }

    /// Uniform in `[low, high)`.
    pub(crate) fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.uniform()
    }

    /// Uniform in the logarithm between two positive bounds.
    pub(crate) fn log_between(&mut self, low: f64, high: f64) -> f64 {
        libm::exp(self.between(libm::log(low), libm::log(high)))
    }

    /// Exponentially distributed with mean 1.
    pub(crate) fn exponential(&mut self) -> f64 {
        -libm::log(1.0 - self.uniform())
    }

    /// Close to normal, mean 0 and variance 1, never beyond 3.47.
    pub(crate) fn normal(&mut self) -> f64 {
        if self.left == 0 {
            self.spare = four_normals(self.word());
            self.left = 4;
        }
        self.left -= 1;
        f64::from(self.spare[self.left])
    }
}

/// 2^64 over the golden ratio: steps of it visit all words, far from each other.
const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

/// Lets every bit of a word decide about every other (the last step of SplitMix64, Steele et al. 2014).
fn scramble(word: u64) -> u64 {
    let word = (word ^ word >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let word = (word ^ word >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ word >> 31
}

/// Four uncorrelated deviates with mean 0 and variance 1 from 64 random bits.
///
/// Each is a sum of the same four 16-bit numbers under another row of the 4 x 4 Hadamard matrix. They are not
/// independent in their higher moments, which no picture shows, and cost no logarithm.
pub(crate) fn four_normals(word: u64) -> [f32; 4] {
    // 2 / sqrt((65536^2 - 1) / 12 * 4): the deviation of a sum of four.
    const SCALE: f32 = 2.642_903_6e-5;
    let part = |shift: u32| (word >> shift & 0xffff) as i32;
    let (a, b, c, d) = (part(0), part(16), part(32), part(48));
    [
        (a + b + c + d - 131_070) as f32 * SCALE,
        (a - b + c - d) as f32 * SCALE,
        (a + b - c - d) as f32 * SCALE,
        (a - b - c + d) as f32 * SCALE,
    ]
}

/// Fractional part, in `[0, 1)`.
pub(crate) fn fraction(value: f64) -> f64 {
    value - value.floor()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn normals_have_mean_zero_variance_one_and_no_correlation() {
        let mut stream = Stream::new(7, Purpose::Pixels, 1, 2);
        let n = 50_000;
        let mut sums = [[0.0; 4]; 4];
        let mut means = [0.0; 4];
        for _ in 0..n {
            let four = four_normals(stream.word()).map(f64::from);
            for i in 0..4 {
                means[i] += four[i] / f64::from(n);
                for j in 0..4 {
                    sums[i][j] += four[i] * four[j] / f64::from(n);
                }
            }
        }
        for i in 0..4 {
            assert!(means[i].abs() < 0.02, "{means:?}");
            for j in 0..4 {
                let expected = if i == j { 1.0 } else { 0.0 };
                assert!((sums[i][j] - expected).abs() < 0.03, "{sums:?}");
            }
        }
    }

    #[test]
    fn the_generator_is_the_published_one() {
        let mut stream = Stream { state: [1, 2, 3, 4], spare: [0.0; 4], left: 0 };
        let first: Vec<_> = (0..4).map(|_| stream.word()).collect();
        // By hand: rotl(1 + 4, 23) + 1 is the first.
        assert_eq!(first[..2], [41_943_041, 58_720_359]);
        assert_eq!(scramble(GOLDEN), 0xe220_a839_7b1d_cdaf, "SplitMix64 from seed 0");
    }

    #[test]
    fn streams_of_different_things_differ() {
        let first = |purpose, thing, time| Stream::new(1, purpose, thing, time).word();
        let words = [
            first(Purpose::Source, 1, 1),
            first(Purpose::Source, 1, 2),
            first(Purpose::Source, 2, 1),
            first(Purpose::Visit, 1, 1),
        ];
        for (i, word) in words.iter().enumerate() {
            assert!(!words[..i].contains(word));
        }
        assert_eq!(words[0], first(Purpose::Source, 1, 1));
    }
}
