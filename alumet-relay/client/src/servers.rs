//! One server or several, in a configuration file.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The addresses of servers, in the order in which they are tried: `"a:1"` or `["a:1", "b:1"]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(inline)]
#[serde(
    untagged,
    expecting = "an address such as \"127.0.0.1:50051\", or a list of addresses"
)]
pub enum Servers {
    /// One.
    One(String),
    /// Any number.
    Many(Vec<String>),
}

impl Servers {
    /// All addresses.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        match self {
            Self::One(address) => std::slice::from_ref(address).iter(),
            Self::Many(addresses) => addresses.iter(),
        }
        .map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Serialize, Deserialize)]
    struct Table {
        servers: Servers,
    }

    #[test]
    fn one_is_a_text_and_several_are_a_list() {
        for (toml, expected) in [
            ("servers = \"a:1\"\n", vec!["a:1"]),
            ("servers = [\"a:1\", \"b:2\"]\n", vec!["a:1", "b:2"]),
        ] {
            let table: Table = toml::from_str(toml).unwrap();
            assert_eq!(table.servers.iter().collect::<Vec<_>>(), expected);
            assert_eq!(toml::to_string(&table).unwrap(), toml);
        }
        let error = toml::from_str::<Table>("servers = 5").err().unwrap();
        assert!(error.to_string().contains("127.0.0.1:50051"), "{error}");
    }
}
