//! Control groups of the jobs of OAR.
//!
//! Source of the names: `job_resource_manager_cgroups.pl` of OAR 2 and `job_resource_manager_systemd.pl` of OAR 3:
//!
//! ```text
//! OAR 2   …/oar/<user>_<job>
//! OAR 3   …/oar-u<uid>.slice/oar-u<uid>-j<job>.slice/oar-u<uid>-j<job>-….scope
//! ```

use alumet_reader_kernel_file::fields::number;

use crate::CgroupPath;

/// A control group in a job, or that of the job itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OarGroup<'a> {
    /// The number of the job.
    pub job_id: u64,
    /// Who submitted it.
    pub owner: OarOwner<'a>,
    /// Whether it is in the group of the job: what it uses is in there, too.
    pub is_inside: bool,
}

/// What the name tells of the owner of a job; it is the version that has made it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OarOwner<'a> {
    /// OAR 2: the name.
    Name(&'a str),
    /// OAR 3: the number.
    Id(u64),
}

impl<'a> OarGroup<'a> {
    /// What the name tells; `None` for what is in no job.
    pub fn of(path: &'a CgroupPath) -> Option<Self> {
        let mut parts = path.as_bytes().split(|byte| *byte == b'/');
        let mut is_below_oar = false;
        while let Some(part) = parts.next() {
            let of_2 = || by_name(part).filter(|_| is_below_oar);
            if let Some((owner, job_id)) = by_number(part).or_else(of_2) {
                let is_inside = parts.next().is_some();
                return Some(Self {
                    job_id,
                    owner,
                    is_inside,
                });
            }
            is_below_oar = part == b"oar";
        }
        None
    }
}

/// `oar-u<uid>-j<job>`, as a slice or not; the scopes of a job have more behind it.
fn by_number(part: &[u8]) -> Option<(OarOwner<'_>, u64)> {
    let part = part.strip_suffix(b".slice").unwrap_or(part);
    let rest = part.strip_prefix(b"oar-u")?;
    let dash = rest.iter().position(|byte| *byte == b'-')?;
    let job = rest.get(dash..)?.strip_prefix(b"-j")?;
    Some((OarOwner::Id(number(rest.get(..dash)?)?), number(job)?))
}

/// `<user>_<job>`; the name can have underscores as well.
fn by_name(part: &[u8]) -> Option<(OarOwner<'_>, u64)> {
    let (user, job) = str::from_utf8(part).ok()?.rsplit_once('_')?;
    let job = number(job.as_bytes())?;
    (!user.is_empty()).then_some((OarOwner::Name(user), job))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn told(path: &str) -> Option<String> {
        let path = path.parse().unwrap();
        let group = OarGroup::of(&path)?;
        let owner = match group.owner {
            OarOwner::Name(name) => name.to_owned(),
            OarOwner::Id(id) => id.to_string(),
        };
        let inside = if group.is_inside { " inside" } else { "" };
        Some(format!("{} of {owner}{inside}", group.job_id))
    }

    #[test]
    fn each_layout_tells_its_job() {
        for (path, expected, seen) in [
            ("/oar/alice_42", "42 of alice", "OAR 2.5"),
            (
                "/oar/a-l1ce_b_42",
                "42 of a-l1ce_b",
                "OAR 2.5, a name with digits, dashes and underscores",
            ),
            ("/docker/0a/oar/alice_42", "42 of alice", "OAR 2.5 in a container"),
            ("/oar/alice_42/own", "42 of alice inside", "made by a user"),
            (
                "/oar.slice/oar-u1000.slice/oar-u1000-j8.slice",
                "8 of 1000",
                "OAR 3, the slice of a job",
            ),
            (
                "/oar.slice/oar-u1000.slice/oar-u1000-j8.slice/oar-u1000-j8-p30076.scope",
                "8 of 1000 inside",
                "OAR 3, a process of a job",
            ),
            (
                "/oar.slice/oar-u1000.slice/oar-u1000-j8.slice/oar-u1000-j8-s1-p2.scope/oar-u1-j2",
                "8 of 1000 inside",
                "made by a user",
            ),
            (
                "/oar.slice/oar-u1000/oar-u1000-j8",
                "8 of 1000",
                "the first plugin of the original",
            ),
        ] {
            assert_eq!(told(path).as_deref(), Some(expected), "{path}, seen: {seen}");
        }
    }

    #[test]
    fn what_is_in_no_job_is_left_alone() {
        for path in [
            "/",
            "/oar",
            "/oar.slice",
            "/oar.slice/oar-u1000.slice",
            "/oar.slice/oar-u1000.slice/oar-u1000-j.slice",
            "/oar.slice/oar-u-j8.slice",
            "/oar.slice/oar-u1000-j8-p30076.scope",
            "/oar/alice",
            "/oar/_42",
            "/oar/alice_",
            "/oar/alice_99999999999999999999",
            "/other/alice_42",
            "/oar/below/alice_42",
        ] {
            assert_eq!(told(path), None, "{path}");
        }
    }

    proptest! {
        #[test]
        fn any_path_is_taken_or_refused(bytes: Vec<u8>, text in "(/(oar|oar-u[0-9]{0,25}(-j[0-9]{0,25})?(.slice)?|[a-z_]{0,3}_[0-9]{0,25})){0,6}") {
            for bytes in [&bytes[..], text.as_bytes()] {
                if let Ok(path) = CgroupPath::from_bytes(bytes) {
                    let _ = OarGroup::of(&path);
                }
            }
        }
    }
}
