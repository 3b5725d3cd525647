//! Writes the one map that a message is, in MessagePack's shortest form.

use rmp::encode::{self, ByteBuf};
use uuid::Uuid;

/// A map that counts its fields as they come. Writing to memory cannot fail, and the types know it.
pub(crate) struct MapWriter {
    bytes: ByteBuf,
    /// Where the header of the map that is being written stands.
    header: usize,
    /// How many fields that map has so far.
    count: u16,
}

impl MapWriter {
    /// A map that will take about `bytes`.
    pub(crate) fn with_capacity(bytes: usize) -> Self {
        let mut map = Self {
            bytes: ByteBuf::with_capacity(bytes),
            header: 0,
            count: 0,
        };
        map.open();
        map
    }

    pub(crate) fn text(&mut self, name: &str, text: &str) {
        self.name(name);
        let Ok(()) = encode::write_str(&mut self.bytes, text);
    }

    pub(crate) fn text_if(&mut self, name: &str, text: Option<&str>) {
        if let Some(text) = text {
            self.text(name, text);
        }
    }

    /// A UUID as lower-case hyphenated text.
    pub(crate) fn uuid(&mut self, name: &str, id: &Uuid) {
        self.text(
            name,
            id.hyphenated().encode_lower(&mut Uuid::encode_buffer()),
        );
    }

    pub(crate) fn uint(&mut self, name: &str, number: u64) {
        self.name(name);
        let Ok(_marker) = encode::write_uint(&mut self.bytes, number);
    }

    pub(crate) fn uint_if(&mut self, name: &str, number: Option<u64>) {
        if let Some(number) = number {
            self.uint(name, number);
        }
    }

    pub(crate) fn int(&mut self, name: &str, number: i64) {
        self.name(name);
        let Ok(_marker) = encode::write_sint(&mut self.bytes, number);
    }

    pub(crate) fn flag(&mut self, name: &str, flag: bool) {
        self.name(name);
        self.bytes
            .as_mut_vec()
            .push(if flag { TRUE } else { FALSE });
    }

    /// A map of texts.
    pub(crate) fn texts(&mut self, name: &str, entries: &[(Box<str>, Box<str>)]) {
        self.name(name);
        let count = u32::try_from(entries.len()).unwrap_or(u32::MAX);
        let Ok(_marker) = encode::write_map_len(&mut self.bytes, count);
        for (key, value) in entries.iter().take(count as usize) {
            let Ok(()) = encode::write_str(&mut self.bytes, key);
            let Ok(()) = encode::write_str(&mut self.bytes, value);
        }
    }

    /// A map within the map; `fields` writes its fields.
    pub(crate) fn map(&mut self, name: &str, fields: impl FnOnce(&mut Self)) {
        self.name(name);
        let (header, count) = (self.header, self.count);
        self.open();
        fields(self);
        self.close();
        (self.header, self.count) = (header, count);
    }

    /// The message.
    pub(crate) fn finish(mut self) -> Vec<u8> {
        self.close();
        self.bytes.into_vec()
    }

    fn open(&mut self) {
        let bytes = self.bytes.as_mut_vec();
        self.header = bytes.len();
        self.count = 0;
        bytes.push(SHORT_MAP);
    }

    fn close(&mut self) {
        let bytes = self.bytes.as_mut_vec();
        match u8::try_from(self.count) {
            Ok(count @ 0..=15) => bytes[self.header] = SHORT_MAP | count,
            _ => {
                let [high, low] = self.count.to_be_bytes();
                bytes.splice(self.header..=self.header, [LONG_MAP, high, low]);
            }
        }
    }

    /// Any value that stands for itself: what no writer of ours writes and a reader may meet.
    #[cfg(test)]
    pub(crate) fn raw(&mut self, name: &str, value: &[u8]) {
        self.name(name);
        self.bytes.as_mut_vec().extend_from_slice(value);
    }

    #[cfg(test)]
    pub(crate) fn nil(&mut self, name: &str) {
        self.raw(name, &[0xc0]);
    }

    #[cfg(test)]
    pub(crate) fn float(&mut self, name: &str, number: f64) {
        self.raw(name, &[&[0xcb][..], &number.to_be_bytes()].concat());
    }

    fn name(&mut self, name: &str) {
        self.count += 1;
        let Ok(()) = encode::write_str(&mut self.bytes, name);
    }
}

const SHORT_MAP: u8 = 0x80;
const LONG_MAP: u8 = 0xde;
const TRUE: u8 = 0xc3;
const FALSE: u8 = 0xc2;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn maps_have_the_shortest_header_that_holds_their_count() {
        for (count, header) in [
            (0, &[0x80][..]),
            (15, &[0x8f]),
            (16, &[0xde, 0, 16]),
            (300, &[0xde, 1, 44]),
        ] {
            let mut map = MapWriter::with_capacity(0);
            for _ in 0..count {
                map.flag("x", true);
            }
            let bytes = map.finish();
            assert!(bytes.starts_with(header));
            assert_eq!(bytes.len(), header.len() + 3 * count);
        }
    }

    #[test]
    fn a_map_within_the_map_counts_for_itself() {
        let mut map = MapWriter::with_capacity(0);
        map.map("a", |inner| {
            for _ in 0..16 {
                inner.flag("x", false);
            }
        });
        map.uint("b", 1);
        let bytes = map.finish();
        assert_eq!(bytes[..6], [0x82, 0xa1, b'a', 0xde, 0, 16]);
        assert_eq!(bytes[bytes.len() - 3..], [0xa1, b'b', 1]);
    }
}
