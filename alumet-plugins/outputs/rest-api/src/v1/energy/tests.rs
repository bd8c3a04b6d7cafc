//! Which joules count, asked for over the endpoints.

use alumet_core::metric::Quality;
use alumet_core::unit::Unit;
use proptest::prelude::*;
use serde_json::json;

use crate::v1::bench::{Bench, Series, constant};

use super::meters;

/// The rows of an answer: the labels that are asked for, joules rounded to a thousandth, quality.
async fn rows(bench: &Bench, uri: &str, labels: &[&str]) -> Vec<(String, f64, String)> {
    let answer = bench.json(uri).await;
    let rows = answer["rows"].as_array().unwrap().iter();
    let rows: Vec<_> = rows
        .map(|row| {
            let texts: Vec<_> = labels
                .iter()
                .map(|label| row["labels"][label].as_str().unwrap_or("-"))
                .collect();
            let joules = (row["joules"].as_f64().unwrap() * 1e3).round() / 1e3;
            (
                texts.join(" "),
                joules,
                row["quality"].as_str().unwrap().to_owned(),
            )
        })
        .collect();
    let sum: f64 = rows.iter().map(|(_, joules, _)| joules).sum();
    let total = answer["joules"]
        .as_f64()
        .or(answer["total"]["joules"].as_f64())
        .unwrap();
    let others = answer["others"]["joules"].as_f64().unwrap_or(0.0);
    assert!((sum + others - total).abs() < 0.1, "{answer}");
    rows
}

async fn joules(bench: &Bench, uri: &str) -> f64 {
    let answer = bench.json(uri).await;
    (answer["joules"].as_f64().unwrap() * 1e3).round() / 1e3
}

async fn metrics(bench: &Bench) -> serde_json::Value {
    bench.json("/energy").await["rows"][0]["metrics"].clone()
}

fn rapl(domain: &str) -> Series {
    Series::of("rapl_consumed_energy").attribute("domain", domain)
}

fn gpu(metric: &str, id: &str) -> Series {
    Series::of(metric).unit(Unit::JOULE.milli()).resource("gpu", id)
}

fn attributed(kind: &str, id: &str) -> Series {
    Series::of("attributed_energy")
        .quality(Quality::Modelled)
        .consumer(kind, id)
}

#[tokio::test]
async fn packages_and_memory_count_and_neither_their_parts_nor_their_sums() {
    let bench = Bench::new();
    for id in ["0", "1"] {
        rapl("package")
            .resource("cpu_package", id)
            .has(&bench, constant(10.0));
        rapl("pp0").resource("cpu_package", id).has(&bench, constant(6.0));
        rapl("dram").resource("dram", id).has(&bench, constant(1.0));
    }
    rapl("package_total").has(&bench, constant(20.0));
    rapl("dram_total").has(&bench, constant(2.0));
    Series::of("estimated_consumed_energy").has(&bench, constant(50.0));
    let found = rows(&bench, "/energy?by=domain", &["domain"]).await;
    let row = |domain: &str, joules| (domain.to_owned(), joules, "measured".to_owned());
    assert_eq!(found, [row("dram", 120.0), row("package", 1200.0)]);
    // Whoever asks for sums gets them.
    assert_eq!(
        joules(&bench, "/energy?resource_kind=local_machine&quality=measured").await,
        22.0 * 60.0
    );
    assert_eq!(joules(&bench, "/energy?match=domain%3Dpp0").await, 12.0 * 60.0);
}

#[tokio::test]
async fn what_rapl_calls_platform_contains_the_processor_and_no_card() {
    let bench = Bench::new();
    rapl("platform").has(&bench, constant(30.0));
    rapl("package_total").has(&bench, constant(20.0));
    gpu("nvml_energy_consumption", "a").has(&bench, constant(5000.0));
    assert_eq!(joules(&bench, "/energy").await, 35.0 * 60.0);
}

