//! What a limited reader may not see does not show, by any command.

use crate::support::{Place, SCHEMA, SCHEMA_ID, SURVEY, burst};

/// One packet for everybody, one for members, one whose label cannot be told.
fn place() -> Place {
    let place = Place::new();
    place.write("survey.toml", SURVEY);
    place.write("burst.avsc", SCHEMA);
    place.write("sent/open.bin", burst("B-open", 1));
    place.write("sent/members.bin", burst("B-members", 2));
    place.write("sent/odd.bin", burst("B-odd", 9));
    place.run(&["survey", "add", "survey.toml"]).ok().says("meerkat");
    place.run(&["schema", "add", "burst.avsc", "--id", SCHEMA_ID]).ok().says(SCHEMA_ID);
    place.run(&["ingest", "sent"]).ok().says("stored");
    place
}

#[test]
fn rights_hold_at_every_door() {
    let place = place();
    let ids = |rights: &str| {
        let sql = "SELECT burst FROM meerkat.alerts ORDER BY burst";
        place.run(&["sql", "-c", sql, "--format", "csv", "--rights", rights]).ok().out
    };
    assert_eq!(ids("all"), "burst\nB-members\nB-odd\nB-open\n");
    assert_eq!(ids("public"), "burst\nB-open\n");
    assert_eq!(ids("public,members"), ids("all"));
    assert_eq!(place.run(&["get", "B-members"]).ok().bytes, burst("B-members", 2));
    place.run(&["get", "B-members", "--rights", "public"]).ends(1).warns("no alert");
    place.run(&["get", "B-open", "--rights", "public"]).ok();
    let counted = "SELECT count(*) AS n FROM meerkat.alerts";
    place.run(&["sql", "-c", counted, "--rights", "public", "--format", "csv"]).ok().says("n\n1\n");
    place.run(&["sql", "-c", "SELECT * FROM archive.ledger", "--rights", "public"]).ends(2);
    place.run(&["sql", "-c", "DESCRIBE meerkat.alerts"]).ok().says("right ascension");
}

#[test]
fn what_counts_packets_is_for_those_who_may_see_all() {
    let place = place();
    let counting: [&[&str]; 18] = [
        &["nights"],
        &["ledger", "--by", "night"],
        &["quarantine", "list"],
        &["quarantine", "show", "nothing"],
        &["quarantine", "retry", "--all"],
        &["versions"],
        &["schema", "list"],
        &["schema", "add", "burst.avsc"],
        &["survey", "list"],
        &["survey", "add", "survey.toml"],
        &["verify"],
        &["ingest", "sent"],
        &["rollback", "0"],
        &["demo", "--dir", "archive"],
        &["ask", "alerts_per_night"],
        &["ask", "what_is_missing"],
        &["delta"],
        &["purge", "alerts", "1", "--reason", "x", "--yes"],
    ];
    for command in counting {
        let by_environment = place.command(command).env("NOCTUARY_RIGHTS", "public").output().unwrap();
        assert_eq!(by_environment.status.code(), Some(2), "{command:?}");
        assert_eq!(by_environment.stdout, b"", "{command:?}");
        assert!(String::from_utf8_lossy(&by_environment.stderr).contains("rights"), "{command:?}");
    }
    place.run(&["nights", "--rights", "public,members"]).ends(2).warns("--rights all").warns("members,public");
    place.write("noctuary.toml", "rights = 'public'\n");
    place.run(&["versions"]).ends(2).warns("noctuary.toml");
    place.run(&["versions", "--rights", "all"]).ok();
    for command in [&["schema", "show", SCHEMA_ID][..], &["survey", "show", "meerkat"], &["ask"]] {
        place.run(command).ok();
    }
    let sql = "SELECT alerts FROM archive.surveys WHERE survey = 'meerkat'";
    place.run(&["sql", "-c", sql, "--format", "csv"]).ok().says("alerts\n1\n");
    place.run(&["--print-config"]).ok().says("rights = \"public\"  # noctuary.toml");
}

#[test]
fn labels_that_no_survey_has_are_refused() {
    let place = place();
    for command in [&["sql", "-c", "SELECT 1"][..], &["get", "B-open"], &["cutout", "B-open"], &["serve"]] {
        place.run(&[command, &["--rights", "public,nobody"]].concat()).ends(2).warns("\"nobody\"").warns("members");
    }
    place.run(&["sql", "-c", "SELECT 1", "--rights", ","]).ends(2).warns("public");
}
