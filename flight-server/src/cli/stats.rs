//! `noctuary stats`: what takes how much room.

use std::process::ExitCode;
use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, StringArray, UInt64Array};
use arrow::datatypes::{DataType, Field, Schema};
use arrow::record_batch::RecordBatch;
use clap::Args;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use noctuary_storage::space::{Space, space};

use super::ledger::ShowArgs;
use super::survey;
use crate::bytesize::human;
use crate::config::Config;
use crate::error::Result;
use crate::open;
use crate::output::sink::print;
use crate::output::{Format, Shown, Sink, write_rows};

/// Show what takes how much room.
///
/// Bytes by table, level and kind of piece, for each stored packet and as a share of what was transmitted. Levels say
/// how far files have been merged; `commit` are those of one commit each. `planes` are the numbers of images, `rests`
/// what is left of packets once their records and images are taken out, `references` what fills the holes again, and
/// `footers` what Parquet needs to find the columns.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  noctuary stats
  noctuary stats --survey lsst --format csv")]
pub struct StatsArgs {
    /// Only the files of this survey.
    #[arg(long, value_name = "SURVEY")]
    pub survey: Option<String>,
    #[command(flatten)]
    pub show: ShowArgs,
}

/// Runs the command.
pub async fn run(config: &Config, args: &StatsArgs) -> Result<ExitCode> {
    let format = Format::chosen(args.show.format, args.show.output.as_deref())?;
    let archive = open::archive(config).await?;
    let snapshot = open::version(&archive, args.show.version.as_of.as_ref()).await?;
    if let Some(name) = &args.survey {
        survey::known(&snapshot, name)?;
    }
    let found = space(&archive, &snapshot, args.survey.as_deref()).await?;
    let batch = batch(&found)?;
    let mut sink = Sink::open(args.show.output.as_deref())?;
    let shown = Shown { rows: args.show.max_rows, whole: true, more: "--max-rows 0 shows all" };
    let rows = RecordBatchStreamAdapter::new(batch.schema(), futures::stream::iter([Ok(batch)]));
    write_rows(Box::pin(rows), format, shown, &mut sink).await?;
    sink.finish()?;
    if format == Format::Table && args.show.output.is_none() {
        print(&summary(&found))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn batch(space: &Space) -> Result<RecordBatch> {
    let text = |name: &str| Field::new(name, DataType::Utf8, false);
    let count = |name: &str| Field::new(name, DataType::UInt64, false);
    let ratio = |name: &str| Field::new(name, DataType::Float64, true);
    let schema = Schema::new(vec![
        text("table"),
        text("level"),
        text("kind"),
        count("files"),
        count("rows"),
        count("bytes"),
        ratio("bytes_per_packet"),
        ratio("percent_of_transmitted"),
    ]);
    let of = |whole: u64, digits: i32| {
        let unit = 10f64.powi(digits);
        move |bytes: u64| (whole > 0).then(|| (bytes as f64 / whole as f64 * unit).round() / unit)
    };
    let per_packet = of(space.packets, 1);
    let percent = |bytes: u64| of(space.transmitted, 4)(bytes).map(|share| (share * 1e4).round() / 1e2);
    let shares = || space.shares.values();
    let columns: Vec<ArrayRef> = vec![
        Arc::new(space.shares.keys().map(|of| Some(of.table.as_str())).collect::<StringArray>()),
        Arc::new(space.shares.keys().map(|of| Some(of.level)).collect::<StringArray>()),
        Arc::new(space.shares.keys().map(|of| Some(of.kind)).collect::<StringArray>()),
        Arc::new(shares().map(|share| share.files).collect::<UInt64Array>()),
        Arc::new(shares().map(|share| share.rows).collect::<UInt64Array>()),
        Arc::new(shares().map(|share| share.bytes).collect::<UInt64Array>()),
        Arc::new(shares().map(|share| per_packet(share.bytes)).collect::<Float64Array>()),
        Arc::new(shares().map(|share| percent(share.bytes)).collect::<Float64Array>()),
    ];
    Ok(RecordBatch::try_new(Arc::new(schema), columns)?)
}

fn summary(space: &Space) -> String {
    if space.transmitted == 0 {
        return format!("no packets; {} in all\n", human(space.bytes()));
    }
    format!(
        "{} packets, {} as transmitted, kept in {}: {:.1} %\n",
        space.packets,
        human(space.transmitted),
        human(space.bytes()),
        space.bytes() as f64 / space.transmitted as f64 * 100.0
    )
}
