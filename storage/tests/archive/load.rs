//! Flat tables that no packet brought.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, Float32Array, Float64Array, Int64Array, RecordBatch, StringArray};
use noctuary_storage::compact::Policy;
use noctuary_storage::load::{LoadOptions, LoadReport, load};
use noctuary_storage::{Archive, ErrorKind, Result, Table};
use parquet::arrow::ArrowWriter;

use crate::apart::whole;
use crate::compact::{merge, now};
use crate::dump::rows;
use crate::make::LANTERN_MAPPING;
use crate::seen::shown;
use crate::support::{assert_verified, empty, take_packets};

fn write(path: &Path, columns: Vec<(&str, ArrayRef)>) {
    let batch = RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(n, c)| (n, c, true))).unwrap();
    let mut writer = ArrowWriter::try_new(std::fs::File::create(path).unwrap(), batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
}

fn sources(path: &Path, rows: i64) {
    let ids: Int64Array = (0..rows).map(Some).collect();
    // Objects take turns, and lie all over the sky.
    let objects: Int64Array = (0..rows).map(|n| (n % 7 != 6).then_some(n % 7)).collect();
    let ra: Float64Array = (0..rows).map(|n| Some((n % 7) as f64 * 50.0 + n as f64 * 1e-6)).collect();
    let dec: Float64Array = (0..rows).map(|n| Some((n % 7) as f64 * 10.0 - 30.0)).collect();
    let mjd: Float64Array = (0..rows).map(|n| Some(61_000.0 + n as f64)).collect();
    let flux: Float32Array = (0..rows).map(|n| (n % 3 > 0).then_some(n as f32)).collect();
    write(
        path,
        vec![
            ("id", Arc::new(ids)),
            ("star", Arc::new(objects)),
            ("RA", Arc::new(ra)),
            ("dec", Arc::new(dec)),
            ("midpointMjdTai", Arc::new(mjd)),
            ("psfFlux", Arc::new(flux)),
            ("colour", Arc::new(StringArray::from(vec!["red"; rows as usize]))),
        ],
    );
}

fn options(table: Table, columns: &[(&str, &str)]) -> LoadOptions {
    LoadOptions {
        survey: "lsst".into(),
        table,
        columns: columns.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect::<BTreeMap<_, _>>(),
        rights: None,
        schema: None,
        commit_rows: 2_621,
    }
}

