//! Who a user is: asks the system, and knows no type of Alumet.

use std::path::{Path, PathBuf};
use std::{fs, io};

use nix::errno::Errno;
use nix::unistd::{Uid, User};

/// Half of what is known about a user; the other half is the question.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Known {
    Id(u64),
    Name(Box<str>),
}

/// Why a user is not known.
#[derive(Debug, thiserror::Error)]
pub(crate) enum UserError {
    #[error("there is no user {0} on this machine, although OAR runs a job of it; see `getent passwd`")]
    Unknown(String),
    #[error(
        "the system does not tell who a user of OAR is ({0}); see `getent passwd` and `/etc/nsswitch.conf`"
    )]
    System(#[from] Errno),
    #[error("`{0}` cannot be read, so users of OAR are not known ({1}); show it to the agent")]
    File(PathBuf, io::Error),
}

/// The number and the name of a user. The machine itself is asked as its programs ask, with all that `/etc/nsswitch.conf` names; of
/// another root only `/etc/passwd` is read.
pub(crate) fn look_up(known: &Known, root: &Path) -> Result<(u64, String), UserError> {
    let found = match root == Path::new("/") {
        true => of_system(known)?,
        false => {
            let path = root.join("etc/passwd");
            let table = fs::read_to_string(&path).map_err(|error| UserError::File(path, error))?;
            of_table(known, &table)
        }
    };
    found.ok_or_else(|| {
        UserError::Unknown(match known {
            Known::Id(id) => format!("with the id {id}"),
            Known::Name(name) => format!("`{name}`"),
        })
    })
}

fn of_system(known: &Known) -> Result<Option<(u64, String)>, Errno> {
    let user = match known {
        Known::Id(id) => match u32::try_from(*id) {
            Ok(id) => User::from_uid(Uid::from_raw(id))?,
            Err(_) => None,
        },
        Known::Name(name) => User::from_name(name)?,
    };
    Ok(user.map(|user| (user.uid.as_raw().into(), user.name)))
}

/// Format: passwd(5).
fn of_table(known: &Known, table: &str) -> Option<(u64, String)> {
    let mut users = table.lines().filter_map(|line| {
        let mut fields = line.split(':');
        let (name, id) = (fields.next()?, fields.nth(1)?);
        Some((id.parse().ok()?, name.to_owned()))
    });
    users.find(|(id, name)| match known {
        Known::Id(known) => known == id,
        Known::Name(known) => **known == **name,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_machine_itself_knows_root_by_both_and_nobody_by_what_nobody_has() {
        let root = Path::new("/");
        let expected = (0, "root".to_owned());
        assert_eq!(look_up(&Known::Id(0), root).unwrap(), expected);
        assert_eq!(look_up(&Known::Name("root".into()), root).unwrap(), expected);
        for (known, what) in [
            (Known::Id(4_000_000_001), "with the id 4000000001"),
            (Known::Id(u64::MAX), "with the id"),
            (Known::Name("no such user".into()), "`no such user`"),
        ] {
            let error = look_up(&known, root).unwrap_err().to_string();
            assert!(error.contains(what), "{error}");
        }
    }

    #[test]
    fn a_table_is_searched_by_both() {
        let table = "root:x:0:0::/root:/bin/sh\nbroken\nx:y:z\na-l1ce_b:x:1000:1000::/:/bin/sh\n";
        let expected = Some((1000, "a-l1ce_b".to_owned()));
        assert_eq!(of_table(&Known::Id(1000), table), expected);
        assert_eq!(of_table(&Known::Name("a-l1ce_b".into()), table), expected);
        assert_eq!(of_table(&Known::Id(1), table), None);
    }

    proptest! {
        #[test]
        fn any_table_is_taken(table: String, id: u64) {
            let _ = of_table(&Known::Id(id), &table);
        }
    }
}
