use std::fmt;
use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// What was made from some files. Whoever asks for it gets what is in the files now; when they hold something that
/// cannot be used, the last that could.
pub struct Reloading<T, E> {
    paths: Vec<PathBuf>,
    make: Box<dyn Fn() -> Result<T, E> + Send + Sync>,
    state: Mutex<State<T>>,
}

struct State<T> {
    current: T,
    contents: Contents,
    looked: Instant,
}

/// The bytes of each file that can be read. They are few, and tell a change better than times and sizes.
type Contents = Vec<Option<Vec<u8>>>;

impl<T: Clone, E: fmt::Display> Reloading<T, E> {
    /// Looking at the files more often than this would cost without being noticed.
    pub const LOOK_EVERY: Duration = Duration::from_secs(1);

    /// Makes it from the files at `paths` for the first time.
    ///
    /// # Errors
    /// The error of `make`.
    pub fn new(
        paths: Vec<PathBuf>,
        make: impl Fn() -> Result<T, E> + Send + Sync + 'static,
    ) -> Result<Self, E> {
        // Before the files are read: a change in between is found by the next look.
        let contents = contents(&paths);
        let state = State {
            current: make()?,
            contents,
            looked: Instant::now(),
        };
        Ok(Self {
            paths,
            make: Box::new(make),
            state: Mutex::new(state),
        })
    }

    /// What the files hold. Reads them again if they have changed, and looks for that at most once per second.
    pub fn current(&self) -> T {
        let mut state = self.state.lock();
        if state.looked.elapsed() >= Self::LOOK_EVERY {
            state.looked = Instant::now();
            self.look(&mut state);
        }
        state.current.clone()
    }

    fn look(&self, state: &mut State<T>) {
        let found = contents(&self.paths);
        if found == state.contents {
            return;
        }
        // Also when it cannot be used: the warning comes once per change.
        state.contents = found;
        match (self.make)() {
            Ok(made) => {
                state.current = made;
                tracing::info!(files = ?self.paths, "the files have changed and are in use now");
            }
            Err(error) => tracing::warn!(
                %error, files = ?self.paths,
                "the files have changed but cannot be used; what they held before stays in use"
            ),
        }
    }
}

impl<T, E> fmt::Debug for Reloading<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Reloading({:?})", self.paths)
    }
}

fn contents(paths: &[PathBuf]) -> Contents {
    paths.iter().map(|path| fs::read(path).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    type Number = Reloading<u32, String>;

    fn number(path: &std::path::Path) -> Result<Number, String> {
        let file = path.to_owned();
        Reloading::new(vec![path.to_owned()], move || {
            let text = fs::read_to_string(&file).map_err(|error| error.to_string())?;
            text.parse::<u32>().map_err(|error| error.to_string())
        })
    }

    /// As if the last look had been long ago.
    fn wait<T, E>(reloading: &Reloading<T, E>) {
        reloading.state.lock().looked -= Duration::from_secs(2);
    }

    #[test]
    fn a_changed_file_is_read_again_but_not_more_than_once_per_second() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("number");
        fs::write(&path, "1").unwrap();
        let reloading = number(&path).unwrap();
        fs::write(&path, "22").unwrap();
        assert_eq!(reloading.current(), 1);
        wait(&reloading);
        assert_eq!(reloading.current(), 22);
    }

    #[test]
    fn a_file_replaced_by_one_of_the_same_size_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("number");
        fs::write(&path, "1").unwrap();
        let reloading = number(&path).unwrap();
        let other = folder.path().join("other");
        fs::write(&other, "2").unwrap();
        fs::rename(&other, &path).unwrap();
        wait(&reloading);
        assert_eq!(reloading.current(), 2);
    }

    #[test]
    fn a_file_that_cannot_be_used_leaves_the_old_content_until_it_is_mended() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("number");
        fs::write(&path, "1").unwrap();
        let reloading = number(&path).unwrap();
        for broken in [Some("one"), None] {
            match broken {
                Some(text) => fs::write(&path, text).unwrap(),
                None => fs::remove_file(&path).unwrap(),
            }
            wait(&reloading);
            assert_eq!(reloading.current(), 1);
        }
        fs::write(&path, "333").unwrap();
        wait(&reloading);
        assert_eq!(reloading.current(), 333);
    }

    #[test]
    fn without_a_usable_file_there_is_nothing() {
        assert!(number(std::path::Path::new("/proc/no-such-file")).is_err());
    }
}
