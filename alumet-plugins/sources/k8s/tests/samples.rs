//! What comes out of the files of a pod, without a server.

use std::time::Duration;

use alumet_core::testkit::{Bench, FakeRoot, assert_lines};
use alumet_plugin_k8s::{Config, K8sPlugin};

const POD: &str = "kubepods.slice/kubepods-pod5f39f6b0_7a67_4b32_9a8e_0c1d2e3f4a5b.slice";

#[test]
fn microseconds_become_nanoseconds_and_each_busy_core_has_100_percent() {
    let root = FakeRoot::new();
    root.write("proc/self/mounts", "cgroup2 /sys/fs/cgroup cgroup2 rw 0 0\n");
    root.write("sys/devices/system/cpu/online", "0-3\n");
    let use_cpu = |total: u64, user: u64| {
        let text = format!(
            "usage_usec {total}\nuser_usec {user}\nsystem_usec {}\n",
            total - user
        );
        root.write(format!("sys/fs/cgroup/{POD}/cpu.stat"), text);
    };
    use_cpu(5_000_000, 1_000_000);
    root.write("sys/fs/cgroup/system.slice/cpu.stat", "usage_usec 7\n");
    let config: Config = toml::from_str("k8s_node = 'n1'\nqos_class = true").unwrap();
    let mut bench = Bench::start::<K8sPlugin>(config, root.path()).unwrap();
    bench.poll("k8s").unwrap();
    bench.advance(Duration::from_secs(1));
    use_cpu(9_000_000, 4_000_000);
    let pod = |metric: &str, kind: &str, value: &str| {
        format!(
            "{metric} local_machine cgroup:/{POD} {{kind={kind}, node=n1, qos_class=Guaranteed, \
             uid=5f39f6b0-7a67-4b32-9a8e-0c1d2e3f4a5b}} = {value}"
        )
    };
    assert_lines(
        bench.poll("k8s").unwrap(),
        [
            pod("cpu_time_delta", "total", "4000000000"),
            pod("cpu_percent", "total", "400"),
            pod("cpu_time_delta", "user", "3000000000"),
            pod("cpu_percent", "user", "300"),
            pod("cpu_time_delta", "system", "1000000000"),
            pod("cpu_percent", "system", "100"),
            "cgroup_unresolved local_machine local_machine {reason=the pods have not been listed yet, source=k8s} = 1".to_owned(),
        ],
    );
}
