//! Nights sent again, to files and pipes.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::process::Stdio;
use std::time::Instant;

use noctuary_simulator::{Plan, SimulatedPacket, Simulation, Survey};

use crate::support::{Place, files_below};

/// Packets behind their lengths.
fn framed(mut bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut packets = Vec::new();
    while let Some((length, rest)) = bytes.split_first_chunk::<4>() {
        let (packet, after) = rest.split_at(u32::from_be_bytes(*length) as usize);
        packets.push(packet.to_vec());
        bytes = after;
    }
    packets
}

/// Packets of a night in the order in which they were sent, which is that of visits and detectors here.
fn of_night(packets: &[SimulatedPacket], night: i32) -> Vec<&SimulatedPacket> {
    packets.iter().filter(|packet| packet.night == night).collect()
}

#[test]
fn a_night_comes_as_it_was_sent() {
    let (place, packets) = Place::with_packets();
    let night = of_night(&packets, 20_261_109);
    let done = place.run(&["replay", "--night", "2026-11-09"]).ok().warns("replayed 12 packets of 3 visits");
    let sent: BTreeSet<&[u8]> = night.iter().map(|packet| packet.bytes.as_slice()).collect();
    let came = framed(&done.bytes);
    assert_eq!(came.iter().map(Vec::as_slice).collect::<BTreeSet<_>>(), sent);
    assert_eq!(came.len(), sent.len());
    assert_eq!(place.run(&["replay", "--night", "20261109"]).ok().bytes, done.bytes, "the same every time");

    // A file for each packet, in folders of nights, numbered in order.
    place.run(&["replay", "-o", "frames"]).ok().warns("replayed 24 packets");
    let files = files_below(&place.path("frames"));
    assert_eq!(files.len(), packets.len());
    let first: Vec<Vec<u8>> =
        files.iter().filter(|p| p.to_string_lossy().contains("20261109")).map(|p| std::fs::read(p).unwrap()).collect();
    assert_eq!(first, came);
    assert!(files[0].file_name().unwrap().to_string_lossy().starts_with("0000001-"));
}

#[test]
fn nightly_archives_and_containers_can_be_taken_in() {
    let (place, packets) = Place::with_packets();
    place.run(&["replay", "--form", "tar", "-o", "nights"]).ok();
    place.run(&["replay", "--form", "avro", "-o", "avro"]).ok();
    let names = |folder: &str| -> Vec<String> {
        files_below(&place.path(folder)).iter().map(|p| p.file_name().unwrap().to_string_lossy().into_owned()).collect()
    };
    assert_eq!(names("nights"), ["lsst_20261109.tar.gz", "lsst_20261110.tar.gz"]);
    assert!(names("avro").iter().all(|name| name.starts_with("lsst_2026111") || name.starts_with("lsst_20261109")));
    assert_eq!(names("avro").len(), 2);
    for folder in ["nights", "avro"] {
        let copy = format!("copy-{folder}");
        place.run(&["ingest", folder, "--archive", &copy]).ok();
        let count =
            place.run(&["sql", "--archive", &copy, "-c", "SELECT count(*) AS n FROM lsst.alerts", "--format", "csv"]);
        assert_eq!(count.ok().out.lines().last(), Some(packets.len().to_string().as_str()), "{folder}");
    }
    // As packets were sent: the tar holds the very bytes.
    let id = packets[0].alert_id.to_string();
    assert_eq!(place.run(&["get", &id, "--archive", "copy-nights"]).ok().bytes, packets[0].bytes);
    // Through a pipe.
    let tar = place.run(&["replay", "--form", "tar", "--night", "2026-11-09"]).ok();
    place.run_with_input(&["ingest", "-", "--archive", "piped"], &tar.bytes).ok();
    place.run(&["nights", "--archive", "piped"]).ok().says("2026-11-09");
    let avro = place.run(&["replay", "--form", "avro", "--night", "2026-11-09"]).ok();
    place.run_with_input(&["ingest", "-", "--archive", "boxed"], &avro.bytes).ok();
    place.run(&["nights", "--archive", "boxed"]).ok().says("2026-11-09");
}

#[test]
fn several_surveys_are_written_side_by_side() {
    let place = Place::new();
    for (survey, ending) in [(Survey::Lsst, "bin"), (Survey::Ztf, "avro")] {
        let plan = Plan {
            survey,
            seed: 5,
            nights: 2,
            visits_per_night: 6,
            alerts_per_visit: 3,
            objects: 40,
            fields: 2,
            weather_loss: 0.0,
            ..Plan::default()
        };
        for (number, packet) in Simulation::new(plan).unwrap().packets().enumerate() {
            place.write(&format!("sent/{survey:?}-{number}.{ending}"), &packet.bytes);
        }
    }
    place.run(&["ingest", "sent"]).ok();
    let both = ["--survey", "lsst,ztf"];
    let came = framed(&place.run(&[&["replay"][..], &both].concat()).ok().bytes);
    let set = |packets: &[Vec<u8>]| packets.iter().cloned().collect::<BTreeSet<_>>();
    assert_eq!(set(&came).len(), came.len());

    for form in ["frames", "tar", "avro"] {
        place.run(&[&["replay", "--form", form, "-o", form][..], &both].concat()).ok();
        let copy = format!("copy-{form}");
        place.run(&["ingest", form, "--archive", &copy]).ok();
        for survey in ["lsst", "ztf"] {
            let count = format!("SELECT count(*) AS n FROM {survey}.alerts");
            let of =
                |archive: &str| place.run(&["sql", "--archive", archive, "-c", &count, "--format", "csv"]).ok().out;
            assert_eq!(of(&copy), of("archive"), "{form} of {survey}");
        }
        if form != "avro" {
            let again = place.run(&[&["replay", "--archive", &copy][..], &both].concat()).ok();
            assert_eq!(set(&framed(&again.bytes)), set(&came), "{form}");
        }
    }
}

