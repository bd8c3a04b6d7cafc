//! `/proc/PID/fdinfo/N` of an open card: what its client has used.
//!
//! Format: `Documentation/gpu/drm-usage-stats.rst`.

use alumet_reader_kernel_file::ParseError;
use alumet_reader_kernel_file::fields::{Fields, lines};

/// What a client has used. Reused from reading to reading.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct ClientUsage {
    /// The driver of the card.
    pub driver: String,
    /// The PCI address of the card; empty if the driver does not tell.
    pub bus_id: String,
    /// The number of the client, which no other client of the card has.
    pub client: u64,
    /// The engines that the driver tells of.
    pub engines: Vec<Engine>,
    /// The regions of memory that the driver tells of.
    pub memory: Vec<Region>,
}

/// How long an engine, or a group of equal ones, has worked for a client.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Engine {
    /// Its name, such as `gfx`, `render` or `rcs`.
    pub name: String,
    /// Nanoseconds in which it worked for the client.
    pub busy_ns: Option<u64>,
    /// Cycles in which it worked for the client.
    pub cycles: Option<u64>,
    /// Cycles that passed meanwhile.
    pub total_cycles: Option<u64>,
}

/// What a client holds of a region of memory.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Region {
    /// Its name, such as `vram`, `gtt` or `system`.
    pub name: String,
    /// Bytes that are there for the client now.
    pub bytes: Option<u64>,
}

impl ClientUsage {
    /// Reads the file; a line that is not understood is left out.
    ///
    /// # Errors
    /// When it is not of a client of a card; the usage is then of no use.
    pub fn parse(&mut self, bytes: &[u8]) -> Result<(), ParseError> {
        self.bus_id.clear();
        self.driver.clear();
        for engine in &mut self.engines {
            (engine.busy_ns, engine.cycles, engine.total_cycles) = (None, None, None);
        }
        self.memory.iter_mut().for_each(|region| region.bytes = None);
        let mut client = None;
        for entry in lines(bytes).filter_map(|(_, line)| line.strip_prefix(b"drm-")) {
            let _ = self.take(entry, &mut client);
        }
        self.engines
            .retain(|engine| engine.busy_ns.is_some() || engine.cycles.is_some());
        self.memory.retain(|region| region.bytes.is_some());
        self.client = client.ok_or(ParseError::whole("the number of a DRM client is expected"))?;
        Ok(())
    }

    /// Takes a line, but for `drm-`; none if it is not understood.
    fn take(&mut self, entry: &[u8], client: &mut Option<u64>) -> Option<()> {
        let colon = entry.iter().position(|byte| *byte == b':')?;
        let key = str::from_utf8(&entry[..colon]).ok()?;
        let mut fields = Fields::of(&entry[colon + 1..]);
        let split = |prefix: &str| key.strip_prefix(prefix);
        match key {
            "driver" => self.driver.push_str(str::from_utf8(fields.next()?).ok()?),
            "pdev" => self.bus_id.push_str(str::from_utf8(fields.next()?).ok()?),
            "client-id" => *client = Some(fields.number()?),
            _ => {
                if split("engine-capacity-").is_some() {
                    // How many equal engines a group has.
                } else if let Some(name) = split("engine-") {
                    self.engine(name).busy_ns = Some(fields.number()?);
                } else if let Some(name) = split("total-cycles-") {
                    self.engine(name).total_cycles = Some(fields.number()?);
                } else if let Some(name) = split("cycles-") {
                    self.engine(name).cycles = Some(fields.number()?);
                } else if let Some(name) = split("memory-").or_else(|| split("resident-")) {
                    let factor = |unit: &[u8]| match unit {
                        b"KiB" => Some(1 << 10),
                        b"MiB" => Some(1 << 20),
                        _ => None,
                    };
                    let number = fields.number()?;
                    let factor = fields.next().map_or(Some(1), factor)?;
                    self.region(name).bytes = Some(number.checked_mul(factor)?);
                }
            }
        }
        Some(())
    }

    fn engine(&mut self, name: &str) -> &mut Engine {
        let known = self.engines.iter().position(|engine| engine.name == name);
        let position = known.unwrap_or_else(|| {
            self.engines.push(Engine {
                name: name.to_owned(),
                ..Engine::default()
            });
            self.engines.len() - 1
        });
        &mut self.engines[position]
    }

