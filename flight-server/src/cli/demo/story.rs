//! What the demo shows, one question after the other.

use arrow::array::{Array, AsArray};
use arrow::datatypes::{Float64Type, Int64Type};
use arrow::record_batch::RecordBatch;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use futures::TryStreamExt;
use noctuary_engine::Session;
use noctuary_packet::hash::PacketHash;
use noctuary_packet::id::Id;
use noctuary_simulator::Simulation;
use noctuary_storage::packets::find;
use noctuary_storage::{Access, Archive};

use crate::error::{Failure, Result};
use crate::output::plot::{Point, scatter};
use crate::output::sink::print;
use crate::output::{Format, Shown, Sink, write_rows};

/// Which of the simulated packets is fetched back.
const FETCHED: usize = 321;

/// Asks and shows everything.
pub async fn tell(session: &Session, archive: &Archive, simulation: &Simulation) -> Result<()> {
    title("Alerts per night, from the ledger")?;
    show(session, named("alerts_per_night")?).await?;
    let object = most_seen(session).await?;
    light_curve(session, object).await?;
    neighbours(session, object).await?;
    filter(session).await?;
    fetch(archive, session, simulation).await
}

fn title(text: &str) -> Result<()> {
    print(&format!("\n── {text} ──\n"))
}

/// A question of the catalogue, without its story.
fn named(name: &str) -> Result<&'static str> {
    let entry = noctuary_queries::named(name);
    Ok(entry.ok_or_else(|| Failure::internal(format!("the catalogue has no {name}")))?.statement())
}

async fn ask(session: &Session, sql: &str) -> Result<RecordBatch> {
    let rows = session.sql(sql).await?;
    let schema = rows.schema();
    let batches: Vec<RecordBatch> = rows.try_collect().await?;
    Ok(arrow::compute::concat_batches(&schema, &batches)?)
}

/// Shows a question and its answer.
async fn show(session: &Session, sql: &str) -> Result<()> {
    print(&indented(sql))?;
    display(ask(session, sql).await?).await
}

fn indented(sql: &str) -> String {
    sql.lines().map(|line| format!("  │ {line}\n")).collect()
}

async fn display(rows: RecordBatch) -> Result<()> {
    let mut sink = Sink::stdout();
    let stream = RecordBatchStreamAdapter::new(rows.schema(), futures::stream::iter([Ok(rows)]));
    write_rows(Box::pin(stream), Format::Table, Shown::ALL_ROWS, &mut sink).await?;
    sink.finish()
}

/// The object that alerted most often.
async fn most_seen(session: &Session) -> Result<i64> {
    let sql = "SELECT _object FROM lsst.alerts WHERE _object IS NOT NULL \
               GROUP BY _object ORDER BY count(*) DESC, _object LIMIT 1";
    let rows = ask(session, sql).await?;
    let objects = rows.columns().first().and_then(|c| c.as_primitive_opt::<Int64Type>());
    objects
        .filter(|o| !o.is_empty())
        .map(|o| o.value(0))
        .ok_or_else(|| Failure::internal("the simulated alerts hold no object"))
}

async fn light_curve(session: &Session, object: i64) -> Result<()> {
    title(&format!("The light curve of object {object}: what its alerts measured"))?;
    let triggers = format!(
        "SELECT diaSource.midpointMjdTai AS mjd, diaSource.band, diaSource.psfFlux AS flux, diaSource.psfFluxErr AS error\n\
         FROM lsst.alerts WHERE diaSource.diaObjectId = {object} ORDER BY mjd LIMIT 8"
    );
    show(session, &triggers).await?;
    let survey = session.snapshot().survey("lsst").ok_or_else(|| Failure::internal("no survey lsst"))?;
    let sql = noctuary_queries::lightcurve::sql(survey, session.snapshot(), &Id::Number(object))
        .map_err(|e| Failure::internal(e.to_string()))?;
    let rows = ask(session, &sql).await?;
    let points = points(&rows);
    print(&format!("\nWith the history that its packets carry, {} measurements:\n", points.len()))?;
    print(&scatter(&points, 72, 14, "MJD (TAI)", "difference flux / nJy, a letter for each band"))
}