#[test]
fn a_pipe_has_each_visit_when_it_is_due() {
    let (place, packets) = Place::with_packets();
    let night = of_night(&packets, 20_261_109);
    let mut replay = place
        .command(&["replay", "--night", "2026-11-09", "--pace", "10"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut output = replay.stdout.take().unwrap();
    // Four packets a visit, and 3.9 s between visits.
    let mut times = Vec::new();
    for _ in 0..night.len() {
        let mut length = [0; 4];
        output.read_exact(&mut length).unwrap();
        let mut packet = vec![0; u32::from_be_bytes(length) as usize];
        output.read_exact(&mut packet).unwrap();
        times.push(Instant::now());
    }
    assert!(replay.wait().unwrap().success());
    let each = times.len() / 3;
    for visit in times.chunks(each) {
        let took = visit[each - 1] - visit[0];
        assert!(took.as_secs_f64() < 2.0, "the end of a visit waits for the next one: {took:?}");
    }
    assert!((times[each] - times[0]).as_secs_f64() > 3.0, "{times:?}");
}

/// The alerts of a replay.
fn replayed(place: &Place, arguments: &[&str]) -> BTreeSet<String> {
    let all = [&["replay", "--shape", "sources", "-o", "out.csv"], arguments].concat();
    place.run(&all).ok();
    let text = std::fs::read_to_string(place.path("out.csv")).unwrap();
    text.lines().skip(1).map(|line| line.split(',').next().unwrap().to_owned()).collect()
}

/// The lines of an answer, without the names of its columns.
fn answered(place: &Place, sql: &str) -> Vec<String> {
    let done = place.run(&["sql", "-c", sql, "--format", "csv"]).ok();
    done.out.lines().skip(1).map(str::to_owned).collect()
}

/// The alerts of which a condition is true.
fn alerts_where(place: &Place, condition: &str) -> BTreeSet<String> {
    answered(place, &format!("SELECT _alert FROM lsst.alerts WHERE {condition}")).into_iter().collect()
}

#[test]
fn regions_times_and_visits_are_those_of_sql() {
    let (place, packets) = Place::with_packets();
    let middle = answered(&place, "SELECT median(_ra), median(_dec), median(_mjd_tai) FROM lsst.alerts").remove(0);
    let [ra, dec, mjd] = middle.split(',').map(|n| n.parse::<f64>().unwrap()).collect::<Vec<_>>()[..] else {
        panic!("{middle}")
    };
    let visits = answered(&place, "SELECT DISTINCT _visit FROM lsst.alerts ORDER BY 1");
    let time = answered(&place, &format!("SELECT date_trunc('second', mjd_tai_to_utc({mjd}))")).remove(0);
    let time = format!("{}Z", time.trim_end_matches('Z'));
    let cells = answered(
        &place,
        "SELECT string_agg(DISTINCT CAST(healpix(8, _ra, _dec) AS TEXT), ' ') FROM lsst.alerts WHERE _visit % 2 = 0",
    );
    let moc = format!("8/{}", cells[0].trim_matches('"').replace(' ', " 8/"));
    place.write("map.moc", &moc);
    let wide = |n: f64| (n - 0.9, n + 0.9);
    let ((west, east), (south, north)) = (wide(ra), wide(dec));
    let corners = format!("{west},{south},{east},{south},{ra},{north}");
    let cases: [(&[&str], String); 8] = [
        (&["--cone", &format!("{ra},{dec},0.9")], format!("cone(_ra, _dec, {ra}, {dec}, 0.9)")),
        (
            &["--box", &format!("{west},{ra},{south},{north}")],
            format!("in_box(_ra, _dec, {west}, {ra}, {south}, {north})"),
        ),
        (&["--polygon", &corners], format!("in_polygon(_ra, _dec, {corners})")),
        (&["--moc", "map.moc"], format!("in_moc(_ra, _dec, '{moc}')")),
        (&["--from", &time], format!("_mjd_tai >= utc_to_mjd_tai(TIMESTAMP '{time}')")),
        (&["--to", &time], format!("_mjd_tai < utc_to_mjd_tai(TIMESTAMP '{time}')")),
        (&["--from", &mjd.to_string(), "--box", "0,360,-90,90"], format!("_mjd_tai >= {mjd}")),
        (
            &["--from-visit", &visits[1], "--to-visit", &visits[3]],
            format!("_visit BETWEEN {} AND {}", visits[1], visits[3]),
        ),
    ];
    for (arguments, condition) in cases {
        let expected = alerts_where(&place, &condition);
        assert!(!expected.is_empty() && expected.len() < packets.len(), "{condition}: {}", expected.len());
        assert_eq!(replayed(&place, arguments), expected, "{arguments:?}");
    }
}

#[test]
fn what_is_chosen_is_what_comes() {
    let (place, packets) = Place::with_packets();
    let ids = |arguments: &[&str]| replayed(&place, arguments);
    let of = |sql: &str| alerts_where(&place, sql);
    assert_eq!(ids(&[]).len(), packets.len());
    assert_eq!(ids(&["--where", "diaSource.snr > 8"]), of("diaSource.snr > 8"));
    let objects: BTreeMap<i64, usize> =
        packets.iter().filter_map(|p| p.object_id).fold(BTreeMap::new(), |mut all, id| {
            *all.entry(id).or_default() += 1;
            all
        });
    let two: Vec<String> = objects.keys().take(2).map(ToString::to_string).collect();
    place.write("objects.txt", two.join("\n"));
    let wanted = of(&format!("_object IN ({})", two.join(", ")));
    assert_eq!(ids(&["--objects", "@objects.txt"]), wanted);
    assert_eq!(ids(&["--objects", &two.join(",")]), wanted);
    assert_eq!(ids(&["--night", "2026-11-10", "--as-of", "1"]), of("_night = DATE '2026-11-10'"));
    let nothing = place.run(&["replay", "--cone", "10,-89,0.1", "-o", "none"]).ok();
    nothing.warns("in the region").warns("replayed 0 packets");

    place.run(&["replay", "--shape", "slim", "--fields", "diaSourceId,diaSource.psfFlux", "-o", "slim"]).ok();
    let slim: usize =
        files_below(&place.path("slim")).iter().map(|p| std::fs::metadata(p).unwrap().len() as usize).sum();
    assert!(slim < 3_000, "{slim}");
    place.run(&["replay", "--shape", "alerts", "--no-history", "--cutouts", "-o", "alerts.parquet"]).ok();
}

#[test]
fn mistakes_are_told_before_anything_is_written() {
    let (place, _) = Place::with_packets();
    for (arguments, code, told) in [
        (&["--night", "2026-12-24"][..], 1, "2026-11-10"),
        (&["--night", "yesterday"], 2, "2026-04-07"),
        (&["--pace", "0"], 2, "above 0"),
        (&["--pace", "-1"], 2, "above 0"),
        (&["--where", "diaSource.snr >"], 2, "diaSource.snr"),
        (&["--where", "snrr > 1"], 2, "snrr"),
        (&["--where", "random() < 0.5"], 2, "another value each time"),
        (&["--where", "_alert IN (SELECT diaSourceId FROM sources)"], 2, "by the alert alone"),
        (&["--cone", "1,2"], 2, "3"),
        (&["--cone", "1,2,wide"], 2, "wide"),
        (&["--box", "1,2,3"], 2, "4"),
        (&["--polygon", "1,2,3,4,5"], 2, "declination"),
        (&["--moc", "nowhere.moc"], 1, "nowhere.moc"),
        (&["--objects", ","], 2, "object"),
        (&["--survey", "lost"], 2, "lsst"),
        (&["--shape", "slim"], 2, "fields"),
        (&["--shape", "slim", "--fields", "diaSourceId", "--form", "frames"], 2, "avro"),
        (&["--shape", "alerts", "--form", "tar"], 2, ".parquet"),
        (&["--shape", "alerts", "-o", "out.bin"], 2, ".parquet"),
        (&["--listen", "127.0.0.1:0"], 2, "--live"),
        (&["--live", "--listen", "0.0.0.0:0"], 2, "127.0.0.1"),
        (&["--as-of", "99"], 1, "99"),
    ] {
        let all = [&["replay"][..], arguments].concat();
        let done = place.run(&all).ends(code).warns(told);
        assert!(done.bytes.is_empty(), "{done}");
    }
}

#[test]
fn a_pace_is_kept_and_a_live_night_says_where_it_is() {
    let (place, _) = Place::with_packets();
    let begun = Instant::now();
    // Three visits, 39 s apart.
    place.run(&["replay", "--night", "2026-11-09", "--pace", "60", "-o", "paced"]).ok().warns("replayed 12");
    assert!(begun.elapsed().as_secs_f64() > 1.3, "{:?}", begun.elapsed());
    let mut live = place
        .command(&["replay", "--night", "2026-11-09", "--live", "--listen", "127.0.0.1:0"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = [0; 25];
    live.stdout.take().unwrap().read_exact(&mut line).unwrap();
    assert!(line.starts_with(b"listening on grpc://127."), "{}", String::from_utf8_lossy(&line));
    let _ = std::process::Command::new("kill").arg(live.id().to_string()).status().unwrap();
    let done = live.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&done.stderr).into_owned();
    assert!(done.status.success() && said.contains("12 packets of 3 visits"), "{said}");
}
