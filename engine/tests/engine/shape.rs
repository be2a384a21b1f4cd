//! Several versions of a schema seen as one table.

use std::sync::Arc;

use noctuary_packet::schema::{RegistryId, Schema};
use noctuary_storage::Access;

use crate::lamp::{archive, lamp};
use crate::make::{Value, datum, framed};
use crate::support::{ask, cost, limited, one, session, sorted, take};

async fn both() -> noctuary_storage::Archive {
    let archive = archive().await;
    let with_body = [("body.size", 3.into()), ("body.colour", "red".into()), ("body.base.weight", 1.5.into())];
    let old = vec![lamp(1, 1, &with_body), lamp(1, 2, &[("glow.brightFlux", Value::Real(f64::NAN))])];
    let new = vec![lamp(2, 11, &with_body), lamp(2, 12, &[("glow.brightFlux", Value::Null), ("onlyNew", 9.into())])];
    take(&archive, "old", old, 1 << 20).await;
    take(&archive, "new", new, 1 << 20).await;
    archive
}

#[tokio::test(flavor = "multi_thread")]
async fn the_columns_of_all_versions_are_one_set() {
    let archive = both().await;
    let session = session(&archive).await;
    let planned = session.plan("SELECT * FROM lamp.alerts").await.unwrap();
    let schema = planned.schema();
    let own: Vec<&str> = schema.fields().iter().map(|f| f.name().as_str()).filter(|n| !n.starts_with('_')).collect();
    assert_eq!(own, ["glow", "trail", "body", "access", "lampId", "onlyNew", "onlyOld"]);
    let glow = schema.field_with_name("glow").unwrap().data_type().to_string();
    let order = ["flags", "newName", "brightFlux", "visit", "post", "dec", "ra", "mjd", "flags_string", "oldName"];
    let places: Vec<usize> = order.iter().map(|name| glow.find(&format!("{name:?}")).unwrap()).collect();
    assert!(places.is_sorted(), "{glow}");
    assert_eq!(schema.fields().last().unwrap().name(), "_commit");
}

#[tokio::test(flavor = "multi_thread")]
async fn renamed_retyped_and_reordered_fields_are_read_from_each_version() {
    let archive = both().await;
    let session = session(&archive).await;
    let rows = ask(
        &session,
        "SELECT lampId, glow.flags, glow.flags_string, glow.oldName, glow.newName, glow.brightFlux, glow.visit, \
         onlyOld, onlyNew FROM lamp.alerts ORDER BY lampId",
    )
    .await;
    assert_eq!(
        rows,
        [
            ["1", "-", "odd", "1", "-", "1.5", "100", "-", "-"],
            ["2", "-", "odd", "2", "-", "-", "200", "-", "-"],
            ["11", "5", "-", "-", "11", "16.5", "1100", "-", "-"],
            ["12", "5", "-", "-", "12", "-", "1200", "-", "9"],
        ]
    );
    assert_eq!(one(&session, "SELECT sum(glow.visit) FROM lamp.alerts").await, "2600");
    assert_eq!(one(&session, "SELECT count(*) FROM lamp.alerts WHERE glow.flags_string = 'odd'").await, "2");
    assert_eq!(one(&session, "SELECT count(*) FROM lamp.alerts WHERE glow.flags = 5").await, "2");
}

#[tokio::test(flavor = "multi_thread")]
async fn whole_records_and_lists_are_converted_and_no_sibling_spoils_them() {
    let archive = both().await;
    let session = session(&archive).await;
    let rows = ask(&session, "SELECT body FROM lamp.alerts ORDER BY lampId").await;
    assert_eq!(rows[0][0], "{base: {weight: 1.5, height: -}, size: 3, colour: red}");
    assert_eq!(rows[1][0], "-");
    assert_eq!(rows[2][0], "{base: {weight: 1.5, height: 0.0}, size: 3, colour: red}");
    let trails = ask(&session, "SELECT trail FROM lamp.alerts WHERE lampId IN (1, 11) ORDER BY lampId").await;
    assert!(trails[0][0].contains("{v: 0.5, code: -, t: 1.0, code_string: a}"), "{}", trails[0][0]);
    assert!(trails[1][0].contains("{v: 0.5, code: 7, t: 1.0, code_string: -}"), "{}", trails[1][0]);
    let steps = ask(
        &session,
        "SELECT lampId, s.t, s.code, s.code_string FROM (SELECT lampId, unnest(trail) AS s FROM lamp.alerts) \
         WHERE s.t > 1.5 ORDER BY lampId",
    )
    .await;
    assert_eq!(steps[0], ["1", "2.0", "-", "b"]);
    assert_eq!(steps[2], ["11", "2.0", "8", "-"]);
    assert_eq!(ask(&session, "SELECT trail[2].t FROM lamp.alerts WHERE lampId = 1").await, [["2.0"]]);
}

