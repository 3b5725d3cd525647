//! Runs one target: its corpus, then mutations of it, guided by the fates that they meet.

use std::collections::HashSet;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::mutate::Mutator;

/// What became of an input, in so many words that inputs which took another way have another one.
pub type Fate = String;

/// Inputs whose fate was new, beyond which no more are kept.
const KEPT_MAX: usize = 4096;

/// Reads one input.
pub type Reading = dyn Fn(&[u8]) -> Fate;

/// One thing that reads bytes from outside.
pub struct Target {
    /// Inputs beside the corpus to begin with.
    pub seeds: Vec<Vec<u8>>,
    /// What its inputs are made of.
    pub words: Vec<&'static [u8]>,
    /// Makes an input from nothing, where mutated bytes would rarely be sound.
    pub invent: Option<fn(&mut Mutator) -> Vec<u8>>,
    /// So many inputs are made up, unless there is a time to fill.
    pub inputs: usize,
    /// Fates that must have been met, by how they begin: a target that reaches none of them tests nothing.
    pub reaches: &'static [&'static str],
    /// Gives an input to what is tested, and panics where a property does not hold.
    pub read: Box<Reading>,
}

impl Target {
    /// All that it begins with: its seeds, the corpus of this name, and nothing at all.
    pub fn beginnings(&self, name: &str) -> Vec<Vec<u8>> {
        let mut pool = self.seeds.clone();
        pool.extend(corpus(name));
        pool.push(Vec::new());
        pool
    }

    /// The next input: from nothing, or out of two that there are.
    pub fn vary(&self, mutator: &mut Mutator, one: &[u8], other: &[u8]) -> Vec<u8> {
        match self.invent {
            Some(invent) if mutator.below(4) == 0 => invent(mutator),
            _ => mutator.mutate(one, other, &self.words),
        }
    }

    /// Reads the corpus of this name, and what a seeded mutator makes of it.
    pub fn explore(&self, name: &str) {
        let mut pool = self.beginnings(name);
        let mut fates = HashSet::new();
        for input in &pool {
            fates.insert(self.run(name, input));
        }
        let (seed, until) = effort();
        let mut mutator = Mutator::new(seed);
        let mut count = 0_usize;
        while until.map_or(count < self.inputs, |until| now() < until) {
            let (one, other) = (mutator.below(pool.len()), mutator.below(pool.len()));
            let input = self.vary(&mut mutator, &pool[one], &pool[other]);
            count += 1;
            if fates.insert(self.run(name, &input)) && pool.len() < KEPT_MAX {
                pool.push(input);
            }
        }
        println!(
            "{name}: {count} inputs from seed {seed}, {} fates",
            fates.len()
        );
        for expected in self.reaches {
            let is_reached = fates.iter().any(|fate| fate.starts_with(expected));
            assert!(is_reached, "no input was {expected:?}; fates: {fates:#?}");
        }
    }

    fn run(&self, name: &str, input: &[u8]) -> Fate {
        catch_unwind(AssertUnwindSafe(|| (self.read)(input))).unwrap_or_else(|panic| {
            let path = write_down(name, input);
            eprintln!(
                "the input of {} bytes is in {}; once mended, keep it in tests/fuzz/corpus/{name}",
                input.len(),
                path.display(),
            );
            resume_unwind(panic)
        })
    }
}

/// Digits are left out: a fate is not another one for another number.
pub fn fate(text: &str) -> Fate {
    text.chars()
        .filter(|char| !char.is_ascii_digit())
        .take(160)
        .collect()
}

/// The seed, and the end of the time to fill where there is one.
fn effort() -> (u64, Option<Instant>) {
    let number = |name: &str| std::env::var(name).ok()?.parse::<u64>().ok();
    let until = number("ALMONER_FUZZ_SECONDS").map(|s| now() + Duration::from_secs(s));
    (number("ALMONER_FUZZ_SEED").unwrap_or(1), until)
}

#[expect(
    clippy::disallowed_methods,
    reason = "the time to fill is the machine's"
)]
fn now() -> Instant {
    Instant::now()
}

/// The project's folder, for each of the two packages that are made of these files.
fn root() -> &'static Path {
    let mut folders = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors();
    folders
        .find(|folder| folder.join("tests/fuzz/corpus").is_dir())
        .unwrap()
}

fn corpus(name: &str) -> Vec<Vec<u8>> {
    files(&root().join("tests/fuzz/corpus").join(name), "")
}

/// The golden messages whose names begin so.
pub fn golden(prefix: &str) -> Vec<Vec<u8>> {
    let folder = root().join("tests/contract");
    let found = files(&folder, prefix);
    assert!(!found.is_empty(), "no golden message {prefix}");
    found
}

/// The golden blob of this name.
pub fn golden_blob(name: &str) -> Vec<Vec<u8>> {
    let path = root().join(format!("tests/stores/golden/{name}.1.msgpack"));
    vec![std::fs::read(path).unwrap()]
}

/// Those of the folder, in the order of their names; of golden messages the bytes, not their explanation.
fn files(folder: &Path, prefix: &str) -> Vec<Vec<u8>> {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return Vec::new();
    };
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| {
        let name = path.file_name().unwrap().to_string_lossy();
        name.starts_with(prefix) && (prefix.is_empty() || name.ends_with(".msgpack"))
    });
    paths.sort();
    paths
        .iter()
        .map(|path| std::fs::read(path).unwrap())
        .collect()
}

fn write_down(name: &str, input: &[u8]) -> PathBuf {
    use sha2::Digest as _;
    let folder = std::env::temp_dir().join("almoner-fuzz").join(name);
    std::fs::create_dir_all(&folder).unwrap();
    let hash = sha2::Sha256::digest(input);
    let stem: String = hash[..8].iter().map(|byte| format!("{byte:02x}")).collect();
    let path = folder.join(stem);
    std::fs::write(&path, input).unwrap();
    path
}
