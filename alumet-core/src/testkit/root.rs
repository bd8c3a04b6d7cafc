use std::path::{Path, PathBuf};

use tempfile::TempDir;

/// A temporary folder that stands for `/`, so that a plugin finds the files that a test wants it to find.
#[derive(Debug)]
pub struct FakeRoot {
    folder: TempDir,
}

impl FakeRoot {
    /// An empty root.
    ///
    /// # Panics
    /// When no temporary folder can be made.
    pub fn new() -> Self {
        Self {
            folder: TempDir::new().expect("a temporary folder"),
        }
    }

    /// A copy of a fixture folder, which the test may then change.
    ///
    /// # Panics
    /// When the folder cannot be read.
    pub fn copy_of(fixture: impl AsRef<Path>) -> Self {
        let root = Self::new();
        copy(fixture.as_ref(), root.path());
        root
    }

    /// The folder itself.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// The place of `path`, which may begin with `/`.
    pub fn at(&self, path: impl AsRef<Path>) -> PathBuf {
        let path = path.as_ref();
        self.path().join(path.strip_prefix("/").unwrap_or(path))
    }

    /// As [`Self::at`]; the folders above it are made.
    fn place(&self, path: impl AsRef<Path>) -> PathBuf {
        let path = self.at(path);
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent).expect("a folder in the fake root");
        }
        path
    }

    /// Writes a file, making its folders. An existing file keeps its inode, as files of the kernel do.
    ///
    /// # Panics
    /// When it cannot be written.
    pub fn write(&self, path: impl AsRef<Path>, content: impl AsRef<[u8]>) -> &Self {
        let path = self.place(path);
        std::fs::write(&path, content)
            .unwrap_or_else(|error| panic!("cannot write {}: {error}", path.display()));
        self
    }

    /// Makes a symbolic link.
    ///
    /// # Panics
    /// When it cannot be made.
    pub fn link(&self, path: impl AsRef<Path>, target: impl AsRef<Path>) -> &Self {
        let path = self.place(path);
        std::os::unix::fs::symlink(target, &path)
            .unwrap_or_else(|error| panic!("cannot link {}: {error}", path.display()));
        self
    }

    /// Removes a file, or a folder with all that is in it.
    ///
    /// # Panics
    /// When it cannot be removed.
    pub fn remove(&self, path: impl AsRef<Path>) -> &Self {
        let path = self.at(path);
        let result = if path.is_dir() {
            std::fs::remove_dir_all(&path)
        } else {
            std::fs::remove_file(&path)
        };
        result.unwrap_or_else(|error| panic!("cannot remove {}: {error}", path.display()));
        self
    }
}

impl Default for FakeRoot {
    fn default() -> Self {
        Self::new()
    }
}

fn copy(from: &Path, to: &Path) {
    let entries =
        std::fs::read_dir(from).unwrap_or_else(|error| panic!("cannot read {}: {error}", from.display()));
    for entry in entries {
        let entry = entry.expect("an entry of a fixture folder");
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        let kind = entry.file_type().expect("the type of a fixture");
        if kind.is_symlink() {
            std::os::unix::fs::symlink(std::fs::read_link(&source).unwrap(), &target).unwrap();
        } else if kind.is_dir() {
            std::fs::create_dir_all(&target).unwrap();
            copy(&source, &target);
        } else {
            std::fs::copy(&source, &target).unwrap();
        }
    }
}