async fn take(archive: &Archive, path: &Path, options: &LoadOptions) -> Result<LoadReport> {
    load(archive, &[path.to_owned()], options, &Arc::default()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_become_sources_in_the_order_of_the_sky() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("past.parquet");
    sources(&file, 3_000);
    let archive = empty().await;
    take_packets(&archive, "packets", vec![whole(1)]).await;
    let options = options(Table::Sources, &[("diaSourceId", "id"), ("diaObjectId", "star")]);
    let report = take(&archive, &file, &options).await.unwrap();
    assert_eq!((report.rows, report.already, report.unused.as_slice()), (3_000, 0, ["colour".to_owned()].as_slice()));
    let snapshot = archive.snapshot().await.unwrap();
    let found = rows(&archive, &snapshot, Table::Sources).await;
    let loaded: Vec<_> = found.iter().filter(|row| row["_origin"] == "loaded").collect();
    assert_eq!((found.len(), loaded.len()), (3_006, 3_000));
    let files: Vec<_> = snapshot.files(Table::Sources, Some("lsst")).skip(1).collect();
    assert_eq!(files.len(), 2, "a commit has a fixed number of rows");
    for file in files {
        assert_eq!(file.rows, file.stats.rights["public"]);
        assert_eq!(file.stats.with_nulls, ["_object"]);
    }
    for row in loaded.iter().step_by(97) {
        let id: i64 = row["diaSourceId"].parse().unwrap();
        assert_eq!(row["_object"], if id % 7 == 6 { String::new() } else { (id % 7).to_string() });
        assert_eq!(row["diaObjectId"], row["_object"]);
        assert_eq!(row["psfFlux"], if id % 3 > 0 { format!("{:?}", id as f32) } else { String::new() });
        assert_eq!((row["snr"].as_str(), row["_rights"].as_str()), ("", "public"));
    }
    let first = &loaded[..2_621];
    assert!(first.is_sorted_by_key(|row| row["_anchor"].parse::<i64>().unwrap()));
    let anchors: BTreeMap<&str, &str> = first.iter().map(|r| (r["_object"].as_str(), r["_anchor"].as_str())).collect();
    let together =
        |object: &&str| first.iter().filter(|r| r["_object"] == **object).all(|r| r["_anchor"] == anchors[*object]);
    assert!(anchors.keys().filter(|o| !o.is_empty()).all(together), "an object's rows have one anchor");
    // Once is enough.
    let again = take(&archive, &file, &options).await.unwrap();
    assert_eq!((again.rows, again.already), (0, 3_000));
    assert_verified(&archive).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_load_that_was_stopped_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("past.parquet");
    sources(&file, 3_000);
    let options = options(Table::Sources, &[("diaSourceId", "id"), ("diaObjectId", "star")]);
    let (whole, stopped) = (empty().await, empty().await);
    take(&whole, &file, &options).await.unwrap();
    take(&stopped, &file, &options).await.unwrap();
    stopped.roll_back(1).await.unwrap();
    let rest = take(&stopped, &file, &options).await.unwrap();
    assert_eq!((rest.already, rest.rows), (2_621, 3_000 - 2_621));
    let all = async |archive: &Archive| rows(archive, &archive.snapshot().await.unwrap(), Table::Sources).await;
    assert_eq!(all(&whole).await, all(&stopped).await);
    assert_verified(&stopped).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn loaded_rows_are_merged() {
    let folder = tempfile::tempdir().unwrap();
    let archive = empty().await;
    take_packets(&archive, "packets", vec![whole(1), whole(2)]).await;
    let options = options(Table::Sources, &[("diaSourceId", "id"), ("diaObjectId", "star")]);
    for (name, rows) in [("a.parquet", 3_000), ("b.parquet", 50)] {
        let file = folder.path().join(name);
        sources(&file, rows);
        take(&archive, &file, &options).await.unwrap();
    }
    let all = async || {
        let mut rows = shown(&archive, &archive.snapshot().await.unwrap(), Table::Sources).await;
        rows.iter_mut().for_each(|row| drop(row.remove("_anchor")));
        rows.sort();
        rows
    };
    let before = all().await;
    assert_eq!(before.iter().filter(|row| row["_origin"] == "loaded").count(), 3_050);
    merge(&archive, &Policy { group_bytes: 20_000, ..now() }).await;
    assert_eq!(all().await, before, "rows of two files that are alike are two rows");
    let snapshot = archive.snapshot().await.unwrap();
    let loaded: Vec<_> = snapshot.files(Table::Sources, Some("lsst")).filter(|f| f.rows > 20).collect();
    assert!(loaded.len() > 1, "divided by the sky");
    let skies: Vec<_> = loaded.iter().map(|f| f.stats.healpix_29.unwrap()).collect();
    assert!(skies.is_sorted() && skies.windows(2).all(|pair| pair[0].1 < pair[1].0), "{skies:?}");
    assert_eq!(merge(&archive, &now()).await.merges, 0);
    assert_verified(&archive).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn objects_and_labels_are_loaded_too() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("objects.parquet");
    write(
        &file,
        vec![
            ("diaObjectId", Arc::new(Int64Array::from(vec![1, 2]))),
            ("ra", Arc::new(Float64Array::from(vec![10.0, f64::NAN]))),
            ("dec", Arc::new(Float64Array::from(vec![-10.0, 5.0]))),
        ],
    );
    let archive = empty().await;
    take(&archive, &file, &options(Table::Objects, &[])).await.unwrap();
    let snapshot = archive.snapshot().await.unwrap();
    let objects = rows(&archive, &snapshot, Table::Objects).await;
    assert_eq!(objects.len(), 2);
    assert!(objects.iter().all(|row| row["_origin"] == "loaded"));
    assert_eq!(objects.iter().filter(|row| row["_anchor"].is_empty()).count(), 1, "nowhere is nowhere");

    let lantern = folder.path().join("lantern.parquet");
    write(
        &lantern,
        vec![
            ("star", Arc::new(StringArray::from(vec!["a"]))),
            ("x", Arc::new(Float64Array::from(vec![1.0]))),
            ("y", Arc::new(Float64Array::from(vec![2.0]))),
            ("light", Arc::new(Float64Array::from(vec![0.5]))),
        ],
    );
    archive.add_survey(LANTERN_MAPPING).await.unwrap();
    let mut wanted = options(Table::Sources, &[("_object", "star"), ("_ra", "x"), ("_dec", "y")]);
    wanted.survey = "lantern".into();
    wanted.schema = Some(crate::make::lantern());
    take(&archive, &lantern, &wanted).await.unwrap();
    wanted.rights = Some("everyone".into());
    let refused = take(&archive, &lantern, &wanted).await.unwrap_err();
    assert!(refused.to_string().contains("public, friends, sealed"), "{refused}");
    let snapshot = archive.snapshot().await.unwrap();
    let row = &rows(&archive, &snapshot, Table::Sources).await[0];
    assert_eq!((row["_object"].as_str(), row["_rights"].as_str(), row["light"].as_str()), ("a", "sealed", "0.5"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_loaded_is_told_before_anything_is() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("past.parquet");
    sources(&file, 10);
    let text = folder.path().join("text.parquet");
    std::fs::write(&text, b"id,ra\n1,2\n").unwrap();
    let archive = empty().await;
    let ids = ("diaSourceId", "id");
    let star = ("diaObjectId", "star");
    type Case<'c> = (&'c Path, Table, Vec<(&'c str, &'c str)>, &'c [&'c str]);
    let cases: [Case<'_>; 7] = [
        (&file, Table::Sources, vec![ids], &["the object's id", "--column _object=COLUMN"]),
        (
            &file,
            Table::Sources,
            vec![star, ("diasourceid", "id")],
            &["no column diasourceid", "did you mean diaSourceId?"],
        ),
        (&file, Table::Sources, vec![star, ("psfFlux", "fluks")], &["no column \"fluks\"", "psfFlux"]),
        (&file, Table::Sources, vec![star, ("psfFlux", "colour")], &["column colour", "red"]),
        (&file, Table::Alerts, vec![star], &["cannot be loaded into alerts"]),
        (&text, Table::Sources, vec![star], &["text.parquet", "not a Parquet file"]),
        (&folder.path().join("none.parquet"), Table::Sources, vec![star], &["none.parquet"]),
    ];
    for (path, table, columns, told) in cases {
        let refused = take(&archive, path, &options(table, &columns)).await.unwrap_err();
        let text = refused.to_string();
        assert!(told.iter().all(|t| text.contains(t)), "{columns:?}: {text}");
        assert!(matches!(refused.kind(), ErrorKind::Invalid | ErrorKind::NotFound), "{refused:?}");
    }
    let mut nobody = options(Table::Sources, &[ids, star]);
    nobody.survey = "lst".into();
    let refused = take(&archive, &file, &nobody).await.unwrap_err();
    assert!(refused.to_string().contains("lsst, ztf"), "{refused}");
    assert_eq!(archive.snapshot().await.unwrap().version(), 0);
}
