use std::collections::BTreeSet;

use super::*;

#[test]
fn every_file_is_of_the_form_and_in_the_list() {
    for (name, file) in FILES {
        header::parse(name, file).unwrap_or_else(|e| panic!("science/{name}.sql: {e}"));
    }
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("science");
    let names = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap());
    let listed = FILES.iter().map(|(name, _)| format!("{name}.sql"));
    assert_eq!(names.collect::<BTreeSet<_>>(), listed.collect());
    assert_eq!(catalogue().len(), FILES.len());
}

const GOOD: &str = "\
-- Things near
-- For anyone who has
-- a place.
-- survey: lantern
-- param ra number deg: right ascension
--   of the middle
-- param radius number arcsec from 0 to 10 default 5: how far
-- param objects ids: which
-- param name text default it: its name
-- param day date default 2026-04-07: the night
-- param n integer from -3 default -2: how many
-- example: ra=-10.5 objects=1,2
-- result: rows
-- caveat: none
-- cost: little
SELECT '$ra é' AS text, $ra - $n AS \"$n\" -- $radius
FROM t /* $name */
WHERE id IN $objects AND r < $radius AND name = $name AND d = $day";

fn good() -> Entry {
    header::parse("near", GOOD).unwrap()
}

fn values(given: &[(&str, &str)]) -> Vec<(String, String)> {
    given.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

#[test]
fn a_file_is_read() {
    let entry = good();
    assert_eq!((entry.title.as_str(), entry.story.as_str()), ("Things near", "For anyone who has a place."));
    assert_eq!(entry.survey, Some("lantern"));
    assert_eq!(entry.parameters[0].to_string(), "ra, a number, in deg: right ascension of the middle");
    let radius = entry.parameters[1].to_string();
    assert_eq!(radius, "radius, a number from 0 to 10, in arcsec, 5 if not given: how far");
    assert!(entry.parameters[5].to_string().starts_with("n, a whole number, -3 or more, -2 if not given"));
    assert_eq!((entry.result.as_str(), entry.caveat.as_str(), entry.cost.as_str()), ("rows", "none", "little"));
    assert_eq!(entry.show(&[]).unwrap(), format!("{GOOD}\n"));
    assert_eq!(entry.show(&values(&[("ra", "1")])).unwrap().matches("$objects").count(), 1);
}

#[test]
fn values_stand_where_placeholders_do_and_nowhere_else() {
    let sql = good().fill(&values(&[("ra", "-10.5"), ("objects", "1, 2\n3"), ("name", "O'Neill; --")])).unwrap();
    let wanted = "\
SELECT '$ra é' AS text, (-10.5) - (-2) AS \"$n\" -- $radius
FROM t /* $name */
WHERE id IN (1, 2, 3) AND r < 5.0 AND name = 'O''Neill; --' AND d = DATE '2026-04-07'";
    assert_eq!(sql, wanted);
    assert!(good().sql.contains("IN (1, 2)"), "{}", good().sql);
}

#[test]
fn values_that_do_not_do_are_refused_with_what_would() {
    let base = [("ra", "1"), ("objects", "1")];
    let refused = |more: &[(&str, &str)]| {
        let kept = base.iter().filter(|(name, _)| !more.iter().any(|(other, _)| other == name));
        let given: Vec<(&str, &str)> = kept.chain(more).copied().collect();
        good().fill(&values(&given)).unwrap_err().to_string()
    };
    assert_eq!(refused(&[("radus", "1")]), "near has no parameter \"radus\"; did you mean radius?");
    assert!(refused(&[("wholly", "1")]).ends_with("; it has ra, radius, objects, name, day, n"));
    assert_eq!(refused(&[("n", "1"), ("n", "1")]), "n is given twice");
    assert_eq!(refused(&[("radius", "-1")]), "radius has to be a number from 0 to 10, in arcsec, and \"-1\" is not");
    for (name, value, wanted) in [
        ("ra", "east", "a number, in deg"),
        ("ra", "NaN", "a number"),
        ("ra", "inf", "a number"),
        ("ra", "", "a number"),
        ("ra", "1 OR true", "a number"),
        ("radius", "10.1", "from 0 to 10"),
        ("n", "1.5", "a whole number"),
        ("n", "99999999999999999999", "a whole number"),
        ("day", "2026-13-01", "a date such as 2026-04-07"),
        ("objects", "1, x", "ids, which are whole numbers"),
        ("objects", "1, x", "\"x\" in line 1, column 4 is none"),
        ("objects", "12\n34\r\n\n 5,6 7,8e3 x\n", "\"8e3\" in line 4, column 8 is none"),
        ("objects", " , ", "ids, which are whole numbers"),
    ] {
        let error = refused(&[(name, value)]);
        assert!(error.starts_with(&format!("{name} has to be ")) && error.contains(wanted), "{error}");
    }
    let missing = good().fill(&values(&[("objects", "1")])).unwrap_err().to_string();
    assert_eq!(missing, "near needs a value for ra, a number, in deg: right ascension of the middle");
    let long = refused(&[("ra", &"9x".repeat(5_000))]);
    assert!(long.len() < 200, "{long}");
}

#[test]
fn faults_of_files_are_told_with_their_lines() {
    for (from, to, wanted) in [
        ("-- Things near\n", "--Things\n", "line 1: a comment begins with -- and a space"),
        ("-- Things near\n-- For anyone who has\n-- a place.\n", "-- survey: x\n", "line 1: a file begins with"),
        ("-- For anyone who has\n-- a place.\n", "", "line 2: after the title"),
        ("-- cost: little", "-- cost:", "line 15: it says nothing"),
        ("-- cost: little\n", "", "line 14: cost: is missing"),
        ("-- cost: little\n", "-- cost: little\n-- price: 5\n", "line 16: expected survey:"),
        ("-- cost: little\n", "-- cost: little\n-- caveat: more\n", "line 16: survey, params"),
        ("-- cost: little\n", "-- cost: little\n-- cost: more\n", "line 16: survey, params"),
        ("ra number deg:", "ra numeral deg:", "line 5: \"numeral\" is no type; there are number, integer"),
        ("ra number deg:", "Ra number deg:", "line 5: \"Ra\" is no name"),
        ("ra number deg:", "ra number deg fro 1:", "line 5: a parameter is: param NAME"),
        ("ra number deg:", "ra:", "line 5: a parameter is: param NAME"),
        ("to 10 default 5", "to 10 default 11", "line 7: the default is wrong: radius has to be"),
        ("from 0 to 10", "from none to 10", "line 7: none is not a number"),
        ("name text default", "name text from 1 default", "line 9: name has a range"),
        ("radius number", "ra number", "line 16: two parameters have one name"),
        ("r < $radius", "r < $far", "line 16: $far is no parameter; add -- param far"),
        ("r < $radius", "r < 5", "line 16: the parameter radius is not used"),
        ("ra=-10.5 ", "", "line 16: the example does not do: near needs a value for ra"),
        ("ra=-10.5 ", "ra ", "line 12: \"ra\" is not NAME=VALUE"),
        ("SELECT '", "DROP '", "line 16: the statement has to begin with SELECT"),
        ("d = $day", "d = $day;", "line 16: the statement has to be one"),
    ] {
        assert!(GOOD.contains(from), "{from}");
        let file: &'static str = GOOD.replacen(from, to, 1).leak();
        let error = header::parse("near", file).unwrap_err().to_string();
        assert!(error.starts_with(wanted), "{error}, not {wanted}");
    }
}

#[test]
fn names_that_are_nearly_right_are_offered() {
    assert_eq!(Entry::suggestion("cone_serch"), "; did you mean cone_search?");
    assert_eq!(Entry::suggestion("l10"), "; did you mean l10_quality?");
    assert_eq!(Entry::suggestion("nothing at all like it"), "");
}
