//! Asks for the names of containers, when there are some that have none.

use std::mem::Discriminant;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use alumet_core::Failure;
use alumet_core::pipeline::EventSink;
use alumet_core::source::EventSource;
use async_trait::async_trait;
use hashbrown::HashSet;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::config::Sockets;
use crate::docker::{self, Session};
use crate::files;
use crate::keeper::{Engine, Keeper};
use crate::names::{Answer, Names};
use crate::trouble::Trouble;

/// Asks the engines; one task for each that was ever asked for a container, which sleeps while all its containers have names.
pub(crate) struct Namer {
    pub(crate) names: Arc<Names>,
    pub(crate) places: Places,
}

/// Where engines are found.
#[derive(Clone)]
pub(crate) struct Places {
    pub(crate) root: PathBuf,
    pub(crate) sockets: Sockets,
}

#[async_trait]
impl EventSource for Namer {
    async fn run(&mut self, _: EventSink, stop: CancellationToken) -> Result<(), Failure> {
        let mut known = HashSet::new();
        let mut tasks = JoinSet::new();
        loop {
            for keeper in self.names.keepers() {
                if known.insert(keeper) {
                    let (names, places) = (Arc::clone(&self.names), self.places.clone());
                    tasks.spawn(
                        Asking {
                            keeper,
                            names,
                            places,
                            said: None,
                        }
                        .run(),
                    );
                }
            }
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                () = self.names.new_keeper() => {}
                // They have no end of their own.
                Some(Err(error)) = tasks.join_next() => return Err(Failure::restart(error)),
            }
        }
    }
}

/// The first pause after a question, in which others may come up.
const SHORTEST: Duration = Duration::from_millis(250);
/// The longest pause when there is nobody to ask, which costs next to nothing to find out.
const LONGEST_ABSENCE: Duration = Duration::from_secs(5);
/// The longest pause when an engine does not do what it should.
const LONGEST: Duration = Duration::from_secs(60);

/// Asks one keeper.
struct Asking {
    keeper: Keeper,
    names: Arc<Names>,
    places: Places,
    /// The trouble that was told, until it is over.
    said: Option<Discriminant<Trouble>>,
}

impl Asking {
    async fn run(mut self) {
        let mut pause = SHORTEST;
        loop {
            self.names.question(self.keeper).await;
            pause = match self.ask().await {
                Ok(()) => {
                    self.tell_success();
                    SHORTEST
                }
                Err(trouble) => {
                    self.tell(&trouble);
                    let longest = if trouble.is_absence() {
                        LONGEST_ABSENCE
                    } else {
                        LONGEST
                    };
                    (pause * 2).min(longest)
                }
            };
            tokio::time::sleep(pause).await;
            self.names.ask_anew(self.keeper);
        }
    }

    fn tell_success(&mut self) {
        if self.said.take().is_some() {
            tracing::info!(engine = ?self.keeper.engine, "containers have their names again");
        }
    }

    fn tell(&mut self, trouble: &Trouble) {
        let kind = std::mem::discriminant(trouble);
        if self.said.replace(kind) != Some(kind) {
            tracing::warn!(
                engine = ?self.keeper.engine,
                error = %trouble,
                remedy = trouble.remedy(),
                "containers are measured under their ids until their names are known"
            );
        }
    }

    /// Asks until it has helped, or for as long as an engine goes on to tell.
    async fn ask(&mut self) -> Result<(), Trouble> {
        let mut trouble = Trouble::Nowhere;
        let mut asked = self.names.questions(self.keeper);
        let mut found = Vec::new();
        for socket in self.keeper.sockets(&self.places.root, &self.places.sockets) {
            let told = match self.keeper.engine {
                Engine::Unknown => docker::list(&socket, self.keeper.engine.name()).await.map(|all| {
                    found.extend(all.into_iter().filter(|(id, _)| asked.contains(id)));
                }),
                _ => match self.follow(socket).await {
                    Ok(()) => return Ok(()),
                    Err(error) => Err(error),
                },
            };
            if let Err(error) = told
                && trouble.is_absence()
            {
                trouble = error;
            }
        }
        asked.retain(|id| !found.iter().any(|(one, _)| one == id));
        match self.look_into_files(asked.clone()).await {
            Ok(more) => {
                asked.retain(|id| !more.iter().any(|(one, _)| one == id));
                found.extend(more);
            }
            Err(error) if trouble.is_absence() => trouble = error,
            Err(_) => {}
        }
        if self.keeper.engine == Engine::Unknown && trouble.is_absence() {
            // Nobody is left who could know.
            found.extend(asked.into_iter().map(|id| (id, Answer::Nameless)));
        }
        if found.is_empty() {
            return Err(trouble);
        }
        self.names.replace(self.keeper, found);
        Ok(())
    }

    /// Follows an engine until it tells no more. It is asked again for the next container without a name.
    async fn follow(&mut self, socket: PathBuf) -> Result<(), Trouble> {
        let names = Arc::clone(&self.names);
        let session = Session::open(socket, self.keeper, &names).await?;
        self.tell_success();
        let began = Instant::now();
        let ended = session.follow().await;
        // One that ends as soon as it has begun must not be asked all the time.
        if began.elapsed() < LONGEST {
            return Err(ended);
        }
        Ok(())
    }

    async fn look_into_files(&self, ids: Vec<Box<str>>) -> Result<Vec<(Box<str>, Answer)>, Trouble> {
        let (root, keeper) = (self.places.root.clone(), self.keeper);
        // A disk can take long.
        let looking = tokio::task::spawn_blocking(move || files::look_up(&root, keeper, &ids));
        looking.await.unwrap_or(Err(Trouble::Nowhere))
    }
}
