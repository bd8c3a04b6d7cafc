//! The connection to the servers, made when there is something to write.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use alumet_core::Failure;
use alumet_core::output::Receipt;
use alumet_core::plugin::{Faults, StartError};
use alumet_shared_trust::{ClientTls, Reloading, TlsConfig, read_secret};
use mongodb::bson::raw::cstr;
use mongodb::bson::{Bson, RawDocumentBuf, doc, serialize_to_raw_document_buf};
use mongodb::error::ErrorKind;
use mongodb::options::{Acknowledgment, ClientOptions, Tls, TlsOptions, WriteConcern};
use mongodb::{Client, Database};
use parking_lot::Mutex;
use tokio::sync::OnceCell;
use tokio_util::task::AbortOnDropHandle;

use crate::config::Config;
use crate::series::META;
use crate::verdict::{failure, verdict};

/// Writes to a collection.
#[derive(Debug)]
pub(crate) struct Connection {
    config: Config,
    options: ClientOptions,
    /// The addresses, for people.
    server: String,
    /// What is wrong with its files, it says better than the driver.
    pub(crate) tls: Option<ClientTls>,
    /// What a server is to have done with documents before it answers.
    write_concern: RawDocumentBuf,
    /// Missing until the files could be used; made anew when these change.
    made: Mutex<Option<Reloading<Arc<Made>, Failure>>>,
}

/// What was made from the files.
#[derive(Debug)]
struct Made {
    database: Database,
    /// What makes the index; missing until the collection is as it is to be.
    prepared: OnceCell<Option<AbortOnDropHandle<()>>>,
}

/// How long after an index could not be made it is tried again.
const INDEX_AGAIN: Duration = Duration::from_secs(60);

/// A collection with this name exists already.
const NAMESPACE_EXISTS: i32 = 48;

impl Connection {
    /// A connection as it is configured; nothing is sent.
    ///
    /// # Errors
    /// What is wrong with the configuration, or with the files that it names.
    pub(crate) fn new(config: &Config) -> Result<Self, StartError> {
        let options = config.options().map_err(Faults::from)?;
        read_secret(config.password.as_ref(), config.password_file.as_deref())?;
        let tls = config
            .tls
            .as_ref()
            .map(|tls| ClientTls::new(tls, None))
            .transpose()?;
        let hosts: Vec<String> = options.hosts.iter().map(ToString::to_string).collect();
        let concern = options.write_concern.clone().unwrap_or_else(|| {
            let builder = WriteConcern::builder();
            builder.w(Acknowledgment::Majority).journal(true).build()
        });
        Ok(Self {
            config: config.clone(),
            tls,
            server: hosts.join(","),
            write_concern: serialize_to_raw_document_buf(&concern)?,
            options,
            made: Mutex::new(None),
        })
    }

    /// Inserts the documents of a command.
    ///
    /// # Errors
    /// What can be done about it.
    pub(crate) async fn insert(&self, mut command: RawDocumentBuf) -> Result<Receipt, Failure> {
        command.append(cstr!("writeConcern"), self.write_concern.clone());
        let made = self.made()?;
        made.prepared
            .get_or_try_init(|| self.prepare(&made.database))
            .await?;
        let answer = made.database.run_raw_command(command).await;
        verdict(&answer.map_err(|error| failure(&error, &self.server))?)
    }

    /// Asks the server for the collection, and says what is there.
    ///
    /// # Errors
    /// Why nothing could be written.
    pub(crate) async fn try_out(&self) -> Result<String, Failure> {
        let name = format!("{}.{}", self.config.database, self.config.collection);
        Ok(match self.exists(&self.made()?.database).await? {
            true => format!("has the collection {name}"),
            false => format!("answers; the collection {name} will be created"),
        })
    }

    /// The addresses, for people.
    pub(crate) fn server(&self) -> &str {
        &self.server
    }

    /// The driver with what the files hold now.
    fn made(&self) -> Result<Arc<Made>, Failure> {
        let mut made = self.made.lock();
        if let Some(made) = &*made {
            return Ok(made.current());
        }
        let tls = self.config.tls.iter();
        let mut files: Vec<PathBuf> = tls
            .flat_map(|tls| [&tls.ca, &tls.certificate])
            .flatten()
            .cloned()
            .collect();
        files.extend(self.config.password_file.clone());
        let (config, options) = (self.config.clone(), self.options.clone());
        let reloading = Reloading::new(files, move || make(&config, options.clone()).map(Arc::new))?;
        Ok(made.insert(reloading).current())
    }

