//! The door as a client sees it.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Int64Array};
use arrow::datatypes::Int64Type;
use arrow::record_batch::RecordBatch;
use arrow_flight::FlightInfo;
use arrow_flight::sql::client::FlightSqlServiceClient;
use arrow_flight::sql::{CommandGetDbSchemas, CommandGetTables};
use futures::TryStreamExt;
use noctuary_storage::{Access, Archive, Location};
use tonic::transport::{Channel, Endpoint};

use super::*;

/// A server over an empty archive, and what stops it.
async fn served()
-> (FlightSqlServiceClient<Channel>, tokio::sync::oneshot::Sender<()>, tokio::task::JoinHandle<Result<()>>) {
    let archive = Archive::open_or_create(Location::memory().unwrap()).await.unwrap();
    let config = crate::config::Config::load(crate::config::Given::default()).unwrap();
    let engine = crate::open::engine(archive, &config).unwrap();
    let door = Door::new(engine, Access::Everything, tokio::runtime::Handle::current()).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = tokio::sync::oneshot::channel();
    let server = tokio::spawn(serve(door, listener, async move {
        let _ = stopped.await;
    }));
    let channel = Endpoint::new(format!("http://{address}")).unwrap().connect().await.unwrap();
    (FlightSqlServiceClient::new(channel), stop, server)
}

async fn rows(client: &mut FlightSqlServiceClient<Channel>, info: FlightInfo) -> RecordBatch {
    let announced = Arc::new(info.clone().try_decode_schema().unwrap());
    let ticket = info.endpoint[0].ticket.clone().unwrap();
    let batches: Vec<RecordBatch> = client.do_get(ticket).await.unwrap().try_collect().await.unwrap();
    for batch in &batches {
        assert_eq!(batch.schema(), announced);
    }
    arrow::compute::concat_batches(&announced, &batches).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn questions_are_answered() {
    let (mut client, stop, server) = served().await;
    let sql = "SELECT arrow_cast('a text of some length', 'Utf8View') AS t, unnest(range(1, 20001)) AS n";
    let info = client.execute(sql.to_owned(), None).await.unwrap();
    let answer = rows(&mut client, info).await;
    assert_eq!(answer.num_rows(), 20_000);
    assert_eq!(answer.column(1).as_primitive::<Int64Type>().value(19_999), 20_000);
    stop.send(()).unwrap();
    drop(client);
    server.await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn small_answers_do_not_wait() {
    let (mut client, _stop, _server) = served().await;
    let mut quickest = std::time::Duration::MAX;
    for _ in 0..20 {
        let begun = std::time::Instant::now();
        let info = client.execute("SELECT 1 AS one".to_owned(), None).await.unwrap();
        assert_eq!(rows(&mut client, info).await.num_rows(), 1);
        quickest = quickest.min(begun.elapsed());
    }
    // A client acknowledges what came after 40 ms, and a server that waits for it takes as long.
    assert!(quickest < std::time::Duration::from_millis(35), "{quickest:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn parameters_travel_in_the_handle() {
    let (mut client, _stop, _server) = served().await;
    let mut statement = client.prepare("SELECT CAST(? AS BIGINT) + 1 AS n".to_owned(), None).await.unwrap();
    assert_eq!(statement.parameter_schema().unwrap().fields().len(), 1);
    assert_eq!(statement.dataset_schema().unwrap().field(0).name(), "n");
    let row = Int64Array::from(vec![170_239_611_403_501_617]);
    statement.set_parameters(RecordBatch::try_from_iter([("p", Arc::new(row) as ArrayRef)]).unwrap()).unwrap();
    let info = statement.execute().await.unwrap();
    let answer = rows(&mut client, info).await;
    assert_eq!(answer.column(0).as_primitive::<Int64Type>().value(0), 170_239_611_403_501_618);
    statement.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_there_is_can_be_asked() {
    let (mut client, _stop, _server) = served().await;
    let info = client.get_catalogs().await.unwrap();
    assert!(rows(&mut client, info).await.num_rows() >= 1);
    let query = CommandGetDbSchemas { catalog: None, db_schema_filter_pattern: None };
    let info = client.get_db_schemas(query).await.unwrap();
    assert!(rows(&mut client, info).await.num_rows() >= 1);
    let query = CommandGetTables {
        catalog: None,
        db_schema_filter_pattern: None,
        // What pandas sends: the question itself.
        table_name_filter_pattern: Some("SELECT 'it''s', 100 % 3".to_owned()),
        table_types: Vec::new(),
        include_schema: true,
    };
    let info = client.get_tables(query).await.unwrap();
    assert_eq!(rows(&mut client, info).await.num_rows(), 0);
    let info = client.get_table_types().await.unwrap();
    assert_eq!(rows(&mut client, info).await.num_rows(), 2);
    let info = client.get_sql_info(vec![arrow_flight::sql::SqlInfo::FlightSqlServerTransaction]).await.unwrap();
    assert_eq!(rows(&mut client, info).await.num_rows(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn mistakes_are_the_clients() {
    let (mut client, _stop, _server) = served().await;
    let error = client.execute("SELECT nothing FROM nowhere".to_owned(), None).await.unwrap_err().to_string();
    assert!(error.contains("nowhere"), "{error}");
    assert!(client.prepare("DROP TABLE lsst.alerts".to_owned(), None).await.is_err());
    assert!(client.handshake("anyone", "anything").await.is_ok());
    let rows =
        |values: Vec<i64>| RecordBatch::try_from_iter([("p", Arc::new(Int64Array::from(values)) as ArrayRef)]).unwrap();
    let mut statement = client.prepare("SELECT CAST(? AS BIGINT)".to_owned(), None).await.unwrap();
    statement.set_parameters(rows(vec![1])).unwrap();
    let error = statement.execute_update().await.unwrap_err().to_string();
    assert!(error.contains("once for each row of parameters"), "{error}");
    statement.set_parameters(rows(vec![1, 2])).unwrap();
    let error = statement.execute().await.unwrap_err().to_string();
    assert!(error.contains("was given more"), "{error}");
}

#[tokio::test]
async fn only_this_machine_is_served() {
    assert!(loopback("127.0.0.1:0").await.is_ok());
    assert!(loopback("[::1]:0").await.is_ok());
    for open in ["0.0.0.0:50051", "192.0.2.1:50051", "[::]:1", "here", "127.0.0.1"] {
        assert_eq!(loopback(open).await.unwrap_err().kind, Kind::Request, "{open}");
    }
}
