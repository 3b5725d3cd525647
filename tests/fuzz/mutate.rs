//! A seeded mutator: the same inputs from the same seed, on every machine.

use rand::rngs::Xoshiro256PlusPlus;
use rand::{Rng, SeedableRng};

/// Inputs do not grow beyond this: what is longer is made on purpose, by a test of its own.
const INPUT_BYTES_MAX: usize = 16 << 10;

/// What is hard to hit by chance and matters everywhere: lengths that lie, numbers at their ends, card numbers.
const EVERYWHERE: &[&[u8]] = &[
    b"4242424242424242",
    b"4111 1111 1111 1111",
    b"3782-822463-10005",
    b"\xcf\x00\x0e\xe3\x5f\x39\xf2\x7f\xff",
    b"\xcf\xff\xff\xff\xff\xff\xff\xff\xff",
    b"\xd3\x80\x00\x00\x00\x00\x00\x00\x00",
    b"\xdb\xff\xff\xff\xff",
    b"\xc6\x7f\xff\xff\xff",
    b"\xdd\xff\xff\xff\xff",
    b"\xdf\xff\xff\xff\xff",
    b"\xc9\xff\xff\xff\xff\x01",
    b"\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91",
    b"\xc0",
    b"\xc1",
    b"\xff\xfe",
    b"\xed\xa0\x80",
    b"\0",
    b"9223372036854775807",
    b"18446744073709551616",
    b"-1",
    b"",
];

/// Chance, and what it makes of inputs.
pub struct Mutator(Xoshiro256PlusPlus);

impl Mutator {
    pub fn new(seed: u64) -> Self {
        Self(Xoshiro256PlusPlus::seed_from_u64(seed))
    }

    /// A number below `end`; 0 where there is none.
    pub fn below(&mut self, end: usize) -> usize {
        (self.0.next_u64() % end.max(1) as u64) as usize
    }

    pub fn byte(&mut self) -> u8 {
        self.0.next_u64() as u8
    }

    pub fn one<'a, T: ?Sized>(&mut self, of: &[&'a T]) -> &'a T {
        of[self.below(of.len())]
    }

    /// One to six changes to `input`; `other` is another input, `words` are the target's own.
    pub fn mutate(&mut self, input: &[u8], other: &[u8], words: &[&[u8]]) -> Vec<u8> {
        let mut bytes = input.to_vec();
        for _ in 0..=self.below(6) {
            self.change(&mut bytes, other, words);
        }
        bytes.truncate(INPUT_BYTES_MAX);
        bytes
    }

    fn change(&mut self, bytes: &mut Vec<u8>, other: &[u8], words: &[&[u8]]) {
        let at = self.below(bytes.len() + 1);
        let length = self.below((bytes.len() - at).min(64) + 1);
        match self.below(10) {
            0 => {
                if let Some(byte) = bytes.get_mut(at) {
                    *byte ^= 1 << self.below(8);
                }
            }
            1 => {
                let byte = self.byte();
                if let Some(known) = bytes.get_mut(at) {
                    *known = byte;
                }
            }
            2 => drop(bytes.drain(at..at + length)),
            3 => bytes.truncate(at),
            4 => {
                let again = bytes[at..at + length].to_vec();
                bytes.splice(at..at, again);
            }
            5 => {
                let from = self.below(other.len() + 1);
                let to = from + self.below(other.len() - from + 1);
                bytes.splice(at..at + length, other[from..to].iter().copied());
            }
            6 => {
                let word = self.one(EVERYWHERE).to_vec();
                bytes.splice(at..at + length, word);
            }
            7 | 8 if !words.is_empty() => {
                let word = self.one(words).to_vec();
                // In place of as many bytes, so that lengths stay true, or in between.
                let end = at + [0, length, word.len().min(bytes.len() - at)][self.below(3)];
                bytes.splice(at..end, word);
            }
            _ => {
                let byte = self.byte();
                let count = self.below(24);
                bytes.splice(at..at, std::iter::repeat_n(byte, count));
            }
        }
    }

    /// A MessagePack map of these names to these sound values, but for some that are spoilt, missing, or there twice.
    pub fn map(&mut self, sound: &[(&str, &str)], likely: &[&str]) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut count = 0;
        let again = self.below(sound.len() * 8);
        for (n, (name, value)) in sound.iter().enumerate() {
            let chance = self.below(40);
            for _ in 0..[usize::from(chance > 0), 2][usize::from(n == again)] {
                count += 1;
                let name = if chance == 1 { "unknown" } else { name };
                rmp::encode::write_str(&mut bytes, name).unwrap();
                match chance {
                    2..5 => self.value(&mut bytes, likely),
                    _ => sound_value(&mut bytes, value),
                }
            }
        }
        let mut map = Vec::new();
        rmp::encode::write_map_len(&mut map, count).unwrap();
        map.extend(bytes);
        map
    }

    fn value(&mut self, bytes: &mut Vec<u8>, likely: &[&str]) {
        match self.below(12) {
            0 => rmp::encode::write_nil(bytes).unwrap(),
            1 => rmp::encode::write_bool(bytes, true).unwrap(),
            2 => drop(rmp::encode::write_sint(bytes, self.0.next_u64() as i64).unwrap()),
            3 => {
                let shift = self.below(64);
                rmp::encode::write_uint(bytes, self.0.next_u64() >> shift).unwrap();
            }
            4 => rmp::encode::write_bin(bytes, &self.0.next_u64().to_be_bytes()).unwrap(),
            5 => {
                let text = self.one(likely).repeat(self.below(40));
                rmp::encode::write_str(bytes, &text).unwrap();
            }
            6 => {
                let text = String::from_utf8_lossy(self.one(EVERYWHERE)).into_owned();
                rmp::encode::write_str(bytes, &text).unwrap();
            }
            7 => {
                rmp::encode::write_map_len(bytes, 1).unwrap();
                rmp::encode::write_str(bytes, self.one(likely)).unwrap();
                rmp::encode::write_str(bytes, self.one(likely)).unwrap();
            }
            _ => rmp::encode::write_str(bytes, self.one(likely)).unwrap(),
        }
    }
}

/// Text; or what it spells: a number, a yes, a map, nothing.
fn sound_value(bytes: &mut Vec<u8>, value: &str) {
    match (value, value.parse()) {
        ("", _) => rmp::encode::write_nil(bytes).unwrap(),
        ("true", _) => rmp::encode::write_bool(bytes, true).unwrap(),
        ("{}", _) => drop(rmp::encode::write_map_len(bytes, 0).unwrap()),
        (_, Ok(number)) => drop(rmp::encode::write_uint(bytes, number).unwrap()),
        (text, Err(_)) => rmp::encode::write_str(bytes, text).unwrap(),
    }
}