#[tokio::test(flavor = "multi_thread")]
async fn fields_of_a_record_that_is_null_are_null() {
    let archive = both().await;
    let session = session(&archive).await;
    let rows = ask(
        &session,
        "SELECT body IS NULL, body.size, body.base.weight, body.base.height FROM lamp.alerts ORDER BY lampId",
    )
    .await;
    assert_eq!(rows[0], ["false", "3", "1.5", "-"]);
    assert_eq!(rows[1], ["true", "-", "-", "-"]);
    assert_eq!(rows[3], ["true", "-", "-", "-"]);
    for condition in ["body.size IS NULL", "body IS NULL", "body.base IS NULL", "body.base.weight IS NULL"] {
        let sql = format!("SELECT lampId FROM lamp.alerts WHERE {condition}");
        assert_eq!(sorted(&session, &sql).await, [["12"], ["2"]], "{condition}");
    }
    assert_eq!(one(&session, "SELECT count(body.size) FROM lamp.alerts").await, "2");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_not_a_number_is_null() {
    let archive = both().await;
    let session = session(&archive).await;
    for condition in ["glow.brightFlux > 0", "glow.brightFlux = glow.brightFlux", "NOT glow.brightFlux < 0"] {
        let sql = format!("SELECT lampId FROM lamp.alerts WHERE {condition}");
        assert_eq!(sorted(&session, &sql).await, [["1"], ["11"]], "{condition}");
    }
    assert_eq!(one(&session, "SELECT count(glow.brightFlux) FROM lamp.alerts").await, "2");
    assert_eq!(one(&session, "SELECT max(glow.brightFlux) FROM lamp.alerts").await, "16.5");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_survey_without_alerts_has_its_table() {
    let archive = archive().await;
    let session = session(&archive).await;
    assert_eq!(one(&session, "SELECT count(glow.brightFlux) FROM lamp.alerts").await, "0");
    assert_eq!(one(&session, "SELECT count(diaSource.psfFlux) FROM lsst.alerts").await, "0");
    assert_eq!(one(&session, "SELECT count(_alert) FROM ztf.alerts").await, "0");
}

#[tokio::test(flavor = "multi_thread")]
async fn describe_tells_of_every_leaf() {
    let archive = both().await;
    let session = session(&archive).await;
    let rows = ask(&session, "describe LAMP.ALERTS").await;
    let of = |column: &str| rows.iter().find(|r| r[0] == column).unwrap_or_else(|| panic!("{column}")).clone();
    assert_eq!(of("glow.brightFlux"), ["glow.brightFlux", "double", "klm", "how bright it is", "2.0, 1.0"]);
    assert_eq!(of("glow.mjd"), ["glow.mjd", "double", "-", "middle of the exposure", "2.0, 1.0"]);
    assert_eq!(of("glow.flags_string"), ["glow.flags_string", "string", "-", "-", "1.0"]);
    assert_eq!(of("trail[].code"), ["trail[].code", "long", "-", "-", "2.0"]);
    assert_eq!(of("body.base.height")[4], "2.0");
    assert_eq!(of("_ra")[2], "deg");
    assert!(rows.iter().all(|r| !r[0].starts_with('_') || r[3] != "-"), "every key column is explained");
    assert_eq!(ask(&session, "SHOW COLUMNS FROM lamp.alerts").await, rows);
    for table in ["versions", "schemas", "surveys", "files", "ledger", "quarantine"] {
        let rows = ask(&session, &format!("DESC {table}")).await;
        assert!(rows.len() > 2 && rows.iter().all(|r| r[3] != "-"), "{table}: {rows:?}");
    }
    let of = async |table: &str, column: &str| {
        let rows = ask(&session, &format!("DESCRIBE archive.{table}")).await;
        rows.into_iter().find(|r| r[0] == column).unwrap()
    };
    assert_ne!(of("versions", "version").await[3], of("schemas", "version").await[3]);
}

const KITE_MAPPING: &str = r#"
name = "kite"
title = "Kites with fields that look like keys"
[[recognise]]
fields = ["_kite"]
[ids]
alert = ["_kite"]
[position]
ra = ["_ra"]
dec = ["at._dec"]
[time]
field = ["at.mjd"]
form = "mjd"
scale = "tai"
[night]
utc_offset_hours = 0.0
[rights]
levels = ["public", "private"]
fields = ["_rights"]
values = { open = "public", closed = "private" }
"#;

const KITE: &str = r#"{"type": "record", "name": "kite", "version": "1.0", "fields": [
 {"name": "_kite", "type": "long"}, {"name": "_ra", "type": "double", "doc": "as the kite says"},
 {"name": "__ra", "type": "string"}, {"name": "_rights", "type": "string"}, {"name": "_commit", "type": "string"},
 {"name": "at", "type": {"type": "record", "name": "at", "fields": [
   {"name": "_dec", "type": "double", "doc": "how high"}, {"name": "mjd", "type": "double"}]}}]}"#;

