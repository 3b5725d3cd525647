//! The step of the topics.

use crate::app::{kafka_options, topic_layout};
use crate::commands::{CommandError, Problem};
use crate::config::Config;
use crate::kafka::topics::METADATA_WITHIN;
use crate::kafka::topics::make::{Made, make};

/// Makes the topics that are missing; what is to be said of them all, in lines.
pub(super) fn make_topics(config: &Config) -> Result<String, CommandError> {
    let made = make(
        &kafka_options(config),
        &topic_layout(config),
        METADATA_WITHIN,
    );
    let made = made.map_err(|error| {
        let is_transient = error.is_transient();
        let problem = Problem::new("the topics could not be made").because(error);
        if is_transient {
            CommandError::Unavailable(problem.hint("what was made stays; it can be run again"))
        } else {
            CommandError::Misconfigured(problem)
        }
    })?;
    Ok(made.iter().flat_map(lines).collect())
}

fn lines((topic, made): &(String, Made)) -> Vec<String> {
    match made {
        Made::New { partitions } => {
            vec![format!(
                "topic {topic}: made, with {partitions} partitions\n"
            )]
        }
        Made::AsMeant => vec![format!("topic {topic}: is there, as configured\n")],
        Made::Differs(differences) => {
            let line = |it| format!("topic {topic}: is there, and stays otherwise: {it}\n");
            differences.iter().map(line).collect()
        }
    }
}
