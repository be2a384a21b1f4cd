//! Filters that brokers run: SQL against a plain evaluation, alert by alert.

use serde_json::Value;

use crate::plain::{Sql, alerts, and, at, double, flag, float, not, or};
use crate::sent::data;
use crate::support::{ask, session};

const F16: [&str; 16] = [
    "isDipole",
    "pixelFlags",
    "pixelFlags_bad",
    "pixelFlags_saturated",
    "pixelFlags_streakCenter",
    "pixelFlags_interpolated",
    "pixelFlags_cr",
    "pixelFlags_nodata",
    "pixelFlags_streak",
    "pixelFlags_edge",
    "psfFlux_flag",
    "apFlux_flag",
    "forced_PsfFlux_flag",
    "forced_PsfFlux_flag_edge",
    "shape_flag",
    "centroid_flag",
];
const G8: [&str; 8] = [
    "psfFlux_flag",
    "centroid_flag",
    "shape_flag",
    "isDipole",
    "pixelFlags_saturated",
    "pixelFlags_edge",
    "pixelFlags_cr",
    "pixelFlags_streak",
];

fn age(a: &Value) -> Sql<f64> {
    Some(double(a, "candidate.jd")? - double(a, "candidate.jdstarthist")?)
}

fn over(value: Sql<f32>, limit: f64) -> Sql<bool> {
    value.map(|v| f64::from(v) > limit)
}

fn seen_again(a: &Value) -> Sql<bool> {
    at(a, "candidate.ndethist").as_i64().map(|n| n > 1)
}

fn z01(a: &Value) -> Sql<bool> {
    let real = float(a, "candidate.rb").map(|v| f64::from(v) >= 0.55);
    and(&[real, at(a, "candidate.nbad").as_i64().map(|n| n == 0)])
}

fn z03(a: &Value) -> Sql<bool> {
    let young = age(a).map(|days| days < 0.25);
    and(&[over(float(a, "candidate.drb"), 0.5), over(float(a, "candidate.classtar"), 0.4), young])
}

fn z05(a: &Value) -> Sql<bool> {
    let young = age(a).map(|days| days <= 90.0);
    let real = over(float(a, "candidate.drb"), 0.5);
    and(&[young, real, over(float(a, "candidate.classtar"), 0.4), seen_again(a)])
}

fn z07(a: &Value) -> Sql<bool> {
    let bright = float(a, "candidate.magpsf").map(|m| m <= 18.5);
    and(&[over(float(a, "candidate.drb"), 0.5), seen_again(a), bright])
}

fn trigger_flag(a: &Value, name: &str) -> Sql<bool> {
    flag(a, &format!("diaSource.{name}"))
}

fn l01(a: &Value) -> Sql<bool> {
    let any = or(&F16.map(|name| trigger_flag(a, name)));
    let raised = Some(any == Some(true));
    let flux = float(a, "diaSource.psfFlux");
    let ratio = flux.zip(float(a, "diaSource.psfFluxErr")).map(|(flux, error)| flux / error);
    not(or(&[raised, flux.map(|f| f < 0.0), ratio.map(|r| r < 6.0)]))
}

fn l03(a: &Value) -> Sql<bool> {
    let twice = at(a, "diaObject.nDiaSources").as_i64().map(|n| n >= 2);
    let unmatched = Some(at(a, "ssSource").is_null());
    and(&[unmatched, over(float(a, "diaSource.snr"), 10.0), twice, l01(a), not(trigger_flag(a, "isNegative"))])
}

fn l10(a: &Value) -> Sql<bool> {
    let object = at(a, "diaSource.ssObjectId").as_i64();
    let none = or(&[Some(object.is_none()), object.map(|id| id == 0)]);
    let raised = or(&G8.map(|name| Some(trigger_flag(a, name).unwrap_or(false))));
    and(&[over(float(a, "diaSource.snr"), 10.0), none, not(raised)])
}

type Filter = fn(&Value) -> Sql<bool>;

async fn agree(survey: &str, id: &[&str], filters: &[(&str, Filter)]) {
    let alerts = alerts(&data(survey));
    assert!(alerts.len() > 300, "{} alerts", alerts.len());
    let session = session(&[data(survey)]).await;
    let stored: usize = ask(&session, &format!("SELECT count(*) FROM {survey}.alerts")).await[0][0].parse().unwrap();
    assert_eq!(stored, alerts.len());
    for (name, filter) in filters {
        let entry = noctuary_queries::named(name).unwrap();
        assert_eq!(entry.survey, Some(survey));
        let mut expected: Vec<i64> = alerts
            .iter()
            .filter(|a| filter(a) == Some(true))
            .map(|a| id.iter().find_map(|id| at(a, id).as_i64()).unwrap())
            .collect();
        expected.sort_unstable();
        let mut passed: Vec<i64> = ask(&session, entry.sql).await.iter().map(|row| row[0].parse().unwrap()).collect();
        passed.sort_unstable();
        assert_eq!(passed, expected, "{name}");
        assert!(!passed.is_empty() && passed.len() < alerts.len(), "{name} passes {} of {stored}", passed.len());
    }
}

#[tokio::test(flavor = "multi_thread")]
#[cfg_attr(not(real_packets), ignore = "needs the real packets")]
async fn filters_of_lsst_agree_with_plain_evaluation() {
    let filters: [(&str, Filter); 3] =
        [("l01_good_quality", l01), ("l03_likely_transients", l03), ("l10_quality", l10)];
    agree("lsst", &["diaSourceId", "alertId"], &filters).await;
}

#[tokio::test(flavor = "multi_thread")]
#[cfg_attr(not(real_packets), ignore = "needs the real packets")]
async fn filters_of_ztf_agree_with_plain_evaluation() {
    let filters: [(&str, Filter); 4] =
        [("z01_quality", z01), ("z03_early_kilonova", z03), ("z05_supernova", z05), ("z07_bright", z07)];
    agree("ztf", &["candid"], &filters).await;
}

#[tokio::test(flavor = "multi_thread")]
#[cfg_attr(not(real_packets), ignore = "needs the real packets")]
async fn everything_in_the_catalogue_runs() {
    let session = session(&[data("lsst"), data("ztf/v4.02-boom")]).await;
    // A list of one's own, for the question that matches one.
    let folder = tempfile::tempdir().unwrap();
    let list = folder.path().join("mine.csv");
    std::fs::write(&list, "name,ra,dec\nhere,150.1,2.2\n").unwrap();
    let mine = noctuary_queries::open(&list).await.unwrap();
    let session = session.with_tables(&[("mine".to_owned(), mine)]).unwrap();
    for entry in noctuary_queries::catalogue() {
        ask(&session, entry.sql).await;
    }
    let nights = ask(&session, noctuary_queries::named("alerts_per_night").unwrap().sql).await;
    assert!(nights.iter().any(|n| n[0] == "2026-04-07" && n[1] == "lsst" && n[3] == "5"), "{nights:?}");
}
