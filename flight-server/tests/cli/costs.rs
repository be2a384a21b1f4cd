//! What a question costs, and what it may.

use crate::support::Place;

#[test]
fn a_dry_run_says_what_would_be_read() {
    let (place, packets) = Place::with_packets();
    let sql = "SELECT diaSource.psfFlux FROM lsst.alerts; SELECT 1";
    let told = place.run(&["sql", "--dry-run", "-c", sql, "--format", "csv"]).ok();
    let lines: Vec<Vec<&str>> = told.out.lines().map(|line| line.split(',').collect()).collect();
    assert_eq!(lines[0][..4], ["table", "files", "of_files", "rows_at_most"], "{told}");
    assert_eq!((lines[1][0], lines[1][3]), ("lsst.alerts", packets.len().to_string().as_str()), "{told}");
    let (bytes, all): (u64, u64) = (lines[1][5].parse().unwrap(), lines[1][6].parse().unwrap());
    assert!(bytes > 0 && bytes * 3 < all, "{told}");

    let id = packets[0].object_id.map_or_else(|| "1".to_owned(), |id| id.to_string());
    let sql = format!("SELECT psfFlux FROM lsst.sources WHERE diaObjectId = {id}");
    place.run(&["sql", "--dry-run", "-c", &sql]).ok().says("index of objects");
    let plan = place.run(&["sql", "-c", &format!("EXPLAIN ANALYZE {sql}")]).ok();
    plan.says("kept").says("read").says("index of objects");

    let asked = ["ask", "cone_search", "-p", "ra=10", "-p", "dec=20", "-p", "radius=30", "--dry-run"];
    place.run(&asked).ok().says("rows_at_most").says("lsst.");
    place.run(&[&asked[..], &["-o", "cost.csv"]].concat()).ok();
    assert!(std::fs::read_to_string(place.path("cost.csv")).unwrap().starts_with("table,"));

    place.run(&["sql", "--dry-run", "-c", "SELECT nothing FROM lsst.alerts"]).ends(2);
    place.run(&["sql", "--dry-run", "--rights", "public", "-c", "SELECT 1"]).ends(2).warns("rights");
    place.run(&[&asked[..], &["--rights", "public"]].concat()).ends(2).warns("rights");
    place.run(&["ask", "--dry-run"]).ends(2);
}

#[test]
fn a_question_ends_at_its_deadline() {
    let (place, _) = Place::with_packets();
    let numbers = |name: &str| format!("(SELECT unnest(range(0, 60000)) AS {name})");
    let sql = format!("SELECT sum(sin(a * b)) FROM {} CROSS JOIN {}", numbers("a"), numbers("b"));
    let begun = std::time::Instant::now();
    place.run(&["sql", "--deadline", "300ms", "-c", &sql]).ends(1).warns("0.3 s").warns("--deadline");
    place.write("noctuary.toml", "deadline = \"0.2s\"");
    place.run(&["sql", "-c", &sql]).ends(1).warns("deadline of 0.2 s");
    place.run(&["ask", "alerts_per_night", "--deadline", "none"]).ok();
    place.run(&["--print-config"]).ok().says("deadline = \"0.2s\"  # noctuary.toml");
    assert!(begun.elapsed().as_secs() < 30, "{:?}", begun.elapsed());
    place.run(&["sql", "--deadline", "soon", "-c", "SELECT 1"]).ends(2).warns("30s");
    place.run(&["serve", "--deadline", "0s"]).ends(2).warns("30s");
}