#[tokio::test]
async fn the_meter_of_a_node_contains_everything() {
    for meter in [
        Series::of("redfish_energy").attribute("chassis", "1"),
        Series::of("cray_pm_energy").attribute("domain", "node"),
        Series::of("input_energy").attribute("ina_channel_label", "VDD_IN"),
    ] {
        let bench = Bench::new();
        meter.has(&bench, constant(100.0));
        rapl("package_total").has(&bench, constant(20.0));
        gpu("nvml_energy_consumption", "a").has(&bench, constant(5000.0));
        Series::of("cray_pm_energy")
            .attribute("domain", "cpu")
            .has(&bench, constant(7.0));
        Series::of("ipmi_power").watts().has(&bench, constant(101.0));
        assert_eq!(joules(&bench, "/energy").await, 6000.0);
    }
}

#[tokio::test]
async fn a_power_is_integrated_where_nothing_counts_as_much() {
    let bench = Bench::new();
    Series::of("ipmi_power").watts().has(&bench, constant(100.0));
    rapl("package_total").has(&bench, constant(20.0));
    // 59 seconds lie between the first and the last sample.
    let whole = vec![(String::new(), 5900.0, "modelled".to_owned())];
    assert_eq!(rows(&bench, "/energy", &[]).await, whole);
    let points = bench.json("/energy?from=3540&step=20").await["rows"][0]["points"].clone();
    assert_eq!(
        points,
        json!([[3_540_000, 2000.0], [3_560_000, 2000.0], [3_580_000, 1900.0]])
    );
}

#[tokio::test]
async fn nothing_is_known_of_a_power_in_a_long_gap() {
    let bench = Bench::new();
    let samples = [(0, 10.0), (10, 20.0), (500, 20.0), (3000, 20.0), (3010, 20.0)];
    Series::of("ipmi_power").watts().has(&bench, samples);
    assert_eq!(joules(&bench, "/energy").await, 150.0 + 9800.0 + 200.0);
}

#[tokio::test]
async fn each_card_counts_once_and_by_its_counter_if_it_has_one() {
    let bench = Bench::new();
    gpu("nvml_energy_consumption", "a").has(&bench, constant(1000.0));
    gpu("nvml_average_power", "a").watts().has(&bench, constant(1.0));
    gpu("nvml_estimated_energy_consumption", "b").has(&bench, constant(2000.0));
    let intel = |domain| {
        Series::of("intel_gpu_energy")
            .resource("gpu", "c")
            .attribute("domain", domain)
    };
    intel("card").has(&bench, constant(4.0));
    intel("package").has(&bench, constant(3.0));
    let amd = |rail| {
        Series::of("amd_gpu_power_consumption")
            .watts()
            .resource("gpu", "d")
            .attribute("rail", rail)
    };
    amd("fast").has(&bench, constant(8.0));
    amd("slow").has(&bench, constant(7.0));
    Series::of("cray_pm_energy")
        .attribute("domain", "accel0")
        .has(&bench, constant(9.0));
    Series::of("nvml_power_limit")
        .watts()
        .resource("gpu", "a")
        .has(&bench, constant(300.0));
    let found = rows(
        &bench,
        "/energy?by=resource",
        &["node", "resource_kind", "resource_id"],
    )
    .await;
    let row = |id: &str, joules, quality: &str| (format!("here gpu {id}"), joules, quality.to_owned());
    assert_eq!(
        found,
        [
            row("a", 60.0, "measured"),
            row("b", 120.0, "measured"),
            row("c", 240.0, "measured"),
            row("d", 8.0 * 59.0, "modelled"),
        ]
    );
}

#[tokio::test]
async fn what_dcgm_names_is_known_without_a_unit() {
    let bench = Bench::new();
    let dcgm = |metric, id| Series::of(metric).watts().unit(Unit::ONE).resource("gpu", id);
    dcgm("DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION", "a")
        .has(&bench, [(3500, 5000.0), (3550, 9000.0), (3590, 9500.0)]);
    dcgm("DCGM_FI_DEV_POWER_USAGE", "a").has(&bench, constant(1.0));
    dcgm("DCGM_FI_DEV_POWER_USAGE", "b").has(&bench, constant(2.0));
    assert_eq!(joules(&bench, "/energy").await, 4.5 + 118.0);
    let points = bench
        .json("/energy?metric=DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION&step=60")
        .await;
    assert_eq!(
        points["rows"][0]["points"],
        json!([[3_480_000, 3.2], [3_540_000, 1.3]])
    );
}

