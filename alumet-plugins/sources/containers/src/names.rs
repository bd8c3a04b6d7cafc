//! What is known of containers, shared by the thread that polls and those who ask engines.

use std::sync::Arc;

use alumet_core::Attributes;
use alumet_shared_cgroup_source::Wake;
use hashbrown::{HashMap, HashSet};
use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::keeper::Keeper;

/// The names of containers, and those that somebody waits for.
#[derive(Default)]
pub(crate) struct Names {
    state: Mutex<State>,
    /// Somebody is asked for the first time.
    new_keeper: Notify,
}

#[derive(Default)]
struct State {
    known: HashMap<Box<str>, Known>,
    open: HashMap<Keeper, Questions>,
    wake: Option<Wake>,
}

struct Known {
    keeper: Keeper,
    answer: Answer,
}

/// What there is to say of a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Answer {
    /// These attributes.
    Told(Attributes),
    /// Nobody knows more than its control group tells.
    Nameless,
}

#[derive(Default)]
struct Questions {
    ids: HashSet<Box<str>>,
    new: Arc<Notify>,
}

impl Names {
    /// Calls this whenever there is an answer that somebody waits for.
    pub(crate) fn wakes(&self, wake: Wake) {
        self.state.lock().wake = Some(wake);
    }

    /// What is known of a container; if nothing is, its keeper is asked.
    pub(crate) fn answer(&self, keeper: Keeper, id: &str) -> Option<Answer> {
        let mut state = self.state.lock();
        if let Some(known) = state.known.get(id) {
            return Some(known.answer.clone());
        }
        let questions = state.open.entry(keeper).or_insert_with(|| {
            self.new_keeper.notify_one();
            Questions::default()
        });
        if !questions.ids.contains(id) {
            questions.ids.insert(id.into());
            questions.new.notify_one();
        }
        None
    }

    /// Waits until somebody is asked for the first time.
    pub(crate) async fn new_keeper(&self) {
        self.new_keeper.notified().await;
    }

    /// All who were ever asked.
    pub(crate) fn keepers(&self) -> Vec<Keeper> {
        self.state.lock().open.keys().copied().collect()
    }

    /// Waits until a keeper is asked for at least one container.
    pub(crate) async fn question(&self, keeper: Keeper) {
        loop {
            let new = {
                let mut state = self.state.lock();
                let questions = state.open.entry(keeper).or_default();
                if !questions.ids.is_empty() {
                    return;
                }
                Arc::clone(&questions.new)
            };
            new.notified().await;
        }
    }

    /// The containers that a keeper is asked for.
    pub(crate) fn questions(&self, keeper: Keeper) -> Vec<Box<str>> {
        let state = self.state.lock();
        let open = state.open.get(&keeper);
        open.into_iter()
            .flat_map(|open| open.ids.iter().cloned())
            .collect()
    }

    /// Puts these answers in the place of all that the keeper has said before.
    pub(crate) fn replace(&self, keeper: Keeper, answers: impl IntoIterator<Item = (Box<str>, Answer)>) {
        let mut state = self.state.lock();
        state.known.retain(|_, known| known.keeper != keeper);
        let awaited = state.tell(keeper, answers);
        drop(state);
        self.wake(awaited > 0);
    }

    /// Adds an answer.
    pub(crate) fn add(&self, keeper: Keeper, id: Box<str>, answer: Answer) {
        let awaited = self.state.lock().tell(keeper, [(id, answer)]);
        self.wake(awaited > 0);
    }

    /// Forgets a container that is no more.
    pub(crate) fn forget(&self, id: &str) {
        self.state.lock().known.remove(id);
    }

    /// Drops all questions to a keeper. Those who still want to know ask anew at once.
    pub(crate) fn ask_anew(&self, keeper: Keeper) {
        let mut state = self.state.lock();
        if let Some(open) = state.open.get_mut(&keeper) {
            open.ids.clear();
        }
        drop(state);
        self.wake(true);
    }

    /// Lets the groups without a final answer ask, if that is of use. Nothing is locked then.
    fn wake(&self, is_of_use: bool) {
        let wake = self.state.lock().wake.clone().filter(|_| is_of_use);
        if let Some(wake) = wake {
            wake();
        }
    }
}

impl State {
    /// Says how many of the answers are waited for.
    fn tell(&mut self, keeper: Keeper, answers: impl IntoIterator<Item = (Box<str>, Answer)>) -> usize {
        let mut open = self.open.get_mut(&keeper);
        let mut awaited = 0;
        for (id, answer) in answers {
            awaited += usize::from(open.as_mut().is_some_and(|open| open.ids.remove(&id)));
            self.known.insert(id, Known { keeper, answer });
        }
        awaited
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keeper::Engine;

    #[test]
    fn a_list_replaces_what_the_same_keeper_has_said_and_nothing_else() {
        let names = Names::default();
        let [docker, podman] = [Engine::Docker, Engine::Podman].map(|engine| Keeper {
            engine,
            user_id: None,
        });
        let named = |name: &str| Answer::Told([("container", name)].into_iter().collect());
        names.add(podman, "p".into(), named("other"));
        names.replace(docker, [("a".into(), named("web")), ("b".into(), named("db"))]);
        names.replace(docker, [("b".into(), named("db2"))]);
        assert_eq!(names.answer(docker, "a"), None);
        assert_eq!(names.answer(docker, "b"), Some(named("db2")));
        assert_eq!(names.answer(podman, "p"), Some(named("other")));
        assert_eq!(names.questions(docker), [Box::from("a")]);
    }
}
