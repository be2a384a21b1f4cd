//! Steps of the look-ups: flat rows are loaded, and questions asked in the process that is timed.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow::array::{AsArray, RecordBatch};
use arrow::compute::{cast, sum};
use arrow::datatypes::{DataType, Float64Type, Int64Type};
use arrow_flight::sql::client::FlightSqlServiceClient;
use clap::ValueEnum;
use datafusion::catalog::TableProvider;
use futures::TryStreamExt;
use noctuary_engine::{Engine, EngineOptions, SessionOptions};
use noctuary_storage::load::{COMMIT_ROWS, LoadOptions, load};
use noctuary_storage::{Archive, Location, Meter, Table};
use object_store::ObjectStore;
use tonic::transport::Endpoint;

use crate::Failure;
use crate::far::Far;
use crate::positions;
use crate::process::{Sample, Watch};
use crate::questions::Answer;

/// How to ask.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum How {
    /// Once, without a clock.
    Answers,
    /// All of them once, and then again with a clock.
    Warm,
    /// The first, with the archive open and nothing else in memory.
    Cold,
    /// The first, the archive and the engine opened while the clock runs.
    Opening,
}

impl How {
    /// As a command has it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Answers => "answers",
            Self::Warm => "warm",
            Self::Cold => "cold",
            Self::Opening => "opening",
        }
    }
}

/// Loads files as past sources, by the usual commits or each in one.
pub async fn take_in(archive: &Path, files: &[PathBuf], whole: bool) -> Result<Sample, Failure> {
    let options = LoadOptions {
        survey: "lsst".into(),
        table: Table::Sources,
        columns: [].into(),
        rights: None,
        schema: None,
        commit_rows: if whole { u64::MAX } else { COMMIT_ROWS },
    };
    let watch = Watch::start();
    let archive = Archive::open_or_create(Location::folder(archive)?).await?;
    let report = load(&archive, files, &options, &Arc::new(Meter::default())).await?;
    if report.already > 0 || !report.unused.is_empty() {
        return Err(Failure(format!("not everything was loaded: {report:?}")));
    }
    Ok(Sample { packets: report.rows, ..watch.stop() })
}

/// Bytes of the files of past sources that the newest version shows.
pub async fn size_of_sources(archive: &Path) -> Result<u64, Failure> {
    let archive = Archive::open(Location::folder(archive)?).await?;
    Ok(archive.snapshot().await?.files(Table::Sources, None).map(|file| file.bytes).sum())
}

/// Asks the questions of a file, a JSON list of them.
pub async fn ask(archive: &Path, questions: &Path, how: How) -> Result<Sample, Failure> {
    let questions = read(questions)?;
    let (mut latencies, mut answers) = (Vec::new(), Vec::new());
    let mut watch = Watch::start();
    let mine = mine(archive).await?;
    let opening = Instant::now();
    let engine = opened(Location::folder(archive)?).await?;
    let once = matches!(how, How::Cold | How::Opening);
    let first = if once { 1 } else { questions.len() };
    for sql in questions.iter().take(first) {
        let began = if matches!(how, How::Opening) { opening } else { Instant::now() };
        let rows = asked(&engine, &mine, sql).await?;
        if once {
            latencies.push(began.elapsed().as_secs_f64() * 1e3);
        }
        answers.push(answer(&rows)?);
    }
    if matches!(how, How::Warm) {
        watch = Watch::start();
        for sql in &questions {
            let began = Instant::now();
            asked(&engine, &mine, sql).await?;
            latencies.push(began.elapsed().as_secs_f64() * 1e3);
        }
    }
    Ok(Sample { latencies, answers, ..watch.stop() })
}

/// Asks the questions of a file where each request to the store takes so much longer, and counts the requests. The
/// archive is open before; with [`How::Cold`] it is opened anew before each question, otherwise all were asked before.
pub async fn ask_far(archive: &Path, questions: &Path, how: How, wait: Duration) -> Result<Sample, Failure> {
    let questions = read(questions)?;
    let location = Location::folder(archive)?;
    let far = Arc::new(Far::new(Arc::clone(location.store()), wait));
    let location = Location::with_store(location.url().as_str(), Arc::clone(&far) as Arc<dyn ObjectStore>)?;
    let mut engine = opened(location.clone()).await?;
    if !matches!(how, How::Cold) {
        for sql in &questions {
            asked(&engine, &[], sql).await?;
        }
    }
    let (mut latencies, mut answers, mut counted) = (Vec::new(), Vec::new(), Vec::new());
    let watch = Watch::start();
    for sql in &questions {
        if matches!(how, How::Cold) {
            engine = opened(location.clone()).await?;
        }
        far.take();
        let began = Instant::now();
        let rows = asked(&engine, &[], sql).await?;
        latencies.push(began.elapsed().as_secs_f64() * 1e3);
        counted.push(far.take());
        answers.push(answer(&rows)?);
    }
    Ok(Sample { latencies, answers, counted, ..watch.stop() })
}