#[tokio::test(flavor = "multi_thread")]
async fn fields_that_are_called_like_keys_stand_beside_them() {
    let archive = archive().await;
    archive.add_survey(KITE_MAPPING).await.unwrap();
    let schema = Arc::new(Schema::parse(KITE).unwrap());
    archive.add_schemas(&[(Arc::clone(&schema), Some(RegistryId(9)))]).await.unwrap();
    for id in 1..=4_i64 {
        let values = [
            ("_kite", id.into()),
            ("_ra", (id as f64 + 0.5).into()),
            ("__ra", "deep".into()),
            ("_rights", if id == 2 { "closed".into() } else { "open".into() }),
            ("_commit", "mine".into()),
            ("at._dec", (id as f64 * 10.0).into()),
            ("at.mjd", 60_000.0.into()),
        ];
        take(&archive, &format!("kite {id}"), vec![framed(9, &datum(&schema, &values))], 1 << 20).await;
    }
    let session = session(&archive).await;
    let sql =
        "SELECT _alert, __kite, _ra, __ra, ___ra, _rights, __rights, __commit, at._dec FROM kite.alerts ORDER BY 1";
    let rows = ask(&session, sql).await;
    assert_eq!(rows[0], ["1", "1", "1.5", "1.5", "deep", "public", "open", "mine", "10.0"]);
    assert_eq!((rows.len(), rows[1][5].as_str()), (4, "private"));
    let described = ask(&session, "DESCRIBE kite.alerts").await;
    let of = |column: &str| described.iter().find(|r| r[0] == column).unwrap()[3].clone();
    assert_eq!((of("__ra").as_str(), of("at._dec").as_str()), ("as the kite says", "how high"));
    // By whichever name, conditions choose files.
    for condition in ["__kite = 3", "_alert = 3", "__ra > 3.4 AND __ra < 3.6", "_ra BETWEEN 3.4 AND 3.6"] {
        let sql = format!("SELECT ___ra FROM kite.alerts WHERE {condition}");
        assert_eq!(
            (ask(&session, &sql).await, cost(&session, &sql).await.1),
            (vec![vec!["deep".to_owned()]], 1),
            "{sql}"
        );
    }
    let public = limited(&archive, Access::public()).await;
    assert_eq!(
        sorted(&public, "SELECT __rights, __kite FROM kite.alerts").await,
        [["open", "1"], ["open", "3"], ["open", "4"]]
    );
}