    /// Sees to it that the collection is of the right kind, and begins to make its index.
    async fn prepare(&self, database: &Database) -> Result<Option<AbortOnDropHandle<()>>, Failure> {
        if self.config.time_series && !self.exists(database).await? {
            let command = doc! {
                "create": &self.config.collection,
                "timeseries": { "timeField": "timestamp", "metaField": META.as_str() },
            };
            if let Err(error) = database.run_command(command).await {
                // Another program may have been faster.
                if !matches!(&*error.kind, ErrorKind::Command(error) if error.code == NAMESPACE_EXISTS) {
                    return Err(failure(&error, &self.server));
                }
            }
        }
        // Also what was made in between has to be of the right kind.
        self.exists(database).await?;
        let task = || AbortOnDropHandle::new(tokio::spawn(index(database.clone(), self.config.clone())));
        Ok(self.config.indexes.then(task))
    }

    /// Whether the collection exists.
    ///
    /// # Errors
    /// When it is of another kind than it is to be, or the server does not say.
    async fn exists(&self, database: &Database) -> Result<bool, Failure> {
        let command = doc! {
            "listCollections": 1,
            "filter": { "name": &self.config.collection },
            // Who may only write here may ask for no more.
            "nameOnly": true,
            "authorizedCollections": true,
        };
        let answer = database.run_command(command).await;
        let answer = answer.map_err(|error| failure(&error, &self.server))?;
        let found = answer
            .get_document("cursor")
            .and_then(|cursor| cursor.get_array("firstBatch"));
        // Not every server knows filters.
        let found = found.ok().and_then(|found| {
            let mut found = found.iter().filter_map(Bson::as_document);
            found.find(|found| {
                found
                    .get_str("name")
                    .is_ok_and(|name| name == self.config.collection)
            })
        });
        let kind = found.and_then(|found| found.get_str("type").ok());
        match kind {
            Some(kind) if (kind == "timeseries") != self.config.time_series => Err(Failure::retry(format!(
                "{} has `{}` as a {kind}, which does not fit to `time_series = {}`; change that or `collection`",
                self.server, self.config.collection, self.config.time_series
            ))),
            kind => Ok(kind.is_some()),
        }
    }
}

/// The driver, as the configuration and its files say.
fn make(config: &Config, mut options: ClientOptions) -> Result<Made, Failure> {
    let password = read_secret(config.password.as_ref(), config.password_file.as_deref())?;
    if let Some(credential) = options.credential.as_mut().filter(|_| password.is_some()) {
        credential.password = password;
    }
    if let Some(tls) = &config.tls {
        options.tls = Some(Tls::Enabled(of_driver(tls)));
    }
    if let Some(Tls::Enabled(tls)) = &mut options.tls
        && tls.ca_file_path.is_none()
    {
        // The driver knows no other authorities than those that were compiled into it.
        tls.ca_file_path = openssl_probe::probe().cert_file;
    }
    let server = options
        .hosts
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(",");
    let client = Client::with_options(options).map_err(|error| failure(&error, &server))?;
    Ok(Made {
        database: client.database(&config.database),
        prepared: OnceCell::new(),
    })
}

fn of_driver(tls: &TlsConfig) -> TlsOptions {
    let mut options = TlsOptions::default();
    options.ca_file_path.clone_from(&tls.ca);
    // The file holds the key, too.
    options.cert_key_file_path.clone_from(&tls.certificate);
    options.allow_invalid_certificates = Some(tls.insecure_skip_verify);
    options
}

/// Makes the index if there is none; samples do not wait for it.
async fn index(database: Database, config: Config) {
    let measurement = match config.time_series {
        true => format!("{META}.measurement"),
        false => "measurement".to_owned(),
    };
    let command = doc! {
        "createIndexes": &config.collection,
        "indexes": [{ "key": { &measurement: 1, "timestamp": 1 }, "name": format!("{measurement}_1_timestamp_1") }],
    };
    let mut is_known = false;
    while let Err(error) = database.run_command(command.clone()).await {
        if !is_known {
            tracing::warn!(
                %error, collection = config.collection,
                "there is no index on measurement and time, and none can be made; let the user do that, or set \
                 `indexes = false`"
            );
        }
        is_known = true;
        tokio::time::sleep(INDEX_AGAIN).await;
    }
}