/// Asks the questions of a file of a server, all of them once before the clock runs.
pub async fn ask_served(address: &str, questions: &Path) -> Result<Sample, Failure> {
    let questions = read(questions)?;
    let channel = Endpoint::new(format!("http://{address}"))?.connect().await?;
    let mut client = FlightSqlServiceClient::new(channel);
    let mut sample = Sample::default();
    for clock in [false, true] {
        let watch = Watch::start();
        let (mut latencies, mut answers) = (Vec::new(), Vec::new());
        for sql in &questions {
            let began = Instant::now();
            let info = client.execute(sql.clone(), None).await?;
            let mut rows: Vec<RecordBatch> = Vec::new();
            for ticket in info.endpoint.into_iter().filter_map(|endpoint| endpoint.ticket) {
                rows.extend(client.do_get(ticket).await?.try_collect::<Vec<_>>().await?);
            }
            latencies.push(began.elapsed().as_secs_f64() * 1e3);
            answers.push(answer(&rows)?);
        }
        if clock {
            sample = Sample { latencies, answers, ..watch.stop() };
        }
    }
    Ok(sample)
}

fn read(questions: &Path) -> Result<Vec<String>, Failure> {
    let text = std::fs::read_to_string(questions).map_err(|e| Failure::at(questions, e))?;
    Ok(serde_json::from_str(&text)?)
}

/// A table of one's own.
type Own = (String, Arc<dyn TableProvider>);

/// The list beside an archive.
async fn mine(archive: &Path) -> Result<Vec<Own>, Failure> {
    let file = positions::beside(archive);
    Ok(if file.exists() { vec![("mine".to_owned(), noctuary_queries::open(&file).await?)] } else { Vec::new() })
}

async fn opened(location: Location) -> Result<Engine, Failure> {
    let archive = Archive::open(location).await?;
    Ok(Engine::new(archive, noctuary_queries::with_functions(EngineOptions::default()))?)
}

/// As a client does it: a session, a plan, and all rows of the answer.
async fn asked(engine: &Engine, mine: &[Own], sql: &str) -> Result<Vec<RecordBatch>, Failure> {
    // A session that has tables of its own is made anew for them, which others do not pay for.
    let mine = if sql.contains("'mine'") { mine } else { &[] };
    let session = engine.session(SessionOptions::default()).await?.with_tables(mine)?;
    let plan = session.plan(sql).await?;
    Ok(plan.execute().await?.try_collect().await?)
}

fn answer(batches: &[RecordBatch]) -> Result<Answer, Failure> {
    let mut answer = Answer::default();
    for batch in batches {
        answer.rows += batch.num_rows() as u64;
        for column in batch.columns() {
            if column.data_type().is_integer() {
                let numbers = cast(column, &DataType::Int64)?;
                answer.whole = answer.whole.wrapping_add(sum(numbers.as_primitive::<Int64Type>()).unwrap_or_default());
            } else if column.data_type().is_floating() {
                let numbers = cast(column, &DataType::Float64)?;
                answer.other += sum(numbers.as_primitive::<Float64Type>()).unwrap_or_default();
            }
        }
    }
    Ok(answer)
}

#[cfg(test)]
mod tests {
    use arrow::array::{ArrayRef, Float32Array, Int64Array, StringArray};

    use super::*;

    #[test]
    fn numbers_of_an_answer_are_added_up() {
        let columns: [(&str, ArrayRef); 3] = [
            ("a", Arc::new(Int64Array::from(vec![Some(1), None, Some(5)]))),
            ("b", Arc::new(Float32Array::from(vec![0.5, 1.0, 2.0]))),
            ("c", Arc::new(StringArray::from(vec!["x", "y", "z"]))),
        ];
        let batch = RecordBatch::try_from_iter(columns).unwrap();
        assert_eq!(answer(&[batch.clone(), batch]).unwrap(), Answer { rows: 6, whole: 12, other: 7.0 });
    }
}
