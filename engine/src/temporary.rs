//! Tables that whoever asks brings along: for one session, beside those of the archive.

use std::collections::BTreeMap;
use std::sync::Arc;

use datafusion::catalog::TableProvider;
use datafusion::prelude::SessionContext;

use crate::catalog::{ARCHIVE, CATALOG, OF_SURVEYS, TEMPORARY, Tables};
use crate::describe;
use crate::error::{EngineError, Result};
use crate::names::Names;
use crate::session::Session;
use crate::state;

impl Session {
    /// The same session with tables of the reader's own: each is `temp.NAME`, and `NAME` too. What the reader's rights
    /// are has no bearing on them.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Invalid`] if a name is empty, given twice, or that of something in the archive.
    pub fn with_tables(mut self, own: &[(String, Arc<dyn TableProvider>)]) -> Result<Self> {
        if own.is_empty() {
            return Ok(self);
        }
        let mut tables = Tables::clone(&self.tables);
        for (name, provider) in own {
            tables.bring(name, Arc::clone(provider))?;
        }
        let tables = Arc::new(tables);
        self.names = Arc::new(Names::of(&tables));
        self.context = SessionContext::new_with_state(state::with_tables(&self.context.state(), tables.catalog()?));
        self.tables = tables;
        Ok(self)
    }
}

impl Tables {
    fn bring(&mut self, name: &str, provider: Arc<dyn TableProvider>) -> Result<()> {
        if name.is_empty() || !name.chars().all(|c| c.is_alphanumeric() || c == '_') {
            return Err(EngineError::invalid(format!("{name:?} is no name for a table; take letters, digits and _")));
        }
        let is = |other: &str| other.eq_ignore_ascii_case(name);
        let in_archive = self.described().any(|(schema, table, _)| is(schema) || (schema == ARCHIVE && is(table)));
        if in_archive || is(CATALOG) || OF_SURVEYS.iter().any(|table| is(table)) {
            return Err(EngineError::invalid(format!(
                "{name} is the name of something in the archive; call your own table otherwise"
            )));
        }
        let own: &mut BTreeMap<_, _> = self.schemas.entry(TEMPORARY.into()).or_default();
        if own.keys().any(|known| is(known)) {
            return Err(EngineError::invalid(format!("two tables are called {name}; give one another name")));
        }
        let described = Arc::new(describe::plain(name, provider.schema().fields()));
        own.insert(name.to_owned(), crate::catalog::Entry { provider, described });
        Ok(())
    }
}
