//! The comments that a question's file begins with.

use std::collections::BTreeSet;

use super::parameter::{Kind, Parameter};
use super::{Entry, fill};

/// What is wrong with a file, and in which line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {message}")]
pub(super) struct Fault {
    pub(super) line: usize,
    pub(super) message: String,
}

fn fault(line: usize, message: impl Into<String>) -> Fault {
    Fault { line, message: message.into() }
}

/// What lines can be about, in the order in which they have to stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Key {
    Survey,
    Param,
    Example,
    Result,
    Caveat,
    Cost,
}

impl Key {
    const ALL: [(&'static str, Self); 6] = [
        ("survey:", Self::Survey),
        ("param ", Self::Param),
        ("example:", Self::Example),
        ("result:", Self::Result),
        ("caveat:", Self::Caveat),
        ("cost:", Self::Cost),
    ];

    /// What a line is about, and what it says.
    fn of(text: &str) -> Option<(Self, &str)> {
        Self::ALL.iter().find_map(|(mark, key)| Some((*key, text.strip_prefix(mark)?.trim())))
    }
}

/// Comments, each with those that go on with it, and the number of its first line.
type Lines = Vec<(usize, String)>;

fn lines(comments: &str) -> Result<Lines, Fault> {
    let mut lines: Lines = Vec::new();
    for (number, line) in (1..).zip(comments.lines()) {
        let text = line.trim_start_matches("--");
        match (text.strip_prefix(' '), lines.last_mut()) {
            (None, _) => return Err(fault(number, "a comment begins with -- and a space")),
            (Some(more), Some((_, last))) if more.starts_with(' ') => {
                last.push(' ');
                last.push_str(more.trim());
            }
            (Some(own), _) => lines.push((number, own.trim_end().to_owned())),
        }
    }
    Ok(lines)
}

/// Reads the file of a question.
///
/// # Errors
/// When it is not of the form, which is a fault of whoever wrote it.
pub(super) fn parse(name: &'static str, file: &'static str) -> Result<Entry, Fault> {
    let length = file.split_inclusive('\n').take_while(|line| line.starts_with("--")).map(str::len).sum();
    let (comments, rest) = file.split_at_checked(length).unwrap_or((file, ""));
    let mut lines = lines(comments)?.into_iter().peekable();
    let (_, title) = lines.next().ok_or_else(|| fault(1, "a file begins with its title: -- Title"))?;
    if title.is_empty() || Key::of(&title).is_some() {
        return Err(fault(1, "a file begins with its title: -- Title"));
    }
    let mut story = Vec::new();
    while let Some((_, text)) = lines.next_if(|(_, text)| Key::of(text).is_none()) {
        story.push(text);
    }
    let mut entry = Entry {
        name,
        survey: comments.lines().find_map(|line| line.strip_prefix("-- survey:")).map(str::trim),
        sql: "",
        title,
        story: story.join(" ").trim().to_owned(),
        parameters: Vec::new(),
        example: Vec::new(),
        result: String::new(),
        caveat: String::new(),
        cost: String::new(),
        comments,
        statement: rest.trim(),
    };
    if entry.story.is_empty() {
        return Err(fault(2, "after the title comes what the question is for"));
    }
    let mut last = None;
    for (number, text) in lines {
        let (key, said) = Key::of(&text).ok_or_else(|| {
            fault(number, "expected survey:, param, example:, result:, caveat: or cost:, or two spaces to go on")
        })?;
        if last.is_some_and(|last| key < last || (key == last && key != Key::Param)) {
            return Err(fault(number, "survey, params, example, result, caveat and cost come once, in this order"));
        }
        last = Some(key);
        if said.is_empty() {
            return Err(fault(number, "it says nothing"));
        }
        match key {
            Key::Survey => {}
            Key::Param => entry.parameters.push(parameter(said).map_err(|e| fault(number, e))?),
            Key::Example => entry.example = example(said).map_err(|e| fault(number, e))?,
            Key::Result => said.clone_into(&mut entry.result),
            Key::Caveat => said.clone_into(&mut entry.caveat),
            Key::Cost => said.clone_into(&mut entry.cost),
        }
    }
    let end = comments.lines().count();
    for (key, said) in [("result", &entry.result), ("caveat", &entry.caveat), ("cost", &entry.cost)] {
        if said.is_empty() {
            return Err(fault(end, format!("{key}: is missing")));
        }
    }
    checked(entry).map_err(|message| fault(end + 1, message))
}

/// `NAME TYPE [unit] [from LEAST] [to MOST] [default VALUE]: meaning`.
fn parameter(said: &str) -> Result<Parameter, String> {
    const FORM: &str = "a parameter is: param NAME TYPE [unit] [from LEAST] [to MOST] [default VALUE]: meaning";
    let (head, meaning) = said.split_once(':').ok_or(FORM)?;
    let mut words = head.split_whitespace().peekable();
    let (name, kind) = words.next().zip(words.next()).ok_or(FORM)?;
    if !name.starts_with(|c: char| c.is_ascii_lowercase())
        || !name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
    {
        return Err(format!("{name:?} is no name: small letters, digits and underscores, a letter first"));
    }
    let kind = Kind::named(kind).ok_or_else(|| format!("{kind:?} is no type; there are {}", Kind::names()))?;
    let unit = words.next_if(|word| !["from", "to", "default"].contains(word)).map(str::to_owned);
    let mut after = |word: &str| match words.next_if_eq(&word) {
        Some(_) => words.next().map(|value| Some(value.to_owned())).ok_or(FORM),
        None => Ok(None),
    };
    let (least, most, default) = (after("from")?, after("to")?, after("default")?);
    let meaning = meaning.trim().to_owned();
    if words.next().is_some() || meaning.is_empty() {
        return Err(FORM.to_owned());
    }
    let parameter = Parameter { name: name.to_owned(), kind, unit, least, most, default, meaning };
    parameter.check()?;
    Ok(parameter)
}

fn example(said: &str) -> Result<Vec<(String, String)>, String> {
    let pair = |word: &str| word.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned()));
    said.split_whitespace().map(|word| pair(word).ok_or_else(|| format!("{word:?} is not NAME=VALUE"))).collect()
}

/// Parameters are those of the statement, and the example fills it.
fn checked(mut entry: Entry) -> Result<Entry, String> {
    let used: BTreeSet<String> = fill::placeholders(entry.statement)?.into_iter().map(|p| p.name).collect();
    let known: BTreeSet<String> = entry.parameters.iter().map(|p| p.name.clone()).collect();
    if known.len() < entry.parameters.len() {
        return Err("two parameters have one name".to_owned());
    }
    if let Some(name) = used.difference(&known).next() {
        return Err(format!("${name} is no parameter; add -- param {name} TYPE: meaning"));
    }
    if let Some(name) = known.difference(&used).next() {
        return Err(format!("the parameter {name} is not used; write ${name} in the statement"));
    }
    let filled = entry.fill(&entry.example).map_err(|e| format!("the example does not do: {e}"))?;
    // Once for each file, and kept as long as the files themselves.
    entry.sql = filled.leak();
    Ok(entry)
}
