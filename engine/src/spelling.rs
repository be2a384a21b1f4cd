//! Words of a question in one spelling, before anything else reads it.
//!
//! What the archive knows is put in the archive's spelling. Every other name is the question's own, and the same in
//! every spelling too: that of `AS` holds, or else the first. What functions and types are called is left as it is.

use std::collections::{BTreeMap, BTreeSet};

use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::tokenizer::{Location, Token, TokenWithSpan, Word};

use crate::catalog::{ARCHIVE, OF_SURVEYS};
use crate::names::{Names, is_own};
use crate::relations::Relation;

/// Words as they were typed, by where they stand, if they were put in another spelling.
pub(crate) type Typed = BTreeMap<Location, String>;

/// Puts every word that is not quoted in its spelling.
pub(crate) fn respell(
    tokens: &mut [TokenWithSpan],
    names: &Names,
    only_survey: Option<&str>,
    relations: &[Relation],
) -> Typed {
    let places: Vec<usize> = (0..tokens.len()).filter(|at| !is_space(&tokens[*at].token)).collect();
    let read: Vec<Token> = places.iter().map(|at| tokens[*at].token.clone()).collect();
    let tables = tables(&read);
    let mentioned = mentioned(&read, &tables, names, only_survey);
    let named = names_of(&read);
    let own = Own::of(&read, &named, relations);
    let mut typed = Typed::new();
    let mut before: [Option<&str>; 2] = [None, None];
    let mut spelled: Vec<Option<String>> = vec![None; read.len()];
    for (at, token) in read.iter().enumerate() {
        if let (Some(word), true) = (plain(token), named[at]) {
            let parent = match before {
                [Some(parent), Some(".")] => Some(parent),
                _ => None,
            };
            let name = if own.quoted.contains(&word.value) {
                None
            } else {
                let known = |word: &str| {
                    let is_table = tables.contains(&word.to_lowercase());
                    names.spell(word, &mentioned, parent, is_table).map(str::to_owned)
                };
                let name = known(&word.value).or_else(|| own.of_relation(&word.value, known));
                name.or_else(|| own.spell(&word.value).map(str::to_owned))
            };
            spelled[at] = name.filter(|name| *name != word.value);
        }
        let now = match token {
            Token::Word(word) => Some(word.value.as_str()),
            Token::Period => Some("."),
            _ => None,
        };
        before = [before[1], now];
    }
    for (at, spelled) in spelled.into_iter().enumerate() {
        let token = &mut tokens[places[at]];
        if let (Some(name), Token::Word(word)) = (spelled, &mut token.token) {
            typed.insert(token.span.start, std::mem::replace(&mut word.value, name));
        }
    }
    typed
}

fn is_space(token: &Token) -> bool {
    matches!(token, Token::Whitespace(_))
}

fn plain(token: &Token) -> Option<&Word> {
    match token {
        Token::Word(word) if word.quote_style.is_none() => Some(word),
        _ => None,
    }
}

fn is(token: Option<&Token>, keywords: &[Keyword]) -> bool {
    token.and_then(plain).is_some_and(|word| keywords.contains(&word.keyword))
}

/// The schemas that a question is about.
fn mentioned(
    tokens: &[Token],
    tables: &BTreeSet<String>,
    names: &Names,
    only_survey: Option<&str>,
) -> BTreeSet<String> {
    let words = || tokens.iter().filter_map(plain).map(|w| w.value.as_str());
    let homes = tables.iter().filter_map(|table| names.home(table));
    let mut mentioned: BTreeSet<String> =
        words().filter_map(|w| names.schema(w)).chain(homes).map(str::to_owned).collect();
    let of_a_survey = mentioned.iter().any(|schema| schema != ARCHIVE && !is_own(schema));
    let of_one = |word: &str| OF_SURVEYS.iter().any(|table| word.eq_ignore_ascii_case(table));
    if !of_a_survey && (mentioned.is_empty() || words().any(of_one)) {
        mentioned.extend(only_survey.map(str::to_owned));
    }
    if mentioned.is_empty() {
        mentioned.insert(ARCHIVE.to_owned());
    }
    mentioned
}

/// The words that a question reads as tables, in lower case.
fn tables(tokens: &[Token]) -> BTreeSet<String> {
    let reads = [Keyword::FROM, Keyword::JOIN, Keyword::DESCRIBE, Keyword::DESC, Keyword::TABLE];
    let mut tables = BTreeSet::new();
    for at in (0..tokens.len()).filter(|at| is(tokens.get(*at), &reads)) {
        // The last of the words with dots between them.
        let mut last = at + 1;
        while tokens.get(last + 1) == Some(&Token::Period) {
            last += 2;
        }
        tables.extend(tokens.get(last).and_then(plain).map(|word| word.value.to_lowercase()));
    }
    tables
}

