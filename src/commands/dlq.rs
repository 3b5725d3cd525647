//! `almoner dlq …`: the dead letters that the store keeps whole.

use std::fmt::Write as _;
use std::io::{self, Write as _};

use almoner_actors::ports::{KeptLetter, OwnedHeader};
use almoner_domain::ids::Place;

use super::{CommandError, ConfigFile, Problem, print};
use crate::config::Config;
use crate::store::sqlite::{Books, BooksError};

/// Dead letters that were larger than the broker takes. Their beginnings are on the dead letters' topic, as all others are;
/// the store keeps them whole.
///
/// Reads alone, so it can run beside the service. Card numbers are masked.
#[derive(clap::Args, Clone, Debug)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand, Clone, Debug)]
enum Command {
    /// One line for each: where it was read, how long it is, and why it could not be processed.
    List {
        #[command(flatten)]
        config: ConfigFile,
    },
    /// One letter: its headers, and its value as text with escapes.
    #[command(
        after_help = "Example: almoner dlq show donations.requests/3/1047 --raw > letter.msgpack"
    )]
    Show {
        /// Where the record was read, as `list` and the letter's headers say: TOPIC/PARTITION/OFFSET.
        #[arg(value_parser = parse_place)]
        place: Place,
        /// Write the value alone, byte for byte.
        #[arg(long)]
        raw: bool,
        #[command(flatten)]
        config: ConfigFile,
    },
}

/// Runs the command.
///
/// # Errors
/// The store cannot be read, or has no such letter.
pub fn run(args: Args) -> Result<(), CommandError> {
    match args.command {
        Command::List { config } => list(&config.load()?.config),
        Command::Show { place, raw, config } => show(&config.load()?.config, &place, raw),
    }
}

fn list(config: &Config) -> Result<(), CommandError> {
    let mut lines = String::new();
    let mut count = 0_u64;
    open(config)?
        .each_letter(|letter| {
            count += 1;
            // Writing to a String does not fail.
            let _ = writeln!(
                lines,
                "{}  {} bytes  {}",
                letter.place,
                letter.value_bytes,
                why(&letter.headers)
            );
        })
        .map_err(|error| unreadable(config, error))?;
    let _ = writeln!(lines, "{count} letters that the broker did not take whole");
    print(&lines)
}

fn show(config: &Config, place: &Place, is_raw: bool) -> Result<(), CommandError> {
    let letters = open(config)?
        .letters_at(place)
        .map_err(|error| unreadable(config, error))?;
    let Some(last) = letters.last() else {
        let what = format!("the store keeps no letter that was read at {place}");
        let hint = "`almoner dlq list` shows all that it keeps; smaller ones are whole on the dead letters' topic";
        return Err(CommandError::Verdict(Problem::new(what).hint(hint)));
    };
    if is_raw {
        let value = last.value.as_deref().unwrap_or_default();
        let mut out = io::stdout().lock();
        return out
            .write_all(value)
            .and_then(|()| out.flush())
            .map_err(|error| {
                CommandError::CouldNotRun(
                    Problem::new("stdout cannot be written to").because(error),
                )
            });
    }
    letters.iter().try_for_each(|letter| print(&text(letter)))
}

fn text(letter: &KeptLetter) -> String {
    let bytes =
        |bytes: Option<&[u8]>| bytes.map_or("null".to_owned(), |it| it.escape_ascii().to_string());
    let mut text = format!(
        "{}  {}\nkey: {}\n",
        letter.place,
        why(&letter.headers),
        bytes(letter.key.as_deref())
    );
    for (name, value) in &letter.headers {
        let _ = writeln!(text, "header {name}: {}", bytes(value.as_deref()));
    }
    let _ = writeln!(text, "value: {}", bytes(letter.value.as_deref()));
    text
}

/// The reason and its sentence, from the letter's own headers, which are behind all others.
fn why(headers: &[OwnedHeader]) -> String {
    let last = |name: &str| {
        let found = headers.iter().rev().find(|(of, _)| **of == *name);
        let value = found.and_then(|(_, value)| value.as_deref());
        value.map_or_else(String::new, |it| String::from_utf8_lossy(it).into_owned())
    };
    format!(
        "{}: {}",
        last("kafka_dlt-exception-fqcn"),
        last("kafka_dlt-exception-message")
    )
}

fn parse_place(text: &str) -> Result<Place, String> {
    Place::parse(text)
        .ok_or_else(|| "write TOPIC/PARTITION/OFFSET, such as donations.requests/3/1047".to_owned())
}

fn open(config: &Config) -> Result<Books, CommandError> {
    super::needs_sqlite(config, "almoner dlq")?;
    Books::open(&config.store.path).map_err(|error| unreadable(config, error))
}

fn unreadable(config: &Config, error: BooksError) -> CommandError {
    let hint = format!(
        "is [store] path right? It is {}, which must be the folder of a store that this release has opened",
        config.store.path.display()
    );
    CommandError::CouldNotRun(
        Problem::new("the dead letters cannot be read")
            .because(error)
            .hint(hint),
    )
}
