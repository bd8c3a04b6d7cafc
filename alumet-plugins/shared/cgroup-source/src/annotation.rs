//! The transform: gives what other plugins measure of a control group, or of a process in one, the attributes of the group.

use alumet_core::series::{SeriesHandle, SeriesId};
use alumet_core::transform::{Transform, TransformContext};
use alumet_core::{Attributes, Batch, Catalog, Consumer, Failure, SeriesMap};
use alumet_reader_procfs::ReadError;

use crate::membership::{Member, Memberships};
use crate::names::Names;

/// Adds the attributes of control groups.
pub(crate) struct Annotation {
    names: Names,
    memberships: Memberships,
    series: SeriesMap<Annotated>,
    /// That of the names, when it was decided what becomes of the series.
    version: u64,
}

/// What becomes of a series.
struct Annotated {
    /// The series with the attributes; `None` if it stays as it is.
    series: Option<SeriesHandle>,
    /// Of which process it is.
    member: Option<Member>,
}

impl Annotation {
    pub(crate) const fn new(names: Names, memberships: Memberships) -> Self {
        Self {
            names,
            memberships,
            series: SeriesMap::new(),
            version: 0,
        }
    }

    fn forget(&mut self) {
        let members = self.series.iter().filter_map(|(_, known)| known.member.as_ref());
        members.for_each(|member| self.memberships.give_back(member));
        self.series.clear();
    }
}

fn plan(
    id: SeriesId,
    names: &Names,
    memberships: &mut Memberships,
    catalog: &Catalog,
) -> Result<Annotated, ReadError> {
    let stays = Annotated {
        series: None,
        member: None,
    };
    let Some(info) = catalog.describe(id) else {
        return Ok(stays);
    };
    let (found, member) = match info.consumer() {
        Consumer::ControlGroup { path } => (names.of(path), None),
        Consumer::Process { pid } => {
            let member = memberships.take(*pid)?;
            (member.as_ref().and_then(|member| names.of(&member.group)), member)
        }
        _ => return Ok(stays),
    };
    let own = info.attributes();
    let both = found.map(|found| {
        // Of two values for a key the later one stays: that which the series had.
        let both = found.iter().chain(own.iter());
        both.map(|(key, value)| (key.clone(), value.clone()))
            .collect::<Attributes>()
    });
    let series = both.filter(|both| both != own).map(|attributes| {
        let mut key = info.key.clone();
        key.attributes = attributes;
        catalog.register(key)
    });
    Ok(Annotated { series, member })
}

impl Transform for Annotation {
    fn apply(&mut self, batch: &mut Batch, context: &TransformContext<'_>) -> Result<(), Failure> {
        // The groups of another node are not those of this machine.
        if batch.origin().is_some() {
            return Ok(());
        }
        let version = self.names.version();
        if version != self.version {
            self.forget();
            self.version = version;
        }
        for index in 0..batch.len() {
            let id = batch.series()[index];
            let annotated = self.series.get_or_try_insert_with(id, || {
                plan(id, &self.names, &mut self.memberships, context.catalog)
            });
            match annotated {
                Ok(Annotated {
                    series: Some(series), ..
                }) => {
                    // The metric is the same, and so is the type of the values.
                    let _ = batch.set_series(index, series);
                }
                Ok(_) => {}
                Err(error) => {
                    tracing::debug!(%error, "the control group of a process could not be read this time");
                }
            }
        }
        Ok(())
    }

    /// It keeps nothing back, but hears only so of series that are gone.
    fn waits(&self) -> bool {
        true
    }

    fn retired(&mut self, series: SeriesId) {
        if let Some(Annotated {
            member: Some(member), ..
        }) = self.series.remove(series)
        {
            self.memberships.give_back(&member);
        }
    }

    fn reset(&mut self) {
        self.forget();
    }
}
