//! What the columns of a file mean, by their names in the header, in upper or lower case.

use std::borrow::Cow;

use super::fields::Fields;
use super::name::metric_name;

/// Names of columns that a file calls otherwise.
#[derive(Debug, Clone, Default)]
pub(crate) struct ColumnNames {
    pub(crate) id: Option<String>,
    pub(crate) host: Option<String>,
    pub(crate) time: Option<String>,
}

/// What the columns mean.
#[derive(Debug)]
pub(crate) struct Columns {
    names: Vec<String>,
    /// Those that name the GPU; the first that is not empty does.
    pub(crate) ids: Vec<usize>,
    /// The one with the number of the GPU in its machine, besides its name.
    pub(crate) index: Option<usize>,
    pub(crate) host: Option<usize>,
    pub(crate) time: Option<usize>,
    /// Other attributes: the name of each and its column.
    pub(crate) labels: Vec<(&'static str, usize)>,
    pub(crate) form: Form,
}

/// How a row holds numbers.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// One, with the name of its metric: what the exporter of DCGM has, as a dump.
    Long {
        /// The column with the name.
        metric: usize,
        /// The column with the number.
        value: usize,
    },
    /// One in each of these columns, whose names are those of the metrics.
    Wide(Vec<usize>),
}

/// Attributes, by the names that their columns have.
const LABELS: [(&str, &[&str]); 5] = [
    ("device", &["device"]),
    ("model", &["modelname", "model_name", "model"]),
    ("pod", &["pod"]),
    ("namespace", &["namespace"]),
    ("container", &["container"]),
];

impl Columns {
    /// What the columns of `header` mean. In the wide form, all that mean nothing else may be metrics.
    ///
    /// # Errors
    /// What it lacks, and how to mend it.
    pub(crate) fn of(header: &Fields, names: &ColumnNames) -> Result<Self, String> {
        let all: Vec<_> = (0..header.len())
            .map(|index| header.get(index).to_owned())
            .collect();
        let position = |name: &str| all.iter().position(|one| one.eq_ignore_ascii_case(name));
        let first = |names: &[&str]| names.iter().find_map(|name| position(name));
        let column = |key: &str, name: &Option<String>, usual: &[&str]| match name {
            None => Ok(first(usual)),
            Some(name) => position(name).map(Some).ok_or_else(|| {
                let all = all.join("`, `");
                format!("it has no column `{name}`, which `{key}` names; its columns are `{all}`")
            }),
        };
        let ids: Vec<_> = match column("id_column", &names.id, &[])? {
            Some(id) => vec![id],
            None => ["uuid", "gpu_id"].into_iter().filter_map(position).collect(),
        };
        if ids.is_empty() {
            let all = all.join("`, `");
            return Err(format!(
                "no column names the GPU: its first line must have a column `uuid` or `gpu_id`, or one that the key \
                 `id_column` names; there are `{all}`"
            ));
        }
        let host = column("host_column", &names.host, &["hostname", "host", "node"])?;
        let time = column("time_column", &names.time, &["timestamp", "time"])?;
        let index = position("gpu_id");
        let labels: Vec<_> = LABELS
            .into_iter()
            .filter_map(|(label, names)| Some((label, first(names)?)))
            .collect();
        let form = match (position("metric_name"), position("value")) {
            (Some(metric), Some(value)) => Form::Long { metric, value },
            _ => {
                let is_other = |column: &usize| {
                    let known = ids.iter().chain(&index).chain(&host).chain(&time);
                    known
                        .chain(labels.iter().map(|(_, label)| label))
                        .all(|known| known != column)
                };
                Form::Wide((0..all.len()).filter(is_other).collect())
            }
        };
        Ok(Self {
            names: all,
            ids,
            index,
            host,
            time,
            labels,
            form,
        })
    }

    /// The names of metrics that columns are: in the wide form only.
    pub(crate) fn metrics(&self) -> Option<Vec<Cow<'_, str>>> {
        match &self.form {
            Form::Long { .. } => None,
            Form::Wide(metrics) => Some(
                metrics
                    .iter()
                    .map(|column| metric_name(self.name(*column)))
                    .collect(),
            ),
        }
    }

    /// How many columns there are.
    pub(crate) const fn len(&self) -> usize {
        self.names.len()
    }

    /// The name of a column.
    pub(crate) fn name(&self, column: usize) -> &str {
        self.names.get(column).map_or("", String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(header: &str, names: &ColumnNames) -> Result<Columns, String> {
        let mut fields = Fields::new();
        fields.split(header.as_bytes()).unwrap();
        Columns::of(&fields, names)
    }

    #[test]
    fn all_known_headers_are_told_apart() {
        let none = ColumnNames::default();
        let wide = of("gpu_id,utilization,temperature,memory_used", &none).unwrap();
        assert_eq!((wide.ids, wide.form), (vec![0], Form::Wide(vec![1, 2, 3])));

        let header = "timestamp,metric_name,gpu_id,device,uuid,modelName,Hostname,container,pod,namespace,value,labels_raw";
        let long = of(header, &none).unwrap();
        assert_eq!((long.ids, long.index), (vec![4, 2], Some(2)));
        assert_eq!((long.time, long.host), (Some(0), Some(6)));
        let labels = [
            ("device", 3),
            ("model", 5),
            ("pod", 8),
            ("namespace", 9),
            ("container", 7),
        ];
        assert_eq!(long.labels, labels);
        assert_eq!(long.form, Form::Long { metric: 1, value: 10 });

        let header = "timestamp,metric_name,gpu_id,uuid,hostname,model_name,value,labels";
        let long = of(header, &none).unwrap();
        assert_eq!((long.host, long.labels), (Some(4), vec![("model", 5)]));
    }

    #[test]
    fn columns_with_other_names_are_named() {
        let names = ColumnNames {
            id: Some("card".to_owned()),
            host: Some("machine".to_owned()),
            time: Some("when".to_owned()),
        };
        let columns = of("when,machine,card,watts", &names).unwrap();
        assert_eq!(
            (columns.ids, columns.host, columns.time),
            (vec![2], Some(1), Some(0))
        );
        assert_eq!(columns.form, Form::Wide(vec![3]));
        let message = of("when,card,watts", &names).unwrap_err();
        assert!(
            message.contains("`machine`, which `host_column` names"),
            "{message}"
        );
    }

    #[test]
    fn a_file_of_something_else_is_refused_with_its_columns() {
        let message = of("a,b", &ColumnNames::default()).unwrap_err();
        assert!(
            message.contains("`id_column`") && message.contains("`a`, `b`"),
            "{message}"
        );
    }
}
