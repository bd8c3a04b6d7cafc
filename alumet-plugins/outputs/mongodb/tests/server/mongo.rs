//! A server that speaks the protocol of MongoDB, and what it has.

use alumet_core::duration::HumanDuration;
use alumet_plugin_mongodb::Config;
use alumet_shared_output_testkit::{Program, find, nx_27017};
use mongodb::bson::{Bson, Document, doc};
use mongodb::{Client, Collection};
use tokio::runtime::Runtime;

/// A server that runs.
pub(crate) struct Mongo {
    pub(crate) port: u16,
    _program: Program,
    runtime: Runtime,
    pub(crate) collection: Collection<Document>,
}

/// An output to the server on this port.
pub(crate) fn config(port: u16) -> Config {
    Config {
        host: "127.0.0.1".to_owned(),
        port,
        connect_timeout: HumanDuration::from_secs(1),
        timeout: HumanDuration::from_secs(20),
        ..Config::default()
    }
}

impl Mongo {
    /// Whether there is one to start.
    pub(crate) fn is_installed() -> bool {
        find("nx-27017", "pip install nx-27017").is_some()
    }

    /// Starts one; `None` if it is not installed.
    pub(crate) fn start() -> Option<Self> {
        let program = nx_27017()?;
        let port = program.port();
        let runtime = Runtime::new().unwrap();
        let uri = format!("mongodb://127.0.0.1:{port}");
        let client = runtime.block_on(Client::with_uri_str(uri)).unwrap();
        Some(Self {
            port,
            _program: program,
            runtime,
            collection: client.database("alumet").collection("samples"),
        })
    }

    /// All documents.
    pub(crate) fn documents(&self) -> Vec<Document> {
        self.find(doc! {})
    }

    /// All values of the metric `number`, sorted.
    pub(crate) fn numbers(&self) -> Vec<u64> {
        let documents = self.find(doc! { "measurement": "number" });
        let mut numbers: Vec<u64> = documents
            .iter()
            .map(|document| integer(&document["value"]).unwrap().cast_unsigned())
            .collect();
        numbers.sort_unstable();
        numbers
    }

    fn find(&self, filter: Document) -> Vec<Document> {
        self.runtime.block_on(async {
            let mut cursor = self.collection.find(filter).await.unwrap();
            let mut documents = Vec::new();
            while cursor.advance().await.unwrap() {
                documents.push(cursor.deserialize_current().unwrap());
            }
            documents
        })
    }

    /// Carries out a command.
    pub(crate) fn command(&self, command: Document) -> Document {
        let database = self.collection.client().database("alumet");
        self.runtime
            .block_on(database.run_command(command).into_future())
            .unwrap()
    }
}

/// An integer; small ones come back from this server with 32 bits.
pub(crate) fn integer(value: &Bson) -> Option<i64> {
    match value {
        Bson::Int32(value) => Some((*value).into()),
        Bson::Int64(value) => Some(*value),
        _ => None,
    }
}