#[tokio::test]
async fn superchips_contain_their_processor_and_their_card() {
    let bench = Bench::new();
    let grace = |sensor| {
        Series::of("grace_energy_consumption")
            .unit(Unit::JOULE.milli())
            .attribute("sensor", sensor)
    };
    for (sensor, joules) in [
        ("module", 9000.0),
        ("module_total", 9000.0),
        ("grace", 4000.0),
        ("cpu", 2000.0),
        ("total", 9000.0),
    ] {
        grace(sensor).has(&bench, constant(joules));
    }
    gpu("nvml_energy_consumption", "a").has(&bench, constant(5000.0));
    assert_eq!(joules(&bench, "/energy").await, 540.0);
}

#[tokio::test]
async fn of_sensors_that_may_overlap_the_largest_counts() {
    let bench = Bench::new();
    for (sensor, joules) in [("supply", 50.0), ("whole", 90.0), ("fan", 5.0)] {
        Series::of("redfish_energy")
            .attribute("sensor", sensor)
            .has(&bench, constant(joules));
    }
    let found = rows(&bench, "/energy?by=sensor", &["sensor"]).await;
    assert_eq!(found, [("whole".to_owned(), 5400.0, "measured".to_owned())]);
}

#[tokio::test]
async fn who_asked_a_wattmetre_is_no_consumer() {
    let bench = Bench::new();
    let asked = |metric| {
        let series = Series::of(metric).resource("device_id", "taurus-7");
        series.consumer("device_origin", "wattmetre1-port6")
    };
    asked("wattmetre_power_watt").watts().has(&bench, constant(100.0));
    asked("wattmetre_energy_joule").has(&bench, constant(100.0));
    assert_eq!(metrics(&bench).await, json!(["wattmetre_power_watt"]));
    assert_eq!(joules(&bench, "/energy?by=consumer").await, 5900.0);
}

#[tokio::test]
async fn a_meter_that_has_only_a_part_of_the_range_gives_way() {
    let bench = Bench::new();
    Series::of("redfish_energy").has(&bench, [(3500, 100.0), (3590, 100.0)]);
    rapl("package_total").has(&bench, (0..3600).map(|at| (at, 1.0)));
    assert_eq!(joules(&bench, "/energy").await, 3600.0);
    assert_eq!(joules(&bench, "/energy?from=3500").await, 200.0);
}

#[tokio::test]
async fn energy_that_nobody_knows_counts_where_there_is_no_other() {
    let bench = Bench::new();
    let own = |node| Series::of("my_energy").attribute("node", node);
    own("n1").has(&bench, constant(3.0));
    own("n2").has(&bench, constant(5.0));
    rapl("package_total")
        .attribute("node", "n2")
        .has(&bench, constant(4.0));
    let found = rows(&bench, "/energy?by=node", &["node"]).await;
    let row = |node: &str, joules| (node.to_owned(), joules, "measured".to_owned());
    assert_eq!(found, [row("n1", 180.0), row("n2", 240.0)]);
}

#[tokio::test]
async fn sums_that_an_aggregation_made_are_what_they_are_sums_of() {
    let bench = Bench::new();
    Series::of("rapl_consumed_energy_sum")
        .attribute("domain", "package_total")
        .has(&bench, constant(4.0));
    Series::of("rapl_consumed_energy_sum")
        .attribute("domain", "pp0_total")
        .has(&bench, constant(3.0));
    assert_eq!(joules(&bench, "/energy").await, 240.0);
    assert_eq!(metrics(&bench).await, json!(["rapl_consumed_energy_sum"]));
}

