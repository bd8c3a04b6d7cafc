//! The API of the Docker engine, which Podman has as well: all containers once, and then what happens to them.
//!
//! Source: `api/swagger.yaml` of github.com/moby/moby (`ContainerList`, `SystemEvents`); `pkg/api/handlers/compat` of Podman.

mod connection;
mod message;

use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::sync::mpsc::Receiver;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::task::AbortOnDropHandle;

use crate::keeper::Keeper;
use crate::names::{Answer, Names};
use crate::trouble::Trouble;
use message::Event;

/// A stream of events that is read, and what was there when it began.
pub(crate) struct Session<'a> {
    path: PathBuf,
    keeper: Keeper,
    names: &'a Names,
    events: Receiver<Result<Event, Trouble>>,
    _reader: AbortOnDropHandle<()>,
}

/// How many events may lie here unread.
const EVENTS: usize = 256;
/// How long an engine may take to confirm that it sends events. Podman before version 5 says nothing until there is one.
const CONFIRMATION: Duration = Duration::from_secs(1);
/// How long the events have to tell the name of a container before all containers are listed again: an engine reports a start
/// when the control group is already there.
const GRACE: Duration = Duration::from_secs(1);
/// The longest time between two lists for a container that none of them has.
const LONGEST: Duration = Duration::from_secs(60);

impl<'a> Session<'a> {
    /// Begins to follow what happens, and then takes in what is there, so that nothing comes between.
    pub(crate) async fn open(path: PathBuf, keeper: Keeper, names: &'a Names) -> Result<Self, Trouble> {
        let (sender, mut events) = tokio::sync::mpsc::channel(EVENTS);
        let reader = AbortOnDropHandle::new(tokio::spawn(connection::events(
            path.clone(),
            keeper.engine.name(),
            sender,
        )));
        let confirmed = timeout(CONFIRMATION, events.recv()).await;
        // What a list tells is of use even if there are no events.
        names.replace(keeper, list(&path, keeper.engine.name()).await?);
        if let Ok(Some(first)) = confirmed {
            first?;
        }
        Ok(Self {
            path,
            keeper,
            names,
            events,
            _reader: reader,
        })
    }

    /// Takes in what happens until the engine says no more. Says why it does not.
    pub(crate) async fn follow(mut self) -> Trouble {
        let (mut pause, mut list_at) = (GRACE, None);
        loop {
            tokio::select! {
                biased;
                event = self.events.recv() => match event {
                    Some(Ok(Event::Begun)) => {}
                    Some(Ok(Event::Named(id, answer))) => self.names.add(self.keeper, id, answer),
                    Some(Ok(Event::Gone(id))) => self.names.forget(&id),
                    Some(Err(trouble)) => return trouble,
                    None => return Trouble::Closed { path: self.path },
                },
                () = self.names.question(self.keeper), if list_at.is_none() => {
                    list_at = Some(Instant::now() + pause);
                }
                () = sleep_until(list_at.unwrap_or_else(Instant::now)), if list_at.is_some() => {
                    list_at = None;
                    if self.names.questions(self.keeper).is_empty() {
                        pause = GRACE;
                        continue;
                    }
                    match list(&self.path, self.keeper.engine.name()).await {
                        Ok(all) => self.names.replace(self.keeper, all),
                        Err(trouble) => return trouble,
                    };
                    pause = (pause * 2).min(LONGEST);
                    self.names.ask_anew(self.keeper);
                }
            }
        }
    }
}

/// All containers that run, by their ids, each with the name of the runtime.
pub(crate) async fn list(path: &Path, runtime: &'static str) -> Result<Vec<(Box<str>, Answer)>, Trouble> {
    let body = connection::list(path).await?;
    message::containers(&body, runtime).map_err(|error| Trouble::Nonsense {
        path: path.to_path_buf(),
        detail: error.to_string(),
    })
}
