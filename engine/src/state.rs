//! What DataFusion has to know: for all questions of an engine, and of a set of tables.
//!
//! Functions, rules and planners are put together once. What one session has of its own are tables, and they are put
//! beside the rest by copying it, which takes microseconds where making it takes milliseconds.

use std::sync::Arc;

use datafusion::catalog::{CatalogProvider, CatalogProviderList, MemoryCatalogProviderList};
use datafusion::execution::SessionState;
use datafusion::execution::runtime_env::RuntimeEnv;
use datafusion::execution::session_state::SessionStateBuilder;
use datafusion::prelude::{SessionConfig, SessionContext};

use crate::catalog::{ARCHIVE, CATALOG};
use crate::engine::EngineOptions;
use crate::patience;

/// Of an engine: everything but tables.
pub(crate) fn common(options: &EngineOptions, runtime: Arc<RuntimeEnv>) -> SessionState {
    let state = SessionStateBuilder::new()
        .with_config(config(options))
        .with_runtime_env(runtime)
        .with_default_features()
        .with_physical_optimizer_rules(patience::rules());
    let context = SessionContext::new_with_state(state.build());
    for extend in &options.extend {
        extend(&context);
    }
    context.state()
}

/// The same with other tables. A list of catalogs is shared by all copies of a state, so it gets one of its own.
pub(crate) fn with_tables(state: &SessionState, catalog: Arc<dyn CatalogProvider>) -> SessionState {
    let catalogs = MemoryCatalogProviderList::new();
    catalogs.register_catalog(CATALOG.to_owned(), catalog);
    let mut state = state.clone();
    state.register_catalog_list(Arc::new(catalogs));
    state
}

fn config(options: &EngineOptions) -> SessionConfig {
    let mut config = SessionConfig::new()
        .with_target_partitions(options.threads.max(1))
        // The catalog has one that tells more.
        .with_information_schema(false)
        .with_create_default_catalog_and_schema(false)
        .with_default_catalog_and_schema(CATALOG, ARCHIVE);
    let options = config.options_mut();
    // Words are put in the archive's own spelling before they are read.
    options.sql_parser.enable_ident_normalization = false;
    // Flight clients and Python read plain strings everywhere.
    options.sql_parser.map_string_types_to_utf8view = false;
    // Loses rows on joins whose sides share column names (DataFusion 55.2).
    options.optimizer.enable_join_dynamic_filter_pushdown = false;
    // What a row filter is asked for and what a file's own columns are can differ; leaves are read without it too.
    options.execution.parquet.pushdown_filters = false;
    config
}