    fn region(&mut self, name: &str) -> &mut Region {
        let known = self.memory.iter().position(|region| region.name == name);
        let position = known.unwrap_or_else(|| {
            self.memory.push(Region {
                name: name.to_owned(),
                bytes: None,
            });
            self.memory.len() - 1
        });
        &mut self.memory[position]
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// As `amdgpu_show_fdinfo` of Linux 6.12 prints it.
    const AMD: &[u8] = b"pos:\t0\nflags:\t02100002\nmnt_id:\t26\nino:\t685\ndrm-driver:\tamdgpu\ndrm-client-id:\t27\n\
        drm-pdev:\t0000:03:00.0\npasid:\t32770\ndrm-total-vram:\t9000 KiB\ndrm-resident-vram:\t8192 KiB\n\
        drm-memory-vram:\t8192 KiB\ndrm-memory-gtt: \t2 MiB\ndrm-memory-cpu: \t12\ndrm-engine-gfx:\t1020304050 ns\n\
        drm-engine-compute:\t0 ns\n";

    /// From the documentation in `xe_drm_client.c`.
    const XE: &[u8] = b"drm-driver:\txe\ndrm-client-id:\t3\ndrm-pdev:\t0000:03:00.0\ndrm-total-system:\t0\n\
        drm-resident-vram0:\t23992 KiB\ndrm-cycles-vcs:\t28257900\ndrm-total-cycles-vcs:\t7655183225\n\
        drm-engine-capacity-vcs:\t2\n";

    fn engine(name: &str, busy_ns: Option<u64>, cycles: Option<(u64, u64)>) -> Engine {
        Engine {
            name: name.to_owned(),
            busy_ns,
            cycles: cycles.map(|cycles| cycles.0),
            total_cycles: cycles.map(|cycles| cycles.1),
        }
    }

    fn region(name: &str, bytes: u64) -> Region {
        Region {
            name: name.to_owned(),
            bytes: Some(bytes),
        }
    }

    #[test]
    fn engines_and_memory_are_read_and_nothing_stays_of_the_reading_before() {
        let mut usage = ClientUsage::default();
        usage.parse(AMD).unwrap();
        assert_eq!(
            (usage.driver.as_str(), usage.bus_id.as_str(), usage.client),
            ("amdgpu", "0000:03:00.0", 27)
        );
        let gfx = engine("gfx", Some(1_020_304_050), None);
        assert_eq!(usage.engines, [gfx, engine("compute", Some(0), None)]);
        assert_eq!(
            usage.memory,
            [region("vram", 8 << 20), region("gtt", 2 << 20), region("cpu", 12)]
        );

        usage.parse(XE).unwrap();
        assert_eq!(
            usage.engines,
            [engine("vcs", None, Some((28_257_900, 7_655_183_225)))]
        );
        assert_eq!(usage.memory, [region("vram0", 23_992 << 10)]);
    }

    #[test]
    fn a_file_without_a_client_is_refused_and_an_odd_line_left_out() {
        let mut usage = ClientUsage::default();
        assert!(usage.parse(b"pos:\t0\nflags:\t02\n").is_err());
        let odd =
            b"drm-client-id:\t3\ndrm-engine-gfx:\tmany ns\ndrm-memory-vram:\t3 pages\ndrm-memory-gtt:\t4\n";
        usage.parse(odd).unwrap();
        assert_eq!(
            (usage.engines.len(), &usage.memory[..]),
            (0, &[region("gtt", 4)][..])
        );
    }

    proptest! {
        #[test]
        fn any_bytes_are_taken_or_refused(
            bytes: Vec<u8>,
            text in "(drm-(engine-|cycles-|total-cycles-|memory-|client-id)[a-z]{0,2}:?[ \t]?[0-9]{0,21}( KiB| MiB)?\n){0,4}",
        ) {
            let (mut usage, mut fresh) = (ClientUsage::default(), ClientUsage::default());
            let _ = (usage.parse(&bytes), usage.parse(text.as_bytes()));
            let results = (usage.parse(text.as_bytes()), fresh.parse(text.as_bytes()));
            prop_assert_eq!(&results.0, &results.1);
            prop_assert!(results.0.is_err() || usage == fresh);
        }
    }
}
