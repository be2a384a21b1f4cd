//! Files of one's own that are asked beside the archive.

use std::path::Path;
use std::sync::Arc;

use clap::Args;
use datafusion::catalog::TableProvider;
use noctuary_engine::Session;

use crate::error::{Failure, Result};

/// Files that are tables.
#[derive(Debug, Clone, Default, Args)]
pub struct TableArg {
    /// A Parquet or CSV file to ask as the table NAME, also called temp.NAME; may be given several times. The first line
    /// of a CSV file names its columns, and their types are worked out.
    #[arg(long = "table", value_name = "NAME=FILE")]
    table: Vec<String>,
}

/// The tables of these files.
#[derive(Debug, Clone, Default)]
pub struct OwnTables(Vec<(String, Arc<dyn TableProvider>)>);

impl TableArg {
    /// True if none is given.
    pub fn is_empty(&self) -> bool {
        self.table.is_empty()
    }

    /// Opens them.
    ///
    /// # Errors
    /// When one cannot be read as a table.
    pub async fn open(&self) -> Result<OwnTables> {
        let mut tables = Vec::with_capacity(self.table.len());
        for text in &self.table {
            let (name, file) = text
                .split_once('=')
                .ok_or_else(|| Failure::request(format!("--table {text:?} is not NAME=FILE, such as mine=list.csv")))?;
            tables.push((name.trim().to_owned(), noctuary_queries::open(Path::new(file)).await?));
        }
        Ok(OwnTables(tables))
    }
}

impl OwnTables {
    /// A session that has them.
    ///
    /// # Errors
    /// When a name is taken.
    pub fn with(&self, session: Session) -> Result<Session> {
        Ok(session.with_tables(&self.0)?)
    }
}
