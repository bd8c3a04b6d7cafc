use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;

use super::*;

/// A directory in the place of a hierarchy, and what a caller of the watcher believes about it.
struct Scene {
    folder: tempfile::TempDir,
    watcher: Watcher,
    now: Instant,
    known: BTreeMap<CgroupPath, CgroupId>,
}

impl Scene {
    fn new() -> Self {
        Self::with_watches(usize::MAX)
    }

    fn with_watches(most: usize) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let now = Instant::now();
        let watcher = Watcher::with_watches(most, folder.path(), now).unwrap();
        let known = BTreeMap::new();
        Self {
            folder,
            watcher,
            now,
            known,
        }
    }

    fn make(&self, path: &str) {
        fs::create_dir_all(self.folder.path().join(path)).unwrap();
    }

    fn remove(&self, path: &str) {
        fs::remove_dir_all(self.folder.path().join(path)).unwrap();
    }

    /// Asks for changes and makes sure that they fit to what is known: nothing twice, parents first, children gone first.
    fn changes(&mut self) -> Vec<String> {
        let mut changes = Vec::new();
        self.watcher.changes(self.now, &mut changes).unwrap();
        let mut texts = Vec::new();
        for change in changes {
            match change {
                Change::Appeared { path, id } => {
                    texts.push(format!("+{path}"));
                    let parent = path.parent();
                    assert!(
                        parent.is_none_or(|parent| self.known.contains_key(&parent)),
                        "{path}"
                    );
                    assert_eq!(self.known.insert(path.clone(), id), None, "{path} twice");
                }
                Change::EventsChanged { .. } => panic!("these directories have no such file"),
                Change::Vanished { path, id } => {
                    texts.push(format!("-{path}"));
                    assert_eq!(self.known.remove(&path), Some(id), "{path}");
                    let is_child = |other: &CgroupPath| other.parent().as_ref() == Some(&path);
                    assert!(!self.known.keys().any(is_child), "{path}");
                }
            }
        }
        texts
    }

    /// The known control groups are those that a naive walk finds.
    fn assert_in_line(&mut self) {
        self.changes();
        let mut expected = BTreeMap::new();
        let mut open = vec![CgroupPath::root()];
        while let Some(path) = open.pop() {
            let folder = path.below(self.folder.path());
            expected.insert(path.clone(), folder::identity(&folder).unwrap());
            for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
                if entry.file_type().unwrap().is_dir() {
                    open.push(path.child(&entry.file_name()).unwrap());
                }
            }
        }
        assert_eq!(self.known, expected);
        let known = self.watcher.known().map(|(path, id)| (path.clone(), id));
        assert_eq!(known.collect::<BTreeMap<_, _>>(), expected);
    }
}

fn everywhere(check: impl Fn(&mut Scene)) {
    for most in [usize::MAX, 2, 0] {
        check(&mut Scene::with_watches(most));
    }
}

#[test]
fn what_exists_at_the_start_and_what_comes_later_appears_once() {
    everywhere(|scene| {
        scene.make("a/b");
        assert_eq!(scene.changes(), ["+/", "+/a", "+/a/b"]);
        assert!(scene.changes().is_empty());
        scene.make("a/b/c/d");
        scene.now += RESCAN_INTERVAL;
        assert_eq!(scene.changes(), ["+/a/b/c", "+/a/b/c/d"]);
        scene.remove("a/b");
        scene.now += RESCAN_INTERVAL;
        assert_eq!(scene.changes(), ["-/a/b/c/d", "-/a/b/c", "-/a/b"]);
        scene.assert_in_line();
    });
}

#[test]
fn a_group_made_anew_under_the_same_name_has_a_new_identity() {
    everywhere(|scene| {
        scene.make("a/b");
        scene.changes();
        // The new directory is made before the old one is removed: the file system cannot reuse its number.
        scene.make("new/b");
        scene.remove("a");
        fs::rename(scene.folder.path().join("new"), scene.folder.path().join("a")).unwrap();
        scene.now += RESCAN_INTERVAL;
        let changes = scene.changes();
        assert_eq!(changes[..2], ["-/a/b", "-/a"], "{changes:?}");
        scene.assert_in_line();
    });
}

#[test]
fn a_renamed_group_vanishes_and_appears_with_all_below_it_and_stays_watched() {
    everywhere(|scene| {
        scene.make("a/b");
        scene.changes();
        fs::rename(scene.folder.path().join("a"), scene.folder.path().join("z")).unwrap();
        scene.now += RESCAN_INTERVAL;
        let mut changes = scene.changes();
        changes.sort();
        assert_eq!(changes, ["+/z", "+/z/b", "-/a", "-/a/b"]);
        scene.make("z/b/c");
        scene.now += RESCAN_INTERVAL;
        assert_eq!(scene.changes(), ["+/z/b/c"]);
    });
}

