//! What reading an input may cost: memory by a counting allocator, time by the thread's own processor clock, so that a
//! busy machine fails no test.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// Bytes that may be allocated at once, whatever the input.
const BYTES_ALWAYS: u64 = 64 << 10;
/// Bytes that may be allocated at once for each byte of the input.
const BYTES_A_BYTE: u64 = 32;
/// Far more than the slowest build needs for the largest input, and far less than what grows with its square.
const CPU_MAX: Duration = Duration::from_secs(5);

/// Calls `read`, which is given `input_bytes` bytes, and holds it to its bounds.
pub fn within<T>(input_bytes: usize, read: impl FnOnce() -> T) -> T {
    within_bytes(BYTES_ALWAYS + BYTES_A_BYTE * input_bytes as u64, read)
}

/// As [`within`], for what needs so many bytes whatever is read.
pub fn within_bytes<T>(bytes_max: u64, read: impl FnOnce() -> T) -> T {
    let mut done = None;
    let began = cpu_time();
    let used = allocation_counter::measure(|| done = Some(read()));
    let spent = cpu_time() - began;
    assert!(
        used.bytes_max <= bytes_max,
        "{} bytes were allocated at once, of at most {bytes_max}",
        used.bytes_max
    );
    assert!(spent <= CPU_MAX, "it took {spent:?} of processor time");
    done.unwrap()
}

fn cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(
        time.tv_sec.try_into().unwrap(),
        time.tv_nsec.try_into().unwrap(),
    )
}

#[test]
#[should_panic(expected = "bytes were allocated at once")]
fn what_allocates_by_a_claimed_length_is_caught() {
    within(5, || {
        std::hint::black_box(Vec::<u8>::with_capacity(1 << 20))
    });
}
