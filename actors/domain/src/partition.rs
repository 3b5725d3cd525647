//! Which partition a user's records belong to: the two partitioners that Kafka's clients use by default.

use std::str::FromStr;

/// How a key's partition is found. A key is never empty here, so neither is ever random.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum Partitioner {
    /// The Java client's default.
    #[default]
    Murmur2Random,
    /// librdkafka's default, and so that of its bindings.
    ConsistentRandom,
}

impl Partitioner {
    /// The key's partition among `partitions` (0 counts as 1).
    #[must_use]
    pub fn partition(self, key: &[u8], partitions: u32) -> u32 {
        let hash = match self {
            Self::Murmur2Random => murmur2(key) & 0x7fff_ffff,
            Self::ConsistentRandom => crc32(key),
        };
        hash % partitions.max(1)
    }

    /// As the configuration spells it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Murmur2Random => "murmur2_random",
            Self::ConsistentRandom => "consistent_random",
        }
    }
}

/// The text names no partitioner.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("no partitioner is called that; write murmur2_random or consistent_random")]
pub struct UnknownPartitioner;

impl FromStr for Partitioner {
    type Err = UnknownPartitioner;

    fn from_str(text: &str) -> Result<Self, UnknownPartitioner> {
        [Self::Murmur2Random, Self::ConsistentRandom]
            .into_iter()
            .find(|known| known.as_str() == text)
            .ok_or(UnknownPartitioner)
    }
}

/// Kafka's murmur2: 32 bits, little endian, its own seed.
#[must_use]
pub fn murmur2(key: &[u8]) -> u32 {
    const SEED: u32 = 0x9747_b28c;
    const M: u32 = 0x5bd1_e995;
    // Java's length is 32 bits as well; keys are short.
    let mut hash = SEED ^ key.len() as u32;
    let (words, tail) = key.as_chunks::<4>();
    for word in words {
        let k = u32::from_le_bytes(*word).wrapping_mul(M);
        let k = (k ^ k >> 24).wrapping_mul(M);
        hash = hash.wrapping_mul(M) ^ k;
    }
    if !tail.is_empty() {
        for (i, byte) in tail.iter().enumerate() {
            hash ^= u32::from(*byte) << (8 * i);
        }
        hash = hash.wrapping_mul(M);
    }
    hash = (hash ^ hash >> 13).wrapping_mul(M);
    hash ^ hash >> 15
}

/// The CRC-32 of zlib, which librdkafka's partitioner is.
#[must_use]
pub fn crc32(key: &[u8]) -> u32 {
    !key.iter().fold(!0, |crc, byte| {
        CRC_OF_BYTE[usize::from(crc as u8 ^ byte)] ^ crc >> 8
    })
}

const CRC_OF_BYTE: [u32; 256] = crc_of_byte();

const fn crc_of_byte() -> [u32; 256] {
    const POLYNOMIAL: u32 = 0xedb8_8320;
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < table.len() {
        let mut crc = byte as u32;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 1 == 0 {
                crc >> 1
            } else {
                crc >> 1 ^ POLYNOMIAL
            };
            bit += 1;
        }
        table[byte] = crc;
        byte += 1;
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn murmur2_is_kafkas() {
        // The first six are those of Kafka's own test (`UtilsTest.testMurmur2`), the others librdkafka's, from Java.
        for (key, expected) in [
            ("21", -973_932_308),
            ("foobar", -790_332_482),
            ("a-little-bit-long-string", -985_981_536),
            ("a-little-bit-longer-string", -1_486_304_829),
            (
                "lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8",
                -58_897_971,
            ),
            ("abc", 479_470_107),
            ("kafka", 0xd067_cf64_u32 as i32),
            ("giberish123456789", 0x8f55_2b0c_u32 as i32),
            ("1234", 0x9fc9_7b14_u32 as i32),
            ("234", 0xe7c0_09ca_u32 as i32),
            ("34", 0x8739_30da_u32 as i32),
            ("4", 0x5a4b_5ca1),
            ("PreAmbleWillBeRemoved,ThePrePartThatIs", 0x7842_4f1c),
            ("", 0x106e_08d9),
        ] {
            assert_eq!(murmur2(key.as_bytes()) as i32, expected, "{key}");
        }
    }

    #[test]
    fn crc32_is_zlibs() {
        for (key, expected) in [
            ("", 0),
            ("123456789", 0xcbf4_3926),
            ("hejsan", 0xd077_037e),
            (
                "this is another string with more length perhaps",
                0xf66a_a62f,
            ),
        ] {
            assert_eq!(crc32(key.as_bytes()), expected, "{key}");
        }
    }

    #[test]
    fn partitions_are_those_of_the_clients() {
        // murmur2: what Java's client answers for 1,000 partitions.
        for (key, expected) in [
            (&b"a"[..], 524),
            (b"ab", 434),
            (b"abc", 107),
            (b"123456789", 566),
            (b"\x00 ", 742),
        ] {
            assert_eq!(
                Partitioner::Murmur2Random.partition(key, 1000),
                expected,
                "{key:?}"
            );
        }
        assert_eq!(
            Partitioner::ConsistentRandom.partition(b"123456789", 1000),
            0xcbf4_3926 % 1000
        );
        for partitioner in [Partitioner::Murmur2Random, Partitioner::ConsistentRandom] {
            assert_eq!(partitioner.partition(b"u-1", 0), 0);
            assert_eq!(partitioner.as_str().parse(), Ok(partitioner));
        }
        assert_eq!("random".parse::<Partitioner>(), Err(UnknownPartitioner));
    }
}
