//! A record that stands in another shard's partition: how it is sent on, and how it is known by where it stood first,
//! however often it is sent on.

use std::sync::Arc;

use almoner_domain::ids::{Place, Shard};

use crate::ports::{Forward, RawRecord};

/// The header of a record that was read on another partition: where it stood first, as `topic/partition/offset`.
pub const FORWARDED: &str = "almoner-forwarded";

/// The record for its right partition, known by where it stands here. What others wrote in our header goes, since only
/// one such header is believed.
pub(super) fn forward(raw: &RawRecord<'_>, place: &Place, to: Shard) -> Forward {
    let others = raw.headers.iter().filter(|(name, _)| *name != FORWARDED);
    let mut headers: Vec<_> = others
        .map(|(name, value)| (Box::from(*name), value.map(Box::from)))
        .collect();
    headers.push((
        FORWARDED.into(),
        Some(place.to_string().into_bytes().into()),
    ));
    Forward {
        to,
        key: raw.key.map(Box::from),
        value: raw.value.map(Box::from),
        headers,
    }
}

/// Where a forwarded record stood first, if its header can be ours: there is one, exactly as we write it, and it names
/// another partition of the requests topic.
///
/// Whoever may write to the topic can make that up, as well as anything else that is in a record, and nothing that money
/// hangs on is told apart by it: the watermark and the order of a shard's donations go by the record's own offset,
/// donations by their ids. A forged place is never one in the shard that reads it, so there it is not taken for a record
/// that was not forwarded. What is left to a forger: the outcome of its own request names a `source` that is not the
/// request's; a `request.rejected` has the `event_id` of another user's (docs/messages.md says how to tell them apart),
/// or of one of the same user's that was misplaced, which nobody can tell apart; and an answer to a hold that claims to
/// be the one that counted is told what came of that.
pub(super) fn first_place(raw: &RawRecord<'_>, topic: &Arc<str>, partitions: u32) -> Option<Place> {
    let mut found = raw.headers.iter().filter(|(name, _)| *name == FORWARDED);
    let (Some((_, Some(value))), None) = (found.next(), found.next()) else {
        return None;
    };
    let place = Place::parse(std::str::from_utf8(value).ok()?)?;
    let is_elsewhere = place.partition < partitions && place.partition != raw.shard.0;
    (place.topic == *topic && is_elsewhere).then(|| Place {
        topic: Arc::clone(topic),
        ..place
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ports::{Header, TimestampType};

    /// A record at offset 7 of partition 2 of 4, with these headers.
    fn record(headers: Vec<Header<'_>>) -> RawRecord<'_> {
        RawRecord {
            topic: "r",
            shard: Shard(2),
            offset: 7,
            timestamp_ms: 0,
            timestamp_type: TimestampType::LogAppendTime,
            key: Some(b"ann"),
            value: None,
            headers,
        }
    }

    fn first_place_of(headers: Vec<Header<'_>>) -> Option<String> {
        first_place(&record(headers), &Arc::from("r"), 4).map(|it| it.to_string())
    }

    #[test]
    fn only_one_header_as_we_write_it_is_believed() {
        let check = |values: &[&str], expected: Option<&str>| {
            let headers = values.iter().map(|it| (FORWARDED, Some(it.as_bytes())));
            assert_eq!(
                first_place_of(headers.collect()).as_deref(),
                expected,
                "{values:?}"
            );
        };
        check(&["r/0/41"], Some("r/0/41"));
        check(&["r/3/0"], Some("r/3/0"));
        check(&[], None);
        check(&["r/2/41"], None); // nothing is forwarded to where it stands
        check(&["r/4/41"], None); // there is no such partition
        check(&["s/0/41"], None); // nor are these another topic's records
        check(&["r/0/41", "r/1/41"], None);
        check(&["r/0/41", "r/0/41"], None);
        for bad in ["", "r", "r/0", "r/0/-1", "r/00/41", "r/0/41 ", "0/41"] {
            check(&[bad], None);
        }
        assert_eq!(first_place_of(vec![(FORWARDED, None)]), None);
        assert_eq!(first_place_of(vec![(FORWARDED, Some(b"r/0/41\xff"))]), None);
        assert_eq!(first_place_of(vec![("forwarded", Some(b"r/0/41"))]), None);
    }

    #[test]
    fn what_is_forwarded_is_believed_whatever_stood_in_the_header() {
        let place = Place {
            topic: "r".into(),
            partition: 2,
            offset: 7,
        };
        let made_up = (FORWARDED, Some(&b"made up"[..]));
        let kept = ("traceparent", Some(&b"00-1"[..]));
        let raw = record(vec![made_up, kept, made_up]);
        let sent = forward(&raw, &place, Shard(0));
        assert_eq!((sent.to, sent.key), (Shard(0), Some(b"ann"[..].into())));
        let there = RawRecord {
            shard: Shard(0),
            offset: 99,
            headers: (sent.headers.iter())
                .map(|(name, value)| (&**name, value.as_deref()))
                .collect(),
            ..raw
        };
        assert_eq!(first_place(&there, &place.topic, 4), Some(place));
        assert_eq!(there.headers.len(), 2);
        assert_eq!(there.headers[0], kept);
    }
}