/// A node with everything: groups in groups, processes, a program, and what was nobody's.
fn crowded() -> Bench {
    let bench = Bench::new();
    rapl("package_total")
        .attribute("node", "n1")
        .has(&bench, constant(100.0));
    let on = |series: Series| series.attribute("node", "n1");
    on(attributed("cgroup", "/pods")).has(&bench, constant(50.0));
    let pod = |id: &str| {
        on(attributed("cgroup", id))
            .attribute("namespace", "shop")
            .attribute("name", "cart")
    };
    pod("/pods/cart").has(&bench, constant(30.0));
    pod("/pods/cart/app")
        .attribute("container", "app")
        .has(&bench, constant(25.0));
    on(attributed("cgroup", "/pods/other"))
        .attribute("namespace", "lab")
        .has(&bench, constant(15.0));
    on(attributed("process", "1")).has(&bench, constant(40.0));
    on(attributed("process", "2")).has(&bench, constant(25.0));
    on(Series::of("process_tree_energy"))
        .consumer("process", "1")
        .has(&bench, constant(40.0));
    let nobodys = |part| on(attributed("local_machine", "")).attribute("part", part);
    nobodys("idle").has(&bench, constant(20.0));
    nobodys("unattributed")
        .attribute("consumers", "cgroup")
        .has(&bench, constant(30.0));
    nobodys("unattributed")
        .attribute("consumers", "process")
        .has(&bench, constant(15.0));
    bench
}

#[tokio::test]
async fn a_pod_has_what_its_group_has_with_all_containers_in_it() {
    let bench = crowded();
    assert_eq!(joules(&bench, "/energy?match=name%3Dcart").await, 1800.0);
    assert_eq!(joules(&bench, "/energy?consumer_id=/pods").await, 3000.0);
    assert_eq!(
        joules(&bench, "/energy?consumer_id=/pods&consumer_id=/pods/other").await,
        3000.0
    );
    assert_eq!(joules(&bench, "/energy?consumer_kind=process").await, 3900.0);
}

#[tokio::test]
async fn a_process_is_found_by_its_group_with_what_it_used_of_cards() {
    let bench = crowded();
    let on = |series: Series, group| series.attribute("node", "n1").attribute("cgroup", group);
    for (id, group, joules) in [
        ("7", "/pods/cart", 2.0),
        ("8", "/pods/cart/app", 3.0),
        ("9", "/pods/cart2", 4.0),
    ] {
        on(attributed("process", id), group)
            .attribute("name", "java")
            .has(&bench, constant(joules));
    }
    on(Series::of("attributed_gpu_energy"), "/pods/cart/app")
        .resource("gpu", "a")
        .consumer("process", "8")
        .attribute("process_name", "java")
        .has(&bench, constant(10.0));
    let inside = "consumer_kind=process&match=cgroup%3D~/pods/cart(/.*)?";
    let row = |text: &str, joules, quality: &str| (text.to_owned(), joules, quality.to_owned());
    assert_eq!(
        rows(
            &bench,
            &format!("/top?{inside}"),
            &["consumer_id", "name", "cgroup"]
        )
        .await,
        [
            row("8 java /pods/cart/app", 780.0, "modelled"),
            row("7 java /pods/cart", 120.0, "modelled")
        ]
    );
    assert_eq!(
        rows(
            &bench,
            &format!("/top?{inside}&resource_kind=gpu&by=resource"),
            &["resource_id"]
        )
        .await,
        [row("a", 600.0, "measured")]
    );
}

#[tokio::test]
async fn groups_add_up_with_what_was_nobodys_to_what_the_machine_used() {
    let bench = crowded();
    let row = |text: &str, joules| (text.to_owned(), joules, "modelled".to_owned());
    assert_eq!(
        rows(&bench, "/energy?by=namespace", &["namespace", "part"]).await,
        [
            row(" -", 300.0),
            row(" idle", 1200.0),
            row(" unattributed", 1800.0),
            row("lab -", 900.0),
            row("shop -", 1800.0),
        ]
    );
    assert_eq!(
        rows(&bench, "/top?n=3", &["consumer_id", "part", "container"]).await,
        [
            row(" unattributed -", 1800.0),
            row("/pods/cart/app - app", 1500.0),
            row(" idle -", 1200.0),
        ]
    );
    let top = bench.json("/top?by=node").await;
    assert_eq!(top["rows"][0]["watts"], 6000.0 / 3600.0);
    assert_eq!(top["others"], json!({"joules": 0.0, "rows": 0}));
}

