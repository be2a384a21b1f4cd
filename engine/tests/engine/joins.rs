//! Joins and subqueries that DataFusion has answered wrongly.

use crate::lamp::{archive, lamp};
use crate::support::{ask, one, session, sorted, take};

async fn lit() -> noctuary_engine::Session {
    let archive = archive().await;
    for part in 0..4_i64 {
        let lamps = (0..25).map(|n| lamp(2, part * 25 + n + 1, &[])).collect();
        take(&archive, &format!("part {part}"), lamps, 1 << 20).await;
    }
    session(&archive).await
}

#[tokio::test(flavor = "multi_thread")]
async fn joins_lose_no_rows() {
    let session = lit().await;
    // Lamp n stands at post n / 10: the pairs of neighbours can be counted.
    let mut posts = std::collections::BTreeMap::<i64, usize>::new();
    for id in 1..=100 {
        *posts.entry(id / 10).or_default() += 1;
    }
    let pairs: usize = posts.values().map(|n| n * n).sum();
    for sql in [
        "SELECT count(*) FROM alerts a JOIN alerts b ON a.glow.post = b.glow.post",
        "SELECT count(*) FROM alerts a JOIN alerts b ON a._object = b._object",
        "SELECT count(*) FROM alerts a, alerts b WHERE a.glow.post = b.glow.post",
        "SELECT count(*) FROM alerts a JOIN (SELECT _object, lampId FROM alerts) b ON a._object = b._object",
        "SELECT count(*) FROM (SELECT _object FROM alerts) a JOIN (SELECT _object FROM alerts) b USING (_object)",
        "WITH p AS (SELECT glow.post AS post FROM alerts) SELECT count(*) FROM p a JOIN p b ON a.post = b.post",
    ] {
        assert_eq!(one(&session, sql).await, pairs.to_string(), "{sql}");
    }
    let narrow = "SELECT a.lampId, b.lampId FROM alerts a JOIN alerts b ON a._object = b._object \
                  WHERE a.lampId = 55 AND b.glow.ra > 57";
    assert_eq!(sorted(&session, narrow).await, [["55", "58"], ["55", "59"]]);
    let left = "SELECT a.glow.flags, count(1) FROM alerts a LEFT JOIN alerts c ON a.lampId = c.lampId \
                WHERE c.glow.visit IS NOT NULL GROUP BY 1";
    assert_eq!(ask(&session, left).await, [["5", "100"]]);
    let within = "SELECT r.lampId FROM alerts r JOIN (SELECT glow.post AS post FROM alerts) f ON f.post = r.glow.post \
                  WHERE r.glow.visit IN (SELECT glow.visit FROM alerts WHERE lampId = 100)";
    assert_eq!(ask(&session, within).await, [["100"]]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_computed_column_is_not_taken_for_its_input() {
    let session = lit().await;
    for sql in [
        "SELECT lampId, glow.post FROM (SELECT -lampId AS lampId, glow FROM alerts WHERE lampId = 55)",
        "SELECT lampId, glow.post FROM (SELECT -lampId AS lampId, glow FROM alerts WHERE lampId = 55 LIMIT 10)",
        "SELECT lampId, glow.post FROM (SELECT -lampId AS lampId, glow FROM alerts) WHERE lampId = -55",
        "SELECT lampId, max(glow.post) FROM (SELECT -lampId AS lampId, glow FROM alerts WHERE lampId = 55) GROUP BY lampId",
    ] {
        assert_eq!(ask(&session, sql).await, [["-55", "5"]], "{sql}");
    }
}
