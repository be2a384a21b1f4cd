//! The calls of Flight SQL.

use std::pin::Pin;
use std::sync::Arc;

use arrow::datatypes::{Schema, SchemaRef};
use arrow::record_batch::RecordBatch;
use arrow_flight::decode::FlightRecordBatchStream;
use arrow_flight::error::FlightError;
use arrow_flight::flight_service_server::FlightService;
use arrow_flight::sql::metadata::SqlInfoData;
use arrow_flight::sql::server::{FlightSqlService, PeekableFlightDataStream};
use arrow_flight::sql::{
    ActionClosePreparedStatementRequest, ActionCreatePreparedStatementRequest, ActionCreatePreparedStatementResult,
    Any, CommandGetCatalogs, CommandGetDbSchemas, CommandGetSqlInfo, CommandGetTableTypes, CommandGetTables,
    CommandPreparedStatementQuery, CommandPreparedStatementUpdate, CommandStatementQuery, CommandStatementUpdate,
    DoPutPreparedStatementResult, ProstMessageExt, SqlInfo, TicketStatementQuery,
};
use arrow_flight::{Action, FlightDescriptor, FlightEndpoint, FlightInfo, HandshakeRequest, HandshakeResponse, Ticket};
use futures::{Stream, TryStreamExt};
use noctuary_engine::{Engine, Session};
use noctuary_queries::replay::{Plan, Request as Replay};
use noctuary_storage::{Access, AsOf};
use prost::Message;
use tokio::runtime::Handle;
use tonic::metadata::MetadataValue;
use tonic::{Request, Response, Status, Streaming};

use super::replay::Stage;
use super::statement::{Statement, parameter_schema};
use super::{metadata, run, wire};
use crate::error::{Failure, Result};
use crate::open;

/// The door: an engine, who may ask it, and where questions are computed.
#[derive(Clone)]
pub struct Door {
    engine: Arc<Engine>,
    access: Access,
    pub(super) queries: Handle,
    info: Arc<SqlInfoData>,
    pub(super) stage: Stage,
}

pub(super) type DoGet = Result<Response<<Door as FlightService>::DoGetStream>, Status>;
pub(super) type Info = Result<Response<FlightInfo>, Status>;

impl Door {
    /// A door to an engine for everyone who may see what `access` allows.
    ///
    /// # Errors
    /// Never in practice; what the server says of itself is put in columns here.
    pub fn new(engine: Engine, access: Access, queries: Handle) -> Result<Self> {
        let engine = Arc::new(engine);
        let stage = Stage::new(Arc::clone(&engine), access.clone());
        Ok(Self { engine, access, queries, info: Arc::new(metadata::sql_info()?), stage })
    }

    /// The same, with a replay that goes on now, for all who ask for it.
    ///
    /// # Errors
    /// As [`Replays::plan`](noctuary_queries::replay::Replays::plan).
    pub async fn with_live(mut self, request: &Replay) -> Result<(Self, Arc<Plan>)> {
        let plan = self.stage.begin(request).await?;
        Ok((self, plan))
    }

    /// Does something with a session, on the runtime of queries.
    async fn ask<T, F, W>(&self, version: Option<u64>, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(Session) -> W + Send + 'static,
        W: Future<Output = Result<T>> + Send,
    {
        let door = self.clone();
        run::done(&self.queries, async move {
            let version = version.map(AsOf::Version);
            let session = open::session(&door.engine, &door.access, version.as_ref()).await?;
            work(session).await
        })
        .await
    }

    /// The columns of a question, and the version that answers it.
    async fn announce(&self, statement: Statement) -> Result<(SchemaRef, u64)> {
        self.ask(statement.version, |session| async move {
            let planned = statement.plan(&session).await?;
            Ok((wire::schema(&planned.schema()), session.snapshot().version()))
        })
        .await
    }

    async fn info_of(&self, statement: Statement, descriptor: FlightDescriptor) -> Info {
        let (schema, version) = self.announce(statement.clone()).await?;
        let handle = TicketStatementQuery { statement_handle: statement.at(version).encode()? };
        info(&schema, handle.as_any(), descriptor)
    }

    async fn rows_of(&self, statement: Statement) -> DoGet {
        let (schema, rows) = self
            .ask(statement.version, |session| async move {
                let planned = statement.plan(&session).await?;
                let schema = wire::schema(&planned.schema());
                Ok((schema, planned.execute().await?))
            })
            .await?;
        Ok(Response::new(wire::messages(schema, run::on(&self.queries, rows, run::AHEAD))))
    }
}

/// Where a question is answered. Every ticket is wrapped in `Any`, as clients expect.
fn info(schema: &Schema, ticket: Any, descriptor: FlightDescriptor) -> Info {
    let endpoint = FlightEndpoint::new().with_ticket(Ticket { ticket: ticket.encode_to_vec().into() });
    let info = FlightInfo::new()
        .try_with_schema(schema)
        .map_err(|e| Status::from(Failure::from(e)))?
        .with_endpoint(endpoint)
        .with_descriptor(descriptor);
    Ok(Response::new(info))
}

/// What comes as an update is refused, a question too: its rows would be lost.
fn read_only() -> Status {
    Status::invalid_argument(
        "the archive is read only here: ask with execute, once for each row of parameters; packets come in by \
         `noctuary ingest`",
    )
}

fn answer(batch: Result<RecordBatch>) -> DoGet {
    Ok(Response::new(wire::one(batch?)))
}

#[tonic::async_trait]
impl FlightSqlService for Door {
    type FlightService = Self;