#[tokio::test]
async fn machines_count_unless_consumers_are_meant() {
    let bench = crowded();
    let row = |text: &str, joules, quality: &str| (text.to_owned(), joules, quality.to_owned());
    assert_eq!(
        rows(&bench, "/energy?by=node", &["node"]).await,
        [row("n1", 6000.0, "measured")]
    );
    // Nobody has such a label.
    assert_eq!(
        rows(&bench, "/energy?by=rack", &["rack"]).await,
        [row("", 6000.0, "measured")]
    );
    let found = rows(&bench, "/energy?by=part", &["part"]).await;
    assert_eq!(found[1], row("idle", 1200.0, "modelled"));
    let kinds = rows(&bench, "/energy?by=consumer_kind", &["consumer_kind", "part"]).await;
    assert_eq!(kinds[0], row("cgroup -", 3000.0, "modelled"));
}

#[tokio::test]
async fn processes_stand_for_themselves_on_nodes_without_groups() {
    let bench = crowded();
    attributed("process", "7")
        .attribute("node", "n2")
        .has(&bench, constant(2.0));
    let parts = |consumers| {
        attributed("local_machine", "")
            .attribute("node", "n2")
            .attribute("part", "unattributed")
            .attribute("consumers", consumers)
    };
    parts("process").has(&bench, constant(1.0));
    let gpu_energy = |kind, id, node| {
        Series::of("attributed_gpu_energy")
            .resource("gpu", "a")
            .consumer(kind, id)
            .attribute("node", node)
    };
    // Cards are told of by process, although there are groups.
    gpu_energy("process", "1", "n1").has(&bench, constant(5.0));
    let found = rows(
        &bench,
        "/energy?by=consumer",
        &["node", "consumer_kind", "consumer_id"],
    )
    .await;
    let of_processes: Vec<_> = found
        .into_iter()
        .filter(|(text, ..)| text.contains("process"))
        .collect();
    let row = |text: &str, joules| (text.to_owned(), joules);
    let of_processes: Vec<_> = of_processes
        .into_iter()
        .map(|(text, joules, _)| (text, joules))
        .collect();
    assert_eq!(
        of_processes,
        [row("n1 process 1", 300.0), row("n2 process 7", 120.0)]
    );
}

#[tokio::test]
async fn nodes_of_which_there_is_only_one_sort_count_with_that() {
    let bench = crowded();
    let on = |series: Series, node| series.attribute("node", node);
    on(rapl("package_total"), "metered").has(&bench, constant(7.0));
    on(attributed("cgroup", "/a"), "attributed").has(&bench, constant(2.0));
    on(attributed("local_machine", ""), "attributed")
        .attribute("part", "idle")
        .has(&bench, constant(1.0));
    // Nobody uses this card; and the joules of the processor there are attributed.
    on(gpu("nvml_energy_consumption", "a"), "n1").has(&bench, constant(4000.0));
    let by_node = rows(&bench, "/energy?by=node", &["node", "part"]).await;
    let of_nodes: Vec<_> = by_node
        .iter()
        .map(|(text, joules, _)| (text.as_str(), *joules))
        .collect();
    assert_eq!(
        of_nodes,
        [
            ("attributed -", 120.0),
            ("attributed idle", 60.0),
            ("metered -", 420.0),
            ("n1 -", 6240.0)
        ]
    );
    let found = rows(
        &bench,
        "/energy?by=consumer",
        &["node", "consumer_kind", "consumer_id", "part"],
    )
    .await;
    let machines: Vec<_> = found
        .iter()
        .filter(|(text, ..)| text.contains("local_machine  -"))
        .collect();
    let machines: Vec<_> = machines
        .iter()
        .map(|(text, joules, _)| (text.as_str(), *joules))
        .collect();
    assert_eq!(
        machines,
        [
            ("metered local_machine  -", 420.0),
            ("n1 local_machine  -", 240.0)
        ]
    );
    let (whole, by_consumer): (f64, f64) = (
        by_node.iter().map(|(_, joules, _)| joules).sum(),
        found.iter().map(|(_, joules, _)| joules).sum(),
    );
    assert_eq!(whole, by_consumer);
    // The meter of a whole node has what was attributed in it.
    on(Series::of("redfish_energy"), "n1").has(&bench, constant(500.0));
    let found = rows(&bench, "/energy?by=consumer", &["node", "consumer_kind", "part"]).await;
    assert!(
        found.iter().all(|(text, ..)| text != "n1 local_machine -"),
        "{found:?}"
    );
}

