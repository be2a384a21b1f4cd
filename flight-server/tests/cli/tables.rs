//! Files of one's own, beside the archive.

use crate::support::Place;

#[test]
fn a_list_is_matched_with_the_archive() {
    let (place, _) = Place::with_packets();
    place
        .run(&[
            "sql",
            "-c",
            "SELECT diaSourceId AS wanted, ra, dec FROM lsst.sources WHERE _origin = 'trigger'",
            "-o",
            "list.csv",
        ])
        .ok();
    place
        .run(&[
            "sql",
            "-c",
            "SELECT diaSourceId AS wanted, ra, dec FROM lsst.sources WHERE _origin = 'trigger'",
            "-o",
            "list.parquet",
        ])
        .ok();
    let triggers = place.run(&["sql", "--format", "csv", "-c", "SELECT count(*) AS n FROM lsst.alerts"]).ok();
    let sql = "SELECT count(DISTINCT wanted) AS n FROM crossmatch(Mine, lsst.sources, arcsec(0.01), 'all') WHERE wanted = diaSourceId";
    for list in ["mine=list.csv", "mine=list.parquet"] {
        let found = place.run(&["sql", "--table", list, "--format", "csv", "-c", sql]).ok();
        assert_eq!(found.out, triggers.out, "{list}");
        place.run(&["sql", "--table", list, "-c", "DESCRIBE temp.mine"]).ok().says("wanted").says("double");
        place
            .run(&["ask", "list_matches", "--table", list, "-p", "radius=5"])
            .ok()
            .says("diaObjectId")
            .says("distance");
    }
    // It is not the archive's: rights do not hide it.
    let seen = place.run(&[
        "sql",
        "--rights",
        "public",
        "--table",
        "mine=list.csv",
        "--format",
        "csv",
        "-c",
        "SELECT count(*) AS n FROM mine",
    ]);
    assert_eq!(seen.ok().out, triggers.out);
    place
        .run(&[
            "sql",
            "--table",
            "mine=list.csv",
            "--as-of",
            "0",
            "-c",
            "SELECT count(*) AS n FROM crossmatch(mine, lsst.sources, 1)",
        ])
        .ok()
        .says("0");
    let two = ["sql", "--table", "a=list.csv", "--table", "b=list.csv", "--format", "csv", "-c"];
    place.run(&[&two[..], &["SELECT count(*) > 0 AS some FROM crossmatch(a, b, 0)"]].concat()).ok().says("true");
}

#[test]
fn a_file_that_is_no_table_is_told_with_what_is_wrong() {
    let (place, _) = Place::with_packets();
    let rows: String = (0..1_200).map(|n| format!("{n}.5,{n}\n")).collect();
    place.write("bad.csv", format!("ra,dec\n{rows}12.5,north\n"));
    place.write("good.csv", "ra,dec\n1,2\n");
    let ask = |table: &str| place.run(&["sql", "--table", table, "-c", "SELECT 1"]).ends(2);
    ask("mine=bad.csv").warns("bad.csv: line 1202, column dec: \"north\" is no number");
    ask("mine=nowhere.csv").warns("there is no such file");
    ask("good.csv").warns("NAME=FILE");
    ask("alerts=good.csv").warns("call your own table otherwise");
    place
        .run(&["sql", "--table", "mine=good.csv", "-c", "SELECT * FROM crossmatch(mine, lsst.sorces, 1)"])
        .ends(2)
        .warns("lsst.sources");
    place
        .run(&["sql", "--table", "mine=good.csv", "-c", "SELECT * FROM crossmatch(mine, lsst.sources, -1)"])
        .ends(2)
        .warns("negative");
    place.run(&["ask", "--table", "mine=good.csv"]).ends(2);
}
