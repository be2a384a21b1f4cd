//! Only what is used is read.

use crate::make::lsst_packet;
use crate::support::{cost, empty, one, session, take};

#[tokio::test(flavor = "multi_thread")]
async fn leaves_cost_what_they_hold() {
    let archive = empty().await;
    take(&archive, "a", (1..=2_000).map(lsst_packet).collect(), 1 << 30).await;
    let session = session(&archive).await;
    let (all, _) = cost(&session, "SELECT * FROM lsst.alerts").await;
    for sql in [
        "SELECT diaSource.psfFlux FROM lsst.alerts",
        "SELECT sum(diaSource.psfFlux) FROM lsst.alerts",
        "SELECT _alert FROM lsst.alerts WHERE diaSource.psfFlux > 5",
        "SELECT diaSource.psfFlux, diaObject.ra FROM lsst.alerts WHERE diaSource.snr > 5 ORDER BY diaObject.ra LIMIT 3",
        "SELECT diaSource.band, avg(diaSource.psfFlux) FROM lsst.alerts GROUP BY diaSource.band",
    ] {
        let (bytes, _) = cost(&session, sql).await;
        assert!(bytes * 10 < all, "{sql} read {bytes} of {all}");
    }
    assert_eq!(cost(&session, "SELECT count(*) FROM lsst.alerts").await.0, 0);
    assert_eq!(one(&session, "SELECT count(*) FROM lsst.alerts").await, "2000");
}