/// Names that a question gives.
#[derive(Default)]
struct Own {
    by_lower: BTreeMap<String, String>,
    quoted: BTreeSet<String>,
    /// Columns of functions that are called.
    of_relations: Vec<&'static str>,
}

impl Own {
    fn of(tokens: &[Token], named: &[bool], relations: &[Relation]) -> Self {
        let mut own = Self::default();
        for pair in tokens.windows(2) {
            if let [Token::Word(word), Token::LParen] = pair
                && let Some(relation) = Relation::named(relations, &word.value)
            {
                own.of_relations.extend(relation.columns);
            }
        }
        let after_as = |at: usize| at > 0 && is(tokens.get(at - 1), &[Keyword::AS]);
        // Names that are given first; then those that came from elsewhere, by their first spelling.
        for given in [true, false] {
            for (at, token) in tokens.iter().enumerate() {
                let Token::Word(word) = token else { continue };
                if named[at] && (after_as(at) || !given) {
                    own.by_lower.entry(word.value.to_lowercase()).or_insert_with(|| word.value.clone());
                }
                if word.quote_style.is_some() {
                    own.quoted.insert(word.value.clone());
                }
            }
        }
        own
    }

    /// The spelling of a column of a function that is called. One that ends with `_` stands before the name of another
    /// column.
    fn of_relation(&self, word: &str, known: impl Fn(&str) -> Option<String>) -> Option<String> {
        self.of_relations.iter().find_map(|column| match column.strip_suffix('_') {
            None => column.eq_ignore_ascii_case(word).then(|| (*column).to_owned()),
            Some(_) => {
                let (head, rest) = word.split_at_checked(column.len())?;
                let rest = known(rest).unwrap_or_else(|| rest.to_owned());
                head.eq_ignore_ascii_case(column).then(|| format!("{column}{rest}"))
            }
        })
    }

    fn spell(&self, word: &str) -> Option<&str> {
        self.by_lower.get(&word.to_lowercase()).map(String::as_str)
    }
}

/// Which tokens can be names: not those that call a function, nor the types of casts.
fn names_of(tokens: &[Token]) -> Vec<bool> {
    let closed = closed(tokens);
    let mut named = vec![true; tokens.len()];
    // For every parenthesis that is open: whether it is that of a cast, and whether its type has begun.
    let mut open: Vec<(bool, bool)> = Vec::new();
    for (at, token) in tokens.iter().enumerate() {
        let behind = at.checked_sub(1).and_then(|at| tokens.get(at));
        match token {
            Token::LParen => open.push((is(behind, &[Keyword::CAST, Keyword::TRY_CAST, Keyword::SAFE_CAST]), false)),
            Token::RParen => {
                open.pop();
            }
            Token::Word(word) => {
                let typing = open.last().is_some_and(|(cast, begun)| *cast && *begun);
                named[at] = !typing && behind != Some(&Token::DoubleColon) && !calls(tokens, &closed, at);
                if let Some((true, begun)) = open.last_mut() {
                    *begun |= word.quote_style.is_none() && word.keyword == Keyword::AS;
                }
            }
            _ => {}
        }
    }
    named
}

/// True for a word that calls a function; what gives a name to a table and its columns stands before `(` too.
fn calls(tokens: &[Token], closed: &BTreeMap<usize, usize>, at: usize) -> bool {
    if tokens.get(at + 1) != Some(&Token::LParen) {
        return false;
    }
    let behind = at.checked_sub(1).and_then(|at| tokens.get(at));
    let alias = match behind {
        Some(Token::RParen) => true,
        Some(Token::Word(word)) => word.keyword == Keyword::NoKeyword,
        _ => false,
    };
    // WITH a (x) AS (SELECT ...)
    let subquery = closed.get(&(at + 1)).is_some_and(|end| {
        is(tokens.get(end + 1), &[Keyword::AS])
            && (tokens.get(end + 2) == Some(&Token::LParen)
                || is(tokens.get(end + 2), &[Keyword::MATERIALIZED, Keyword::NOT]))
    });
    !alias && !subquery && !is(behind, &[Keyword::AS])
}

/// Where every parenthesis that is opened is closed.
fn closed(tokens: &[Token]) -> BTreeMap<usize, usize> {
    let mut open = Vec::new();
    let mut closed = BTreeMap::new();
    for (at, token) in tokens.iter().enumerate() {
        match token {
            Token::LParen => open.push(at),
            Token::RParen => {
                closed.extend(open.pop().map(|from| (from, at)));
            }
            _ => {}
        }
    }
    closed
}
