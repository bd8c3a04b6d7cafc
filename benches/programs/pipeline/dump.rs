//! The file that is replayed, and what is to be stored of it.

use std::collections::HashMap;
use std::fmt::Write;

/// How many GPUs there are, eight in a machine.
pub(crate) const GPUS: usize = 247;

/// A metric, the smallest of its values and the largest, as in a dump of the exporter of DCGM.
pub(crate) const METRICS: [(&str, f64, f64); 10] = [
    ("DCGM_FI_DEV_GPU_UTIL", 0.0, 100.0),
    ("DCGM_FI_DEV_MEM_COPY_UTIL", 0.0, 80.0),
    ("DCGM_FI_DEV_POWER_USAGE", 66.781, 689.457),
    ("DCGM_FI_DEV_GPU_TEMP", 26.0, 80.0),
    ("DCGM_FI_DEV_FB_USED", 4.0, 77_413.0),
    ("DCGM_FI_DEV_FB_FREE", 3594.0, 81_003.0),
    ("DCGM_FI_DEV_DEC_UTIL", 0.0, 0.0),
    ("DCGM_FI_DEV_ENC_UTIL", 0.0, 0.0),
    ("DCGM_FI_DEV_SM_CLOCK", 345.0, 1980.0),
    ("DCGM_FI_DEV_MEM_CLOCK", 2619.0, 2619.0),
];

/// How many rounds are in the file, which begins again after them.
const ROUNDS: usize = 10;

/// What a row of the file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// A value, as in a dump of DCGM.
    Dcgm,
    /// A GPU with all its values.
    Wide,
}

/// A file, and what is in it.
pub(crate) struct Dump {
    pub(crate) text: String,
    /// What each row has: GPU, metric, value.
    rows: Vec<Vec<(usize, usize, f64)>>,
}

/// What is to be stored after so many rows.
pub(crate) struct Expected {
    pub(crate) samples: u64,
    /// How many samples a series has, and their sum, by GPU and metric.
    pub(crate) series: HashMap<(String, String), (u64, f64)>,
}

/// The id of a GPU.
pub(crate) fn uuid(gpu: usize) -> String {
    format!("GPU-{gpu:08x}-0000-4000-8000-000000000000")
}

impl Form {
    pub(crate) fn named(name: &str) -> Option<Self> {
        match name {
            "dcgm" => Some(Self::Dcgm),
            "wide" => Some(Self::Wide),
            _ => None,
        }
    }
}

impl Dump {
    pub(crate) fn new(form: Form) -> Self {
        let mut dump = Self {
            text: String::new(),
            rows: Vec::new(),
        };
        match form {
            Form::Dcgm => dump.write_dcgm(),
            Form::Wide => dump.write_wide(),
        }
        dump
    }

    pub(crate) const fn rows_per_round(&self) -> u32 {
        (self.rows.len() / ROUNDS) as u32
    }

    /// What is to be stored after so many rows.
    pub(crate) fn after(&self, rows: u64) -> Expected {
        let length = self.rows.len() as u64;
        let (passes, rest) = (rows / length, rows % length);
        let mut series: HashMap<_, (u64, f64)> = HashMap::new();
        for (row, samples) in (0..).zip(&self.rows) {
            let times = passes + u64::from(row < rest);
            for &(gpu, metric, value) in samples {
                let (count, sum) = series
                    .entry((uuid(gpu), METRICS[metric].0.to_owned()))
                    .or_default();
                *count += times;
                *sum += times as f64 * value;
            }
        }
        Expected {
            samples: series.values().map(|(count, _)| count).sum(),
            series,
        }
    }

    /// One metric after the other, and in each, one GPU after the other.
    fn write_dcgm(&mut self) {
        self.text.push_str(
            "timestamp,metric_name,gpu_id,device,uuid,modelName,Hostname,container,pod,namespace,value,labels_raw\n",
        );
        let model = "NVIDIA H100 80GB HBM3";
        for round in 0..ROUNDS {
            for (metric, (name, ..)) in METRICS.iter().enumerate() {
                for gpu in 0..GPUS {
                    let (host, index, uuid) = (host(gpu), gpu % 8, uuid(gpu));
                    let value = value(round, gpu, metric);
                    let _ = writeln!(
                        self.text,
                        "\"2025-07-18T20:42:34Z\",\"{name}\",\"{index}\",\"nvidia{index}\",\"{uuid}\",\"{model}\",\"{host}\",\"\",\"\",\"\",\
                         \"{value}\",\"DCGM_FI_DRIVER_VERSION=\"\"535.129.03\"\",Hostname=\"\"{host}\"\",UUID=\"\"{uuid}\"\",\
                         __name__=\"\"{name}\"\",device=\"\"nvidia{index}\"\",gpu=\"\"{index}\"\",instance=\"\"{host}:9400\"\",\
                         job=\"\"dgx_dcgm_exporter\"\",modelName=\"\"{model}\"\"\""
                    );
                    self.rows.push(vec![(gpu, metric, value)]);
                }
            }
        }
    }

    fn write_wide(&mut self) {
        self.text.push_str("uuid,gpu_id,hostname");
        for (name, ..) in METRICS {
            let _ = write!(self.text, ",{name}");
        }
        for round in 0..ROUNDS {
            for gpu in 0..GPUS {
                let _ = write!(self.text, "\n{},{},{}", uuid(gpu), gpu % 8, host(gpu));
                let values: Vec<_> = (0..METRICS.len())
                    .map(|metric| (gpu, metric, value(round, gpu, metric)))
                    .collect();
                for (.., value) in &values {
                    let _ = write!(self.text, ",{value}");
                }
                self.rows.push(values);
            }
        }
        self.text.push('\n');
    }
}

fn host(gpu: usize) -> String {
    format!("gpu-node-{:03}", gpu / 8 + 1)
}

/// Some value between the smallest and the largest, another one in each round.
fn value(round: usize, gpu: usize, metric: usize) -> f64 {
    let (_, low, high) = METRICS[metric];
    let part = ((gpu * 37 + metric * 11 + round * 7) % 101) as f64 / 100.0;
    ((low + part * (high - low)) * 1000.0).round() / 1000.0
}
