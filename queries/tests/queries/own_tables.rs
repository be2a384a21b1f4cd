//! Files of one's own as tables.

use std::path::{Path, PathBuf};

use noctuary_engine::{ErrorKind, Session};

use crate::relations::{refused, sky, tidy, with_others};
use crate::support::{ask, empty, session_of};

fn write(folder: &Path, name: &str, text: &str) -> PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, text).unwrap();
    path
}

async fn with(session: &Session, files: &[(&str, &PathBuf)]) -> Session {
    let mut tables = Vec::new();
    for (name, path) in files {
        tables.push(((*name).to_owned(), noctuary_queries::open(path).await.unwrap()));
    }
    session.clone().with_tables(&tables).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn files_are_tables_with_types() {
    let session = session_of(empty().await).await;
    let folder = tempfile::tempdir().unwrap();
    let text = "\u{feff}# made by hand\n\nid, Ra ,mag,name,ok,big,none\r\n1,10.5, 18,\"a, \"\"b\"\"\",true,12345678901234567890,\r\n\r\n2,NaN,,\"two\nlines\",FALSE,1,\n-3,1e2,NA,,,2,\n";
    let comma = write(folder.path(), "comma.csv", text);
    let tab = write(folder.path(), "tab.txt", "a\tb\n1\t\n2\t3.5\n");
    let blank = write(folder.path(), "blank.dat", "# x\nname ra  dec\nm31  10.68 41.27\n\"m 33\" 23.46 30.66\n");
    let session = with(&session, &[("comma", &comma), ("tab", &tab), ("blank", &blank)]).await;
    let rows = ask(&session, "SELECT id, ra, mag, name, ok, big, none FROM comma").await;
    assert_eq!(rows[0], ["1", "10.5", "18", "a, \"b\"", "true", "12345678901234567890", "-"]);
    assert_eq!(rows[1], ["2", "NaN", "-", "two\nlines", "false", "1", "-"]);
    assert_eq!(rows[2], ["-3", "100.0", "-", "-", "-", "2", "-"]);
    let types = ask(&session, "SELECT arrow_typeof(id), arrow_typeof(Ra), arrow_typeof(mag), arrow_typeof(ok), arrow_typeof(big) FROM temp.comma LIMIT 1").await;
    assert_eq!(types[0], ["Int64", "Float64", "Int64", "Boolean", "Utf8"]);
    assert_eq!(ask(&session, "SELECT sum(b) FROM tab").await, [["3.5"]]);
    assert_eq!(ask(&session, "SELECT name, dec FROM blank WHERE ra > 20").await, [["m 33", "30.66"]]);
    assert_eq!(
        ask(&session, "SELECT table_name FROM information_schema.tables WHERE table_schema = 'temp' ORDER BY 1").await,
        [["blank"], ["comma"], ["tab"]]
    );
    let error = refused(&session, "SELECT * FROM coma").await;
    assert!(error.contains("did you mean comma?"), "{error}");
    let error = refused(&session, "SELECT nam FROM comma").await;
    assert!(error.contains("did you mean name"), "{error}");
    for (name, wanted) in [
        ("alerts", "something in the archive"),
        ("LSST", "something in the archive"),
        ("ledger", "something in the archive"),
        ("COMMA", "two tables"),
        ("a b", "no name"),
        ("", "no name"),
    ] {
        let provider = noctuary_queries::open(&tab).await.unwrap();
        let error = session.clone().with_tables(&[(name.to_owned(), provider)]).unwrap_err().to_string();
        assert!(error.contains(wanted), "{name}: {error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_row_is_told_with_its_line_and_column() {
    let folder = tempfile::tempdir().unwrap();
    let long: String = (0..1_500).map(|n| format!("{n},{n}.5\n")).collect();
    for (text, wanted) in [
        (format!("ra,dec\n{long}7,east\n"), "line 1502, column dec: \"east\" is no number"),
        (format!("ra,dec\n\n{long}\n1,2,3\n"), "line 1504: it has 3 values, and there are 2 columns"),
        ("ra,dec\n1,2\n3\n".to_owned(), "line 3: it has 1 values, and there are 2 columns"),
        ("ra,dec\n1,\"2\n3,4\n".to_owned(), "line 2: a quote is opened and never closed"),
        ("ra,ra\n1,2\n".to_owned(), "line 1: two columns are called ra"),
        ("ra,\n1,2\n".to_owned(), "line 1: column 2 has no name"),
        ("10.5,20\n1,2\n".to_owned(), "line 1: 10.5 is no name of a column; it has to name the columns"),
        (String::new(), "no line that names the columns"),
        ("# nothing\n".to_owned(), "no line that names the columns"),
    ] {
        let path = write(folder.path(), "bad.csv", &text);
        let error = noctuary_queries::open(&path).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid);
        assert!(error.to_string().contains(wanted) && error.to_string().contains("bad.csv"), "{error}, not {wanted}");
    }
    let path = folder.path().join("bytes.csv");
    std::fs::write(&path, b"ra,dec\n1,\xff\n").unwrap();
    assert!(noctuary_queries::open(&path).await.unwrap_err().to_string().contains("line 2: it is not in UTF-8"));
    std::fs::write(&path, b"PAR1 and no more").unwrap();
    assert!(noctuary_queries::open(&path).await.is_err());
    assert!(noctuary_queries::open(folder.path()).await.unwrap_err().to_string().contains("a folder"));
    assert!(
        noctuary_queries::open(&folder.path().join("none")).await.unwrap_err().to_string().contains("no such file")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_match_archives_and_archives_match_each_other() {
    let archive = sky().await;
    with_others(&archive).await;
    let folder = tempfile::tempdir().unwrap();
    let list = write(
        folder.path(),
        "list.csv",
        "name,RAJ2000,DEJ2000\nnear,150.0,2.00001\nacross,0.0001,0\npole,1,90\nfar,10,10\nlost,,1\n",
    );
    let session = with(&session_of(archive).await, &[("Mine", &list)]).await;
    let found = tidy(
        ask(&session, "SELECT name, right_object, diaSourceId, distance * 3600 FROM (SELECT *, _object AS right_object FROM crossmatch('mine', 'lsst.alerts', 0.001, 'best'))")
            .await,
    );
    assert_eq!(found, ["across 3 30 0.72", "near 1 10 0.036", "pole 4 40 0"]);
    // The same with tables named by words, as the function is by default, and asked by another.
    let named = "SELECT NAME, DIASOURCEID FROM CrossMatch(mine, lsst.alerts, 0.001) WHERE Name <> 'pole'";
    assert_eq!(tidy(ask(&session, named).await), ["across 30", "near 10"]);
    let both =
        "SELECT _alert, right__alert, distance * 3600 FROM crossmatch(lsst.alerts, ztf.alerts, arcsec(0.45), 'all')";
    assert_eq!(tidy(ask(&session, both).await), ["11 5 0.4", "11 6 0.4"]);
    let inner = "SELECT name, count(*) FROM crossmatch(temp.mine, cone_search(lsst.sources, 150, 2, arcsec(2)), 0.001, 'all') GROUP BY 1";
    assert_eq!(tidy(ask(&session, inner).await), ["near 5"]);
    let described = ask(&session, "DESCRIBE mine").await;
    assert_eq!(described.iter().map(|row| row[0].as_str()).collect::<Vec<_>>(), ["name", "RAJ2000", "DEJ2000"]);
    let plan = ask(&session, "EXPLAIN SELECT * FROM crossmatch(mine, lsst.sources, 1)").await.concat().concat();
    assert!(plan.contains("CrossmatchExec: best within 1 degrees, right side in memory"), "{plan}");
    assert!(
        session.names().iter().any(|name| name == "crossmatch") && session.names().iter().any(|name| name == "Mine")
    );
    for (call, wanted) in [
        ("crossmatch(mine, lsst.alerts, -1)", "negative"),
        ("crossmatch(mine, lsst.alerts, 1, 'nearest')", "neither 'best' nor 'all'"),
        ("crossmatch(mine, lsst.alerts)", "radius is missing"),
        ("crossmatch(mine, lsst.alert, 1)", "did you mean lsst.alerts"),
        ("crossmatch(min, lsst.alerts, 1)", "did you mean"),
        (
            "crossmatch(mine, lsst.alerts, 1, left_ra => name, left_dec => dej2000)",
            "name of the left table is no number: line 2 has \"near\"",
        ),
        ("crosmatch(mine, lsst.alerts, 1)", "did you mean crossmatch?"),
    ] {
        let error = refused(&session, &format!("SELECT * FROM {call}")).await;
        assert!(error.contains(wanted), "{call}: {error}");
    }
}
