//! A dump of what the exporter of DCGM shows.

use std::fmt::Write;

/// A metric, the smallest of its values and the largest.
const METRICS: [(&str, f64, f64); 10] = [
    ("GPU_UTIL", 0.0, 100.0),
    ("MEM_COPY_UTIL", 0.0, 80.0),
    ("POWER_USAGE", 66.781, 689.457),
    ("GPU_TEMP", 26.0, 80.0),
    ("FB_USED", 4.0, 77_413.0),
    ("FB_FREE", 3594.0, 81_003.0),
    ("DEC_UTIL", 0.0, 0.0),
    ("ENC_UTIL", 0.0, 0.0),
    ("SM_CLOCK", 345.0, 1980.0),
    ("MEM_CLOCK", 2619.0, 2619.0),
];

/// A CSV file in the long form, with ten rows for each GPU: one metric after the other, and in each, one GPU after the other.
///
/// There are eight GPUs in a machine, but for the last; 247 make 2470 rows of 31 machines. The first line is not quoted, all that
/// follow are, and what is in `labels_raw` has quotes of its own. Each call gives the same.
pub fn dcgm_dump(gpus: u32) -> String {
    let mut dump = "timestamp,metric_name,gpu_id,device,uuid,modelName,Hostname,container,pod,namespace,value,labels_raw\n"
        .to_owned();
    for (metric, (name, low, high)) in (0_u32..).zip(METRICS) {
        let name = format!("DCGM_FI_DEV_{name}");
        let second = 34 + metric % 4;
        for gpu in 0..gpus {
            let (host, index) = (format!("gpu-node-{:03}", gpu / 8 + 1), gpu % 8);
            let uuid = format!("GPU-{gpu:08x}-0000-4000-8000-000000000000");
            // Some value between the two, another one for each.
            let part = f64::from((gpu * 37 + metric * 11) % 101) / 100.0;
            let value = ((low + part * (high - low)) * 1000.0).round() / 1000.0;
            let model = "NVIDIA H100 80GB HBM3";
            writeln!(
                dump,
                "\"2025-07-18T20:42:{second}Z\",\"{name}\",\"{index}\",\"nvidia{index}\",\"{uuid}\",\"{model}\",\"{host}\",\
                 \"\",\"\",\"\",\"{value}\",\"DCGM_FI_DRIVER_VERSION=\"\"535.129.03\"\",Hostname=\"\"{host}\"\",\
                 UUID=\"\"{uuid}\"\",__name__=\"\"{name}\"\",device=\"\"nvidia{index}\"\",gpu=\"\"{index}\"\",\
                 instance=\"\"{host}:9400\"\",job=\"\"dgx_dcgm_exporter\"\",modelName=\"\"{model}\"\"\""
            )
            .unwrap();
        }
    }
    dump
}
