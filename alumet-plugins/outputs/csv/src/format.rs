//! How a line looks: what the keys of the configuration come to.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a file looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Dialect {
    /// As Alumet has always written it: semicolons, the unit at the end of the name of the metric, and the last column
    /// `__late_attributes`.
    #[default]
    Original,
    /// For whatever reads CSV: commas, the name of the metric as it is, its unit in the column `unit`, and the last column
    /// `attributes`.
    Plain,
}

/// How lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Format {
    pub(crate) dialect: Dialect,
    /// What separates columns.
    pub(crate) delimiter: u8,
    /// What separates the attributes in the last column of the original dialect.
    pub(crate) late_delimiter: u8,
    /// Whether the name of the metric ends in its unit.
    pub(crate) unit_in_name: bool,
    /// Whether units are the symbols shown to people.
    pub(crate) unit_symbol: bool,
    /// Whether a spreadsheet must find no formula.
    pub(crate) spreadsheet_safe: bool,
}

impl Dialect {
    /// The columns before the attributes.
    pub(crate) const fn leading(self) -> &'static [&'static str] {
        match self {
            Self::Original => &[
                "metric",
                "timestamp",
                "value",
                "resource_kind",
                "resource_id",
                "consumer_kind",
                "consumer_id",
            ],
            Self::Plain => &[
                "metric",
                "timestamp",
                "value",
                "unit",
                "resource_kind",
                "resource_id",
                "consumer_kind",
                "consumer_id",
            ],
        }
    }

    /// The last column: attributes that have no column of their own.
    pub(crate) const fn last(self) -> &'static str {
        match self {
            Self::Original => "__late_attributes",
            Self::Plain => "attributes",
        }
    }

    /// Whether a column that every file has is called so.
    pub(crate) fn is_fixed(self, key: &str) -> bool {
        key == self.last() || self.leading().contains(&key)
    }
}
