//! What the names of machines of [Grid'5000](https://www.grid5000.fr) say: `taurus-7.lyon.grid5000.fr` is the device
//! `taurus-7` at the site `lyon`.

#![forbid(unsafe_code)]

use alumet_core::plugin::ConfigFault;

/// The name of a machine.
#[derive(Debug, Clone)]
pub struct Machine(String);

/// What stands for the site in an address.
pub const SITE: &str = "{site}";

impl Machine {
    /// This machine.
    ///
    /// # Errors
    /// When the kernel does not tell its name.
    pub fn this() -> std::io::Result<Self> {
        Ok(Self(nix::unistd::gethostname()?.to_string_lossy().into_owned()))
    }

    /// The device that it is: its name up to the first dot.
    pub fn device(&self) -> &str {
        self.0.split('.').next().unwrap_or(&self.0)
    }

    /// An address in which [`SITE`] stands for the site of this machine.
    ///
    /// # Errors
    /// When it does, and the name of the machine says none; `key` is that of the address.
    pub fn url(&self, key: &str, url: &str) -> Result<String, ConfigFault> {
        let mut labels = self.0.strip_suffix(".grid5000.fr").unwrap_or("").rsplit('.');
        match labels.next() {
            _ if !url.contains(SITE) => Ok(url.to_owned()),
            Some(site) if !site.is_empty() => Ok(url.replace(SITE, site)),
            _ => Err(ConfigFault::new(
                key,
                format!(
                    "{} is not the name of a machine of Grid'5000; write the site into `{key}` in place of `{SITE}`",
                    self.0
                ),
            )),
        }
    }
}

/// A machine with this name.
impl From<&str> for Machine {
    fn from(name: &str) -> Self {
        Self(name.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_says_device_and_site() {
        let (machine, laptop) = (
            Machine::from("taurus-7.lyon.grid5000.fr"),
            Machine::from("laptop"),
        );
        assert_eq!((machine.device(), laptop.device()), ("taurus-7", "laptop"));
        let url = "https://api/sites/{site}/metrics";
        assert_eq!(
            machine.url("url", url).as_deref(),
            Ok("https://api/sites/lyon/metrics")
        );
        let fault = laptop.url("url", url).unwrap_err();
        assert!(fault.to_string().contains("`{site}`"), "{fault}");
        assert_eq!(
            laptop.url("url", "http://localhost/x").as_deref(),
            Ok("http://localhost/x")
        );
    }
}