#[test]
fn every_kind_of_name_survives() {
    let mut scene = Scene::new();
    scene.changes();
    let names: [&[u8]; 5] = [
        b"a b",
        b"it's \"x\"",
        b"line\nfeed",
        b"\xff\xfe",
        b"user\\x2d1.slice",
    ];
    for name in names {
        fs::create_dir(scene.folder.path().join(OsStr::from_bytes(name))).unwrap();
    }
    scene.assert_in_line();
    for name in names {
        let path = CgroupPath::root().child(OsStr::from_bytes(name)).unwrap();
        assert!(scene.known.contains_key(&path), "{path}");
        assert_eq!(path.to_string().parse(), Ok(path));
    }
}

#[test]
fn an_overflow_loses_nothing_and_new_directories_get_their_watches() {
    let mut scene = Scene::new();
    scene.make("kept");
    scene.make("lost/below");
    scene.changes();
    let queue: usize = fs::read_to_string("/proc/sys/fs/inotify/max_queued_events")
        .unwrap()
        .trim()
        .parse()
        .unwrap();
    if queue > 100_000 {
        println!("skipped: the queue of {queue} events takes too long to fill");
        return;
    }
    for _ in 0..queue / 2 + 100 {
        scene.make("kept/flood");
        scene.remove("kept/flood");
    }
    // All this is beyond the end of the queue.
    scene.remove("lost");
    scene.make("new/below");
    scene.assert_in_line();
    assert_eq!(scene.watcher.told, [OVERFLOW]);
    assert_eq!(scene.watcher.watches(), 4);
    scene.make("new/below/deep");
    assert_eq!(scene.changes(), ["+/new/below/deep"]);
}

#[test]
fn a_shortage_of_watches_is_told_once_and_ends_with_the_shortage() {
    let mut scene = Scene::with_watches(2);
    scene.make("a/b");
    scene.changes();
    assert_eq!(
        (&scene.watcher.told[..], scene.watcher.watches()),
        (&[NO_WATCH][..], 2)
    );
    scene.make("a/b/c");
    assert!(
        scene.changes().is_empty(),
        "not watched, and not yet time to look"
    );
    scene.now += RESCAN_INTERVAL;
    assert_eq!(scene.changes(), ["+/a/b/c"]);
    assert_eq!(scene.watcher.told.len(), 1);
    scene.remove("a");
    scene.make("d");
    scene.now += RESCAN_INTERVAL;
    scene.assert_in_line();
    scene.now += RESCAN_INTERVAL;
    scene.assert_in_line();
    assert_eq!(scene.watcher.watches(), 2, "the root and /d");
}

#[test]
fn a_mount_that_vanishes_is_reported_and_found_again() {
    let folder = tempfile::tempdir().unwrap();
    let mount = folder.path().join("mount");
    fs::create_dir_all(mount.join("a")).unwrap();
    let now = Instant::now();
    let mut watcher = Watcher::at(&mount, now).unwrap();
    let mut changes = Vec::new();
    watcher.changes(now, &mut changes).unwrap();
    fs::remove_dir_all(&mount).unwrap();
    changes.clear();
    watcher.changes(now, &mut changes).unwrap();
    assert_eq!(changes.len(), 2, "{changes:?}");
    let error = watcher.changes(now, &mut changes).unwrap_err();
    assert!(matches!(error, ReadError::Gone { .. }));
    assert_eq!(watcher.watches(), 0);
    fs::create_dir_all(mount.join("b")).unwrap();
    changes.clear();
    watcher.changes(now, &mut changes).unwrap();
    assert_eq!(changes.len(), 2, "{changes:?}");
    assert!(Watcher::at(&folder.path().join("none"), now).is_err());
}

#[test]
fn groups_that_come_and_go_while_they_are_looked_at_leave_no_trace() {
    let mut scene = Scene::new();
    let root = scene.folder.path().to_path_buf();
    let churn = std::thread::spawn(move || {
        for round in 0..3_000 {
            let path = root.join(format!("x{}/y/z", round % 3));
            fs::create_dir_all(&path).unwrap();
            if round % 2 == 0 {
                fs::remove_dir_all(root.join(format!("x{}", round % 3))).unwrap();
            }
        }
    });
    while !churn.is_finished() {
        scene.changes();
    }
    churn.join().unwrap();
    scene.assert_in_line();
    assert_eq!(scene.watcher.watches(), scene.known.len());
}

#[test]
fn the_descriptor_becomes_readable_when_something_changed() {
    use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
    let mut scene = Scene::new();
    scene.changes();
    let ready = |scene: &Scene| {
        let mut fds = [PollFd::new(scene.watcher.fd().unwrap(), PollFlags::POLLIN)];
        poll(&mut fds, PollTimeout::ZERO).unwrap() == 1
    };
    assert!(!ready(&scene));
    scene.make("a");
    assert!(ready(&scene));
    scene.changes();
    assert!(!ready(&scene));
}