    /// Whoever reaches the server is let in; a name and password are taken and not looked at.
    async fn do_handshake(
        &self,
        _: Request<Streaming<HandshakeRequest>>,
    ) -> Result<Response<Pin<Box<dyn Stream<Item = Result<HandshakeResponse, Status>> + Send>>>, Status> {
        let hello = HandshakeResponse { protocol_version: 0, payload: Default::default() };
        let stream: Pin<Box<dyn Stream<Item = _> + Send>> = Box::pin(futures::stream::iter([Ok(hello)]));
        let mut response = Response::new(stream);
        response.metadata_mut().insert("authorization", MetadataValue::from_static("Bearer anyone"));
        Ok(response)
    }

    async fn get_flight_info_statement(
        &self,
        query: CommandStatementQuery,
        request: Request<FlightDescriptor>,
    ) -> Info {
        self.info_of(Statement::new(query.query), request.into_inner()).await
    }

    async fn do_get_statement(&self, ticket: TicketStatementQuery, _: Request<Ticket>) -> DoGet {
        self.rows_of(Statement::decode(&ticket.statement_handle)?).await
    }

    async fn do_action_create_prepared_statement(
        &self,
        query: ActionCreatePreparedStatementRequest,
        _: Request<Action>,
    ) -> Result<ActionCreatePreparedStatementResult, Status> {
        let statement = Statement::new(query.query);
        let handle = statement.encode()?;
        let (columns, parameters) = self
            .ask(None, |session| async move {
                let planned = session.plan(&statement.sql).await?;
                Ok((wire::schema(&planned.schema()), parameter_schema(&planned)?))
            })
            .await?;
        Ok(ActionCreatePreparedStatementResult {
            prepared_statement_handle: handle,
            dataset_schema: wire::schema_bytes(&columns)?,
            parameter_schema: wire::schema_bytes(&parameters)?,
        })
    }

    /// The handle is all there is of a prepared statement.
    async fn do_action_close_prepared_statement(
        &self,
        _: ActionClosePreparedStatementRequest,
        _: Request<Action>,
    ) -> Result<(), Status> {
        Ok(())
    }

    async fn get_flight_info_prepared_statement(
        &self,
        query: CommandPreparedStatementQuery,
        request: Request<FlightDescriptor>,
    ) -> Info {
        self.info_of(Statement::decode(&query.prepared_statement_handle)?, request.into_inner()).await
    }

    async fn do_get_prepared_statement(&self, query: CommandPreparedStatementQuery, _: Request<Ticket>) -> DoGet {
        self.rows_of(Statement::decode(&query.prepared_statement_handle)?).await
    }

