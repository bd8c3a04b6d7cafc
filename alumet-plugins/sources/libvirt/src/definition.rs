//! What libvirt writes down of a domain.
//!
//! Formats: `docs/formatdomain.rst` of libvirt; `qemuDomainObjPrivateXMLFormat` and `virDomainObjFormat` for the status of a domain
//! that runs; `nova/virt/libvirt/config.py` (`LibvirtConfigGuestMetaNovaInstance`) for the metadata of OpenStack.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use alumet_reader_cgroupfs::layout::machine::Domain;

use crate::xml::{Element, elements};

/// What a file says of a domain.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Definition {
    /// The number that it has while it runs.
    pub(crate) number: Option<u32>,
    pub(crate) name: Option<String>,
    pub(crate) uuid: Option<String>,
    /// What the instance is called in OpenStack.
    pub(crate) instance: Option<String>,
    /// The project of the instance, and its id.
    pub(crate) project: Option<String>,
    pub(crate) project_id: Option<String>,
}

/// A definition is some kilobytes, a status with all capabilities of QEMU some dozens of them.
const LONGEST: u64 = 4 << 20;

impl Definition {
    /// What libvirt says of a domain that runs; `None` when no file is about it.
    ///
    /// # Errors
    /// When a file could not be read.
    pub(crate) fn find(root: &Path, domain: &Domain<'_>) -> io::Result<Option<Self>> {
        // A name that leaves the folder is none of libvirt.
        let has_file = !domain.name.contains('/');
        let file = format!("{}.xml", domain.name);
        let running = root.join("run/libvirt").join(domain.driver);
        if has_file
            && let Some(found) = Self::read(&running.join(&file))?
            && (found.number == domain.number || domain.number.is_none())
        {
            return Ok(Some(found));
        }
        // The name of the group is only a part of that of the domain.
        if domain.number.is_some() {
            for path in files(&running)? {
                if let Some(found) = Self::read(&path)?
                    && found.number == domain.number
                {
                    return Ok(Some(found));
                }
            }
        }
        match has_file {
            true => Self::read(&root.join("etc/libvirt").join(domain.driver).join(file)),
            false => Ok(None),
        }
    }

    fn read(path: &Path) -> io::Result<Option<Self>> {
        let mut bytes = Vec::new();
        let read = File::open(path).and_then(|file| file.take(LONGEST).read_to_end(&mut bytes));
        match read {
            Ok(_) => Ok(Some(Self::parse(&String::from_utf8_lossy(&bytes)))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(with_path(path, &error)),
        }
    }

    fn parse(text: &str) -> Self {
        let mut all = Self::default();
        elements(text, |element| all.take(element));
        all
    }

    fn take(&mut self, element: &Element<'_>) {
        let text = || Some(element.text().into_owned()).filter(|text| !text.is_empty());
        if element.is(&["domain"]) {
            self.number = element.attribute("id").and_then(|id| id.parse().ok());
        } else if element.is(&["domain", "name"]) {
            self.name = text();
        } else if element.is(&["domain", "uuid"]) {
            self.uuid = text();
        } else if element.is(&["metadata", "instance", "name"]) {
            self.instance = text();
        } else if element.is(&["instance", "owner", "project"]) {
            self.project = text();
            self.project_id = element.attribute("uuid").map(Into::into);
        }
    }
}

/// The files of all domains that run.
fn files(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(with_path(folder, &error)),
    };
    let paths = entries.flatten().map(|entry| entry.path());
    Ok(paths
        .filter(|path| path.extension().is_some_and(|end| end == "xml"))
        .collect())
}

fn with_path(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(
        error.kind(),
        format!("`{}` cannot be read: {error}", path.display()),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const STATUS: &str = r#"<!-- WARNING -->
<domstatus state='running' reason='booted' pid='4711'>
  <monitor path='/var/lib/libvirt/qemu/domain-21-instance-0000001d/monitor.sock' type='unix'/>
  <qemuCaps><flag name='name'/></qemuCaps>
  <domain type='kvm' id='21'>
    <name>instance-0000001d</name>
    <uuid>bf8f03d1-5e96-4f63-8348-5e703d2c8c01</uuid>
    <metadata>
      <nova:instance xmlns:nova="http://openstack.org/xmlns/libvirt/nova/1.1">
        <nova:package version="25.1.0"/>
        <nova:name>web &amp; db</nova:name>
        <nova:flavor name="m1.small"><nova:memory>64</nova:memory></nova:flavor>
        <nova:owner>
          <nova:user uuid="ff62">admin</nova:user>
          <nova:project uuid="512866f9994f4ad8916d8539a7cdeec9">shop</nova:project>
        </nova:owner>
      </nova:instance>
    </metadata>
    <devices><disk><source><name>no</name><uuid>no</uuid></source></disk></devices>
  </domain>
</domstatus>"#;

    #[test]
    fn a_status_tells_number_name_uuid_and_what_openstack_notes() {
        let text = |text: &str| Some(text.to_owned());
        let expected = Definition {
            number: Some(21),
            name: text("instance-0000001d"),
            uuid: text("bf8f03d1-5e96-4f63-8348-5e703d2c8c01"),
            instance: text("web & db"),
            project: text("shop"),
            project_id: text("512866f9994f4ad8916d8539a7cdeec9"),
        };
        assert_eq!(Definition::parse(STATUS), expected);
    }

    #[test]
    fn a_file_that_is_cut_off_tells_what_stands_before() {
        let whole = Definition::parse(STATUS);
        for end in (0..STATUS.len()).filter(|end| STATUS.is_char_boundary(*end)) {
            let part = Definition::parse(&STATUS[..end]);
            assert!(part.project_id.is_none() || part.project_id == whole.project_id);
        }
        assert_eq!(Definition::parse("garbage"), Definition::default());
    }
}
