//! What is known of the pods of the node: written by who asks for names, read by who measures.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use alumet_shared_cgroup_source::Wake;
use hashbrown::HashMap;
use parking_lot::RwLock;
use tokio::sync::Notify;

use crate::naming::{KnownPod, Naming, uids};
use crate::object::Pod;

/// The pods of the node.
pub(crate) struct Directory {
    pub(crate) naming: Naming,
    state: RwLock<State>,
    /// Whether somebody wants to know something that is not there.
    is_wanted: AtomicBool,
    wanted: Notify,
    wake: OnceLock<Wake>,
}

struct State {
    /// By each of their uids.
    pods: HashMap<Box<str>, Arc<KnownPod>>,
    missing: &'static str,
}

/// Why a pod has no name at the start.
const NOT_YET: &str = "the pods have not been listed yet";

/// Why a pod has no name when all is well.
const NOT_LISTED: &str = "the pod is not listed yet";

impl Directory {
    pub(crate) fn new(naming: Naming) -> Self {
        let state = State {
            pods: HashMap::new(),
            missing: NOT_YET,
        };
        Self {
            naming,
            state: RwLock::new(state),
            is_wanted: AtomicBool::new(false),
            wanted: Notify::new(),
            wake: OnceLock::new(),
        }
    }

    /// What `answer` makes of what is known of a pod, or why nothing is known. When that is not enough, the answer is wanted
    /// and the one who asked is woken when something new is known.
    pub(crate) fn ask<T>(
        &self,
        uid: &str,
        answer: impl FnOnce(Result<&KnownPod, &'static str>) -> (T, bool),
    ) -> T {
        let state = self.state.read();
        let (answer, is_enough) = answer(state.pods.get(uid).map(|pod| &**pod).ok_or(state.missing));
        if !is_enough {
            // Under the lock: whoever writes afterwards sees it.
            self.is_wanted.store(true, Ordering::Relaxed);
            self.wanted.notify_one();
        }
        answer
    }

    /// Waits until somebody wants to know something that is not there.
    pub(crate) async fn wanted(&self) {
        self.wanted.notified().await;
    }

    /// Chooses what wakes those who want to know.
    pub(crate) fn wakes(&self, wake: Wake) {
        // There is one source.
        let _ = self.wake.set(wake);
    }

    /// Takes over all pods; `true` if one of them, or one of their containers, is new.
    pub(crate) fn replace(&self, pods: &[Pod]) -> bool {
        let mut state = self.state.write();
        let before = std::mem::take(&mut state.pods);
        let mut is_new = false;
        for pod in pods {
            let known = Arc::new(self.naming.by_name(pod));
            for uid in uids(pod) {
                is_new |= before
                    .get(uid)
                    .is_none_or(|before| before.containers != known.containers);
                state.pods.insert(uid.into(), Arc::clone(&known));
            }
        }
        state.recovers();
        drop(state);
        self.wake();
        is_new
    }

    /// Takes over a pod that is new or changed.
    pub(crate) fn insert(&self, pod: &Pod) {
        let known = Arc::new(self.naming.by_name(pod));
        let mut state = self.state.write();
        for uid in uids(pod) {
            state.pods.insert(uid.into(), Arc::clone(&known));
        }
        drop(state);
        self.wake();
    }

    /// Forgets a pod.
    pub(crate) fn remove(&self, pod: &Pod) {
        let mut state = self.state.write();
        for uid in uids(pod) {
            state.pods.remove(uid);
        }
    }

    /// Notes why nothing new is learnt at present; `true` if it is another reason than before.
    pub(crate) fn fails(&self, missing: &'static str) -> bool {
        let before = std::mem::replace(&mut self.state.write().missing, missing);
        before != missing
    }

    /// Notes that news are learnt.
    pub(crate) fn recovers(&self) {
        self.state.write().recovers();
    }

    fn wake(&self) {
        if self.is_wanted.swap(false, Ordering::Relaxed)
            && let Some(wake) = self.wake.get()
        {
            wake();
        }
    }
}

impl State {
    fn recovers(&mut self) {
        let before = std::mem::replace(&mut self.missing, NOT_LISTED);
        if before != NOT_YET && before != NOT_LISTED {
            tracing::info!("the names of new pods are known again");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    #[test]
    fn a_reason_is_another_one_only_after_a_change() {
        let directory = Directory::new(Naming::new(&Config::default(), String::new()));
        assert!(directory.fails("away"));
        assert!(!directory.fails("away"));
        assert!(directory.fails("busy"));
        directory.recovers();
        assert!(directory.fails("busy"));
        directory.replace(&[]);
        assert!(directory.fails("busy"));
    }

    #[test]
    fn what_is_listed_is_new_when_a_pod_or_a_container_is() {
        let config = Config {
            annotate_containers: true,
            ..Config::default()
        };
        let directory = Directory::new(Naming::new(&config, String::new()));
        let pod = |containers: &str| {
            let text = format!(
                r#"{{"metadata": {{"uid": "1"}}, "status": {{"containerStatuses": [{containers}]}}}}"#
            );
            [serde_json::from_str::<Pod>(&text).unwrap()]
        };
        assert!(directory.replace(&pod("")));
        assert!(!directory.replace(&pod("")));
        assert!(directory.replace(&pod(r#"{"name": "a", "containerID": "docker://1"}"#)));
        assert!(!directory.replace(&[]));
    }
}
