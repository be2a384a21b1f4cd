//! The demo, and what the program says of itself.

use crate::support::Place;

#[test]
fn the_demo_runs_twice() {
    let place = Place::new();
    let first = place.run(&["demo", "--dir", "nights"]).ok();
    let first =
        first.says("They are the same, byte for byte.").says("alerts pass").says("arcseconds").says("3000 stored");
    assert!(!first.err.contains("error"), "{first}");
    let nights = place.run(&["nights", "--archive", "nights", "--format", "csv"]).ok();
    assert_eq!(nights.out.lines().count(), 1 + 3, "{nights}");

    let second = place.run(&["demo", "--dir", "nights"]).ok().says("taken in before").says("They are the same");
    let story = |text: &str| {
        let begin = text.find("──").unwrap();
        let end = text.find(" s in all").unwrap();
        text[begin..end].trim_end_matches(|c: char| c.is_ascii_digit()).to_owned()
    };
    assert_eq!(story(&first.out), story(&second.out), "the second run shows something else");
    let again = place.run(&["nights", "--archive", "nights", "--format", "csv"]).ok();
    assert_eq!(nights.out, again.out);
}

#[test]
fn help_teaches() {
    let place = Place::new();
    place.run(&["--help"]).ok().says("noctuary demo").says("Exit codes");
    place.run(&["sql", "--help"]).ok().says("Examples:").says("NaN is NULL");
    place.run(&["quarantine", "retry", "--help"]).ok().says("Examples:");
    place.run(&[]).ends(2).says("Usage");
    place.run(&["sqll"]).ends(2).warns("sql");
    place.run(&["--version"]).ok().says("noctuary ");
}

#[test]
fn settings_come_from_file_environment_and_flags() {
    let place = Place::new();
    place.write("noctuary.toml", "archive = 'of-file'\nthreads = 3\nlisten = '127.0.0.1:7'\n");
    let shown = |arguments: &[&str], archive: Option<&str>| {
        let mut command = place.command(arguments);
        match archive {
            Some(archive) => command.env("NOCTUARY_ARCHIVE", archive),
            None => command.env_remove("NOCTUARY_ARCHIVE"),
        };
        String::from_utf8(command.output().unwrap().stdout).unwrap()
    };
    let of_file = shown(&["--print-config"], None);
    assert!(of_file.contains("archive = \"of-file\"  # noctuary.toml"), "{of_file}");
    assert!(of_file.contains("threads = 3"), "{of_file}");
    assert!(shown(&["--print-config"], Some("of-env")).contains("archive = \"of-env\""));
    let of_flag = shown(&["nights", "--archive", "of-flag", "--print-config"], Some("of-env"));
    assert!(of_flag.contains("archive = \"of-flag\"  # flag or environment"), "{of_flag}");
    place.write("other.toml", "archive = 1\n");
    place.run(&["--config", "other.toml", "nights"]).ends(2).warns("other.toml");
    place.run(&["--config", "absent.toml", "nights"]).ends(2).warns("absent.toml");
    place.write("none.toml", "threads = 0\n");
    place.run(&["--config", "none.toml", "serve"]).ends(2).warns("threads = 0");
    place.write("less.toml", "memory = -1\n");
    place.run(&["--config", "less.toml", "nights"]).ends(2).warns("-1").warns("64MiB");
}

#[test]
fn what_is_no_place_for_an_archive_is_told() {
    let place = Place::new();
    place.write("afile", "");
    place.run(&["nights", "--archive", "afile"]).ends(2).warns("afile is a file");
    place.run(&["demo", "--dir", "afile"]).ends(2).warns("is a file");
    for command in [&["nights"][..], &["ingest", "afile"]] {
        let empty = place.command(command).env("NOCTUARY_ARCHIVE", "").output().unwrap();
        assert_eq!(empty.status.code(), Some(2));
        assert!(String::from_utf8_lossy(&empty.stderr).contains("s3://BUCKET/PREFIX"), "{empty:?}");
    }
}
