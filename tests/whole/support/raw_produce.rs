//! A record in bytes of our own: Kafka's protocol without a client library, for what no client library would write.

use std::io::{Read, Write};
use std::net::TcpStream;

use super::publisher::{Place, Post};

/// Produce, in the last version before the protocol's compact encodings.
const PRODUCE: i16 = 0;
const VERSION: i16 = 7;
const TIMEOUT_MS: i32 = 30_000;

/// Publishes one record; without a partition, to its key's.
pub fn raw_produce(bootstrap_servers: &str, topic: &str, post: &Post) -> Place {
    let partition = post.shard();
    let batch = batch(&record(post));
    let mut request = Vec::new();
    request.extend(PRODUCE.to_be_bytes());
    request.extend(VERSION.to_be_bytes());
    request.extend(1_i32.to_be_bytes()); // correlation id
    string(&mut request, "raw");
    request.extend((-1_i16).to_be_bytes()); // no transaction
    request.extend((-1_i16).to_be_bytes()); // acknowledged by all
    request.extend(TIMEOUT_MS.to_be_bytes());
    request.extend(1_i32.to_be_bytes());
    string(&mut request, topic);
    request.extend(1_i32.to_be_bytes());
    request.extend(partition.to_be_bytes());
    request.extend(length(&batch).to_be_bytes());
    request.extend(batch);

    let broker = bootstrap_servers.split(',').next().unwrap();
    let mut stream = TcpStream::connect(broker).unwrap();
    stream.write_all(&length(&request).to_be_bytes()).unwrap();
    stream.write_all(&request).unwrap();
    let mut size = [0; 4];
    stream.read_exact(&mut size).unwrap();
    let mut answer = vec![0; u32::from_be_bytes(size) as usize];
    stream.read_exact(&mut answer).unwrap();
    // Correlation id, a topic with its name, a partition with its number; then error and offset.
    let at = 4 + 4 + 2 + topic.len() + 4 + 4;
    let error = i16::from_be_bytes(answer[at..at + 2].try_into().unwrap());
    assert_eq!(error, 0, "the broker refused the record");
    Place {
        partition,
        offset: i64::from_be_bytes(answer[at + 2..at + 10].try_into().unwrap()),
    }
}

/// A batch of one record, in format 2.
fn batch(record: &[u8]) -> Vec<u8> {
    let mut checked = Vec::new();
    checked.extend(0_i16.to_be_bytes()); // not compressed, the client's clock
    checked.extend(0_i32.to_be_bytes()); // the last offset, counted from the first
    checked.extend(1_i64.to_be_bytes()); // the first and the last timestamp
    checked.extend(1_i64.to_be_bytes());
    checked.extend((-1_i64).to_be_bytes()); // producer, epoch and sequence: none
    checked.extend((-1_i16).to_be_bytes());
    checked.extend((-1_i32).to_be_bytes());
    checked.extend(1_i32.to_be_bytes());
    checked.extend(record);

    let mut batch = Vec::new();
    batch.extend(0_i64.to_be_bytes()); // the first offset: the broker's to say
    batch.extend((4 + 1 + 4 + length(&checked)).to_be_bytes());
    batch.extend(0_i32.to_be_bytes()); // leader epoch
    batch.push(2);
    batch.extend(crc32c(&checked).to_be_bytes());
    batch.extend(checked);
    batch
}

fn record(post: &Post) -> Vec<u8> {
    let mut fields = vec![0, 0, 0]; // attributes, and no distance from the first timestamp and offset
    bytes(&mut fields, post.key.as_deref());
    bytes(&mut fields, post.value.as_deref());
    varint(&mut fields, i64::try_from(post.headers.len()).unwrap());
    for (name, value) in &post.headers {
        bytes(&mut fields, Some(name));
        bytes(&mut fields, Some(value));
    }
    let mut record = Vec::new();
    varint(&mut record, i64::from(length(&fields)));
    record.extend(fields);
    record
}

fn bytes(to: &mut Vec<u8>, bytes: Option<&[u8]>) {
    varint(to, bytes.map_or(-1, |it| i64::from(length(it))));
    to.extend(bytes.unwrap_or_default());
}

/// Zigzag, seven bits a byte.
fn varint(to: &mut Vec<u8>, number: i64) {
    let mut rest = ((number << 1) ^ (number >> 63)).cast_unsigned();
    while rest >= 0x80 {
        to.push((rest & 0x7f) as u8 | 0x80);
        rest >>= 7;
    }
    to.push(rest as u8);
}

fn string(to: &mut Vec<u8>, text: &str) {
    to.extend(i16::try_from(text.len()).unwrap().to_be_bytes());
    to.extend(text.as_bytes());
}

fn length(bytes: &[u8]) -> i32 {
    i32::try_from(bytes.len()).unwrap()
}

fn crc32c(bytes: &[u8]) -> u32 {
    const POLYNOMIAL: u32 = 0x82f6_3b78;
    !bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            (crc >> 1) ^ (POLYNOMIAL * (crc & 1))
        })
    })
}