fn points(rows: &RecordBatch) -> Vec<Point> {
    let number = |name: &str| rows.column_by_name(name).and_then(|c| c.as_primitive_opt::<Float64Type>());
    let bands = rows.column_by_name("band").and_then(|c| c.as_string_opt::<i32>());
    let (Some(times), Some(values), Some(errors)) = (number("time"), number("value"), number("error")) else {
        return Vec::new();
    };
    (0..rows.num_rows())
        .filter(|row| times.is_valid(*row) && values.is_valid(*row))
        .map(|row| Point {
            x: times.value(row),
            y: values.value(row),
            error: if errors.is_valid(row) { errors.value(row) } else { 0.0 },
            mark: bands.filter(|b| b.is_valid(row)).and_then(|b| b.value(row).chars().next()).unwrap_or('*'),
        })
        .collect()
}

async fn neighbours(session: &Session, object: i64) -> Result<()> {
    title("A cone search: alerts within 6 minutes of arc of it")?;
    let place =
        ask(session, &format!("SELECT _ra, _dec FROM lsst.alerts WHERE _object = {object} ORDER BY _alert LIMIT 1"))
            .await?;
    let angle = |column: usize| {
        place.columns().get(column).and_then(|c| c.as_primitive_opt::<Float64Type>()).map(|c| c.value(0))
    };
    let (Some(ra), Some(dec)) = (angle(0), angle(1)) else {
        return Err(Failure::internal("the object has no position"));
    };
    let sql = format!(
        "SELECT _object, count(*) AS alerts, round(min(angular_distance(_ra, _dec, {ra:.6}, {dec:.6})) * 3600, 2) AS arcseconds\n\
         FROM lsst.alerts WHERE cone(_ra, _dec, {ra:.6}, {dec:.6}, arcmin(6))\n\
         GROUP BY _object ORDER BY arcseconds"
    );
    show(session, &sql).await
}

async fn filter(session: &Session) -> Result<()> {
    let nights = ask(session, "SELECT CAST(max(_night) AS VARCHAR) AS night FROM lsst.alerts").await?;
    let night = nights.columns().first().and_then(|c| c.as_string_opt::<i32>()).map(|c| c.value(0).to_owned());
    let night = night.ok_or_else(|| Failure::internal("the alerts have no night"))?;
    title(&format!("A filter on one night: likely transients (L03) of {night}"))?;
    let tonight = format!("_night = DATE '{night}'");
    let sql = format!(
        "SELECT * FROM ({}) WHERE _alert IN (SELECT _alert FROM lsst.alerts WHERE {tonight}) ORDER BY snr DESC",
        named("l03_likely_transients")?
    );
    let passed = ask(session, &sql).await?;
    let all = ask(session, &format!("SELECT count(*) FROM lsst.alerts WHERE {tonight}")).await?;
    let all = all.column(0).as_primitive_opt::<Int64Type>().map_or(0, |c| c.value(0));
    print(&format!("{} of {all} alerts pass; the brightest are\n", passed.num_rows()))?;
    display(passed.slice(0, passed.num_rows().min(5))).await
}

/// Fetches a packet and compares it with what the simulator sent.
async fn fetch(archive: &Archive, session: &Session, simulation: &Simulation) -> Result<()> {
    let simulation = simulation.clone();
    let sent = tokio::task::spawn_blocking(move || simulation.packets().nth(FETCHED)).await?;
    let sent = sent.ok_or_else(|| Failure::internal("the simulation is shorter than the demo"))?;
    title(&format!("The packet of alert {}, fetched back", sent.alert_id))?;
    let id = sent.alert_id.to_string();
    let found = find(archive, session.snapshot(), &id, Some("lsst"), &Access::Everything).await?;
    let found = found.first().ok_or_else(|| Failure::internal(format!("the packet of alert {id} is not there")))?;
    let bytes = found.bytes()?;
    if bytes != sent.bytes {
        return Err(Failure::internal(format!("the packet of alert {id} is not the one that was sent")));
    }
    let digest = |bytes: &[u8]| PacketHash::of(&[bytes]).to_hex();
    print(&format!(
        "sent     {} bytes, SHA-256 {}\nfetched  {} bytes, SHA-256 {}\nThey are the same, byte for byte.\n",
        sent.bytes.len(),
        digest(&sent.bytes),
        bytes.len(),
        digest(&bytes)
    ))
}