#[tokio::test]
async fn of_metrics_that_attribute_the_same_energy_one_counts() {
    let bench = Bench::new();
    let own = |metric| Series::of(metric).consumer("cgroup", "/a");
    own("energy_by_instructions").has(&bench, constant(3.0));
    own("zeal").has(&bench, constant(5.0));
    assert_eq!(metrics(&bench).await, json!(["energy_by_instructions"]));
    assert_eq!(joules(&bench, "/energy?metric=zeal").await, 300.0);
    own("attributed_energy").has(&bench, constant(4.0));
    own("attributed_gpu_energy")
        .resource("gpu", "a")
        .has(&bench, constant(1.0));
    assert_eq!(
        metrics(&bench).await,
        json!(["attributed_energy", "attributed_gpu_energy"])
    );
    assert_eq!(joules(&bench, "/energy").await, 300.0);
}

#[tokio::test]
async fn a_counter_is_as_much_as_it_has_risen() {
    let bench = Bench::new();
    Series::of("my_energy")
        .counter()
        .unit(Unit::JOULE.kilo())
        .has(&bench, [(3500, 5.0), (3550, 7.0), (3590, 8.0)]);
    assert_eq!(joules(&bench, "/energy").await, 3000.0);
    assert_eq!(joules(&bench, "/energy?step=60").await, 3000.0);
}

#[tokio::test]
async fn every_meter_is_a_metric_that_there_is() {
    let documented = include_str!("../../../../../../docs/metrics.md");
    for name in meters::names() {
        let is_of_kwollect = name.ends_with("_power_watt");
        assert!(
            is_of_kwollect || documented.contains(&format!("`{name}`")),
            "{name}"
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn rows_add_up_however_groups_lie_in_each_other(
        groups in prop::collection::btree_map("(/[ab]){1,4}", 0_u32..100, 1..8),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let bench = Bench::new();
            for (path, joules) in &groups {
                attributed("cgroup", path).has(&bench, [(3590, f64::from(*joules))]);
            }
            // A group has at least what those in it have.
            let mut whole = 0.0_f64;
            let is_in = |inner: &str, outer: &str| inner.starts_with(&format!("{outer}/"));
            fn at_least(path: &str, groups: &std::collections::BTreeMap<String, u32>) -> f64 {
                let below = |outer: &str| -> Vec<String> {
                    let inner: Vec<_> = groups.keys().filter(|one| one.starts_with(&format!("{outer}/"))).collect();
                    inner.iter().filter(|one| !inner.iter().any(|other| one.starts_with(&format!("{other}/")))).map(|one| (*one).clone()).collect()
                };
                let inner: f64 = below(path).iter().map(|one| at_least(one, groups)).sum();
                inner.max(f64::from(groups[path]))
            }
            for path in groups.keys().filter(|path| !groups.keys().any(|outer| is_in(path, outer))) {
                whole += at_least(path, &groups);
            }
            for uri in ["/energy", "/energy?by=consumer", "/energy?by=consumer&step=60"] {
                assert_eq!(joules(&bench, uri).await, whole, "{uri}");
            }
            for row in bench.json("/energy?by=consumer").await["rows"].as_array().unwrap() {
                assert!(row["joules"].as_f64().unwrap() >= 0.0, "{row}");
            }
        });
    }
}