    /// Binds parameters: the answer is a new handle that carries them.
    async fn do_put_prepared_statement_query(
        &self,
        query: CommandPreparedStatementQuery,
        request: Request<PeekableFlightDataStream>,
    ) -> Result<DoPutPreparedStatementResult, Status> {
        let statement = Statement::decode(&query.prepared_statement_handle)?;
        let mut batches =
            FlightRecordBatchStream::new_from_flight_data(request.into_inner().map_err(FlightError::from));
        let (mut bound, mut rows) = (Vec::new(), 0);
        while let Some(batch) = batches.try_next().await? {
            rows += batch.num_rows();
            bound.push(batch);
            // More are refused below, and need not be read.
            if rows > 1 {
                break;
            }
        }
        let Some(schema) = batches.schema() else {
            return Ok(DoPutPreparedStatementResult {
                prepared_statement_handle: Some(query.prepared_statement_handle),
            });
        };
        let row = arrow::compute::concat_batches(schema, &bound).map_err(Failure::from)?;
        let handle = statement.with_parameters(&row)?.encode()?;
        Ok(DoPutPreparedStatementResult { prepared_statement_handle: Some(handle) })
    }

    async fn do_put_statement_update(
        &self,
        _: CommandStatementUpdate,
        _: Request<PeekableFlightDataStream>,
    ) -> Result<i64, Status> {
        Err(read_only())
    }

    async fn do_put_prepared_statement_update(
        &self,
        _: CommandPreparedStatementUpdate,
        _: Request<PeekableFlightDataStream>,
    ) -> Result<i64, Status> {
        Err(read_only())
    }

    async fn do_action_fallback(
        &self,
        request: Request<Action>,
    ) -> Result<Response<<Self as FlightService>::DoActionStream>, Status> {
        let action = request.into_inner();
        // Field 1 of CloseSessionResult and of CancelFlightInfoResult, as protobuf has it.
        let body: &'static [u8] = match action.r#type.as_str() {
            // CLOSED = 1: there was no session, and now there is none.
            "CloseSession" => &[0x08, 0x01],
            // NOT_CANCELLABLE = 3: a query stops when its stream is dropped.
            "CancelFlightInfo" => &[0x08, 0x03],
            other => return Err(Status::unimplemented(format!("there is no action {other:?} here"))),
        };
        let result = arrow_flight::Result { body: body.into() };
        Ok(Response::new(Box::pin(futures::stream::iter([Ok(result)]))))
    }

    async fn get_flight_info_catalogs(&self, query: CommandGetCatalogs, request: Request<FlightDescriptor>) -> Info {
        info(&query.into_builder().schema(), query.as_any(), request.into_inner())
    }

    async fn do_get_catalogs(&self, query: CommandGetCatalogs, _: Request<Ticket>) -> DoGet {
        answer(self.ask(None, move |session| async move { metadata::catalogs(&session, query) }).await)
    }

    async fn get_flight_info_schemas(&self, query: CommandGetDbSchemas, request: Request<FlightDescriptor>) -> Info {
        let ticket = query.as_any();
        info(&query.into_builder().schema(), ticket, request.into_inner())
    }

    async fn do_get_schemas(&self, query: CommandGetDbSchemas, _: Request<Ticket>) -> DoGet {
        answer(self.ask(None, move |session| async move { metadata::schemas(&session, query) }).await)
    }

    async fn get_flight_info_tables(&self, query: CommandGetTables, request: Request<FlightDescriptor>) -> Info {
        let ticket = query.as_any();
        info(&query.into_builder().schema(), ticket, request.into_inner())
    }

    async fn do_get_tables(&self, query: CommandGetTables, _: Request<Ticket>) -> DoGet {
        answer(self.ask(None, move |session| async move { metadata::tables(&session, query).await }).await)
    }

    async fn get_flight_info_table_types(
        &self,
        query: CommandGetTableTypes,
        request: Request<FlightDescriptor>,
    ) -> Info {
        let ticket = query.as_any();
        info(&query.into_builder().schema(), ticket, request.into_inner())
    }

    async fn do_get_table_types(&self, query: CommandGetTableTypes, _: Request<Ticket>) -> DoGet {
        answer(metadata::table_types(query))
    }

    async fn get_flight_info_sql_info(&self, query: CommandGetSqlInfo, request: Request<FlightDescriptor>) -> Info {
        let ticket = query.as_any();
        info(&query.into_builder(&self.info).schema(), ticket, request.into_inner())
    }

    async fn do_get_sql_info(&self, query: CommandGetSqlInfo, _: Request<Ticket>) -> DoGet {
        answer(query.into_builder(&self.info).build().map_err(Failure::from))
    }

    async fn register_sql_info(&self, _: i32, _: &SqlInfo) {}
}
