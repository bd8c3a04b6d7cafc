//! What is run how often.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};

use crate::cli::Exec;
use crate::exit::Failed;

/// What a command line asks for.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) variants: Vec<Variant>,
    pub(crate) repeat: u32,
    pub(crate) warmup: u32,
}

/// One program that is run, with its parameters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Variant {
    /// The command for people.
    pub(crate) name: String,
    pub(crate) parameters: BTreeMap<String, String>,
    pub(crate) program: OsString,
    pub(crate) arguments: Vec<OsString>,
}

impl Plan {
    /// Every command with every combination of parameters.
    pub(crate) fn of(exec: &Exec) -> Result<Self, Failed> {
        let mut variants = Vec::new();
        let command: Vec<OsString> = exec.program.iter().chain(&exec.arguments).cloned().collect();
        for parameters in combinations(&exec.parameter) {
            if exec.compare.is_empty() {
                variants.push(Variant::of_words(&command, parameters, exec.shell)?);
            } else {
                for text in &exec.compare {
                    variants.push(Variant::of_text(text, parameters.clone(), exec.shell)?);
                }
            }
        }
        for (name, _) in &exec.parameter {
            let place = format!("{{{name}}}");
            let has_place = |word: &OsString| word.to_string_lossy().contains(&place);
            let words = exec
                .compare
                .iter()
                .map(OsString::from)
                .chain(command.iter().cloned());
            if !words.into_iter().any(|word| has_place(&word)) {
                return Err(Failed::usage(format!(
                    "no command has a place for the parameter {name}\n  help: write {place} where its values belong"
                )));
            }
        }
        Ok(Self {
            repeat: exec.repeat,
            warmup: exec.warmup,
            variants,
        })
    }

    /// Whether one program is run once, so that there are no statistics.
    pub(crate) fn is_single(&self) -> bool {
        self.variants.len() == 1 && self.repeat == 1 && self.warmup == 0
    }
}

impl Variant {
    fn of_words(
        words: &[OsString],
        parameters: BTreeMap<String, String>,
        shell: bool,
    ) -> Result<Self, Failed> {
        let words: Vec<OsString> = words.iter().map(|word| with(word, &parameters)).collect();
        let name = words
            .iter()
            .map(|word| word.to_string_lossy())
            .collect::<Vec<_>>()
            .join(" ");
        if shell {
            return Ok(Self::in_shell(name, parameters));
        }
        let mut words = words.into_iter();
        let program = words
            .next()
            .ok_or_else(|| Failed::usage("there is no program to run"))?;
        Ok(Self {
            name,
            parameters,
            program,
            arguments: words.collect(),
        })
    }

    fn of_text(text: &str, parameters: BTreeMap<String, String>, shell: bool) -> Result<Self, Failed> {
        if shell {
            let text = with(text.as_ref(), &parameters).to_string_lossy().into_owned();
            return Ok(Self::in_shell(text, parameters));
        }
        let words = shell_words::split(text).map_err(|error| {
            Failed::usage(format!(
                "the command {text:?} has no end: {error}\n  help: close its quotes"
            ))
        })?;
        let words: Vec<OsString> = words.into_iter().map(Into::into).collect();
        let variant = Self::of_words(&words, parameters, false)?;
        Ok(Self {
            name: with(text.as_ref(), &variant.parameters)
                .to_string_lossy()
                .into_owned(),
            ..variant
        })
    }

    fn in_shell(name: String, parameters: BTreeMap<String, String>) -> Self {
        Self {
            program: "sh".into(),
            arguments: vec!["-c".into(), name.clone().into()],
            name,
            parameters,
        }
    }
}

/// The word with the values of parameters in their places. A word that is not UTF-8 has none.
fn with(word: &OsStr, parameters: &BTreeMap<String, String>) -> OsString {
    let Some(text) = word.to_str() else {
        return word.to_owned();
    };
    let places = parameters
        .iter()
        .map(|(name, value)| (format!("{{{name}}}"), value));
    places
        .fold(text.to_owned(), |text, (place, value)| {
            text.replace(&place, value)
        })
        .into()
}

/// Each value of each parameter with each of the others.
fn combinations(parameters: &[(String, Vec<String>)]) -> Vec<BTreeMap<String, String>> {
    let none = vec![BTreeMap::new()];
    parameters.iter().fold(none, |before, (name, values)| {
        let with_each = |chosen: BTreeMap<String, String>| {
            values.iter().map(move |value| {
                let mut chosen = chosen.clone();
                chosen.insert(name.clone(), value.clone());
                chosen
            })
        };
        before.into_iter().flat_map(with_each).collect()
    })
}
