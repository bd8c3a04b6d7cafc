//! Whether all names in a release lead somewhere.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use regex::Regex;
use serde_json::Value;

use crate::render::{Render, containers, list, text, title, toml_value};

/// A host with a port, perhaps in an address: the host and the port.
static HOST: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"^(?:([a-z]+)://)?(?:[^@/]*@)?([a-z0-9](?:[a-z0-9.-]*[a-z0-9])?)(?::([0-9]+))?(?:/.*)?$")
        .unwrap()
});

/// What every cluster has.
const OF_THE_CLUSTER: [&str; 2] = ["kube-root-ca.crt", "kubernetes.default.svc"];

/// Where a pod says the name of an object: how it is found, the kind, and the key that says so.
const IN_VOLUMES: [(&str, &str, &str); 3] = [
    ("configMap", "ConfigMap", "name"),
    ("secret", "Secret", "secretName"),
    ("persistentVolumeClaim", "PersistentVolumeClaim", "claimName"),
];
const IN_ENV: [(&str, &str); 4] = [
    ("configMapKeyRef", "ConfigMap"),
    ("secretKeyRef", "Secret"),
    ("configMapRef", "ConfigMap"),
    ("secretRef", "Secret"),
];

/// Names that lead nowhere, selectors that select none or too many, and ports that nobody has. `external` are the names of what
/// is not of this release.
pub(crate) fn dangling(render: &Render, external: &[&str]) -> Vec<String> {
    let mut check = Check {
        render,
        external,
        found: BTreeSet::new(),
    };
    for (object, pod) in render.pods() {
        check.pod(object, pod);
    }
    for workload in render.workloads() {
        check.workload(workload);
    }
    for object in &render.0 {
        match text(&object["kind"]) {
            "Service" => check.service(object),
            "Ingress" => check.ingress(object),
            "HorizontalPodAutoscaler" => check.autoscaler(object),
            "PodDisruptionBudget" => check.selector(object, &object["spec"]["selector"], Count::One),
            "NetworkPolicy" => check.network_policy(object),
            "RoleBinding" | "ClusterRoleBinding" => check.binding(object),
            "ServiceMonitor" => check.service_monitor(object),
            "PodMonitor" => check.pod_monitor(object),
            "ConfigMap" => check.configuration(object),
            "Certificate" => check.issuer(object),
            _ => {}
        }
    }
    check.found.into_iter().collect()
}

/// Whether a selector, of labels alone or with `matchLabels`, chooses something with these labels.
pub(crate) fn selects(selector: &Value, labels: &Value) -> bool {
    let wanted = selector.get("matchLabels").unwrap_or(selector);
    let own = wanted.as_object().is_some_and(|wanted| {
        wanted
            .iter()
            .filter(|(key, _)| *key != "matchExpressions")
            .all(|(key, value)| labels[key] == *value)
    });
    own && list(&selector["matchExpressions"]).iter().all(|one| {
        let value = &labels[text(&one["key"])];
        let is_listed = list(&one["values"]).contains(value);
        match text(&one["operator"]) {
            "In" => is_listed,
            "NotIn" => !is_listed,
            "Exists" => !value.is_null(),
            _ => value.is_null(),
        }
    })
}

/// How many workloads a selector has to choose.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Count {
    One,
    Some,
}

struct Check<'a> {
    render: &'a Render,
    external: &'a [&'a str],
    found: BTreeSet<String>,
}

impl Check<'_> {
    fn find(&mut self, object: &Value, what: &str) {
        self.found.insert(format!("{}: {what}", title(object)));
    }

    fn is_external(&self, name: &str) -> bool {
        OF_THE_CLUSTER.contains(&name) || self.external.contains(&name)
    }

    /// That an object is there, and has the keys.
    fn name(&mut self, user: &Value, kind: &str, name: &str, keys: &[&str]) {
        if self.is_external(name) {
            return;
        }
        let Some(object) = self.render.find(kind, name) else {
            // cert-manager makes it.
            let mut certificates = self.render.all("Certificate");
            if kind != "Secret" || !certificates.any(|one| one["spec"]["secretName"] == name) {
                self.find(user, &format!("there is no {kind} {name}"));
            }
            return;
        };
        let missing = keys.iter().find(|key| {
            ["data", "stringData", "binaryData"]
                .iter()
                .all(|part| object[part].get(*key).is_none())
        });
        if let Some(key) = missing {
            self.find(user, &format!("{kind} {name} has no {key}"));
        }
    }

    fn pod(&mut self, object: &Value, pod: &Value) {
        let account = text(&pod["serviceAccountName"]);
        if !["", "default"].contains(&account) {
            self.name(object, "ServiceAccount", account, &[]);
        }
        let volumes = list(&pod["volumes"]);
        let projected = volumes
            .iter()
            .flat_map(|volume| list(&volume["projected"]["sources"]));
        for source in volumes.iter().chain(projected) {
            for (field, kind, key) in IN_VOLUMES {
                let Some(used) = source.get(field).filter(|used| used["optional"] != true) else {
                    continue;
                };
                let keys: Vec<_> = list(&used["items"])
                    .iter()
                    .map(|item| text(&item["key"]))
                    .collect();
                // In a projected volume, a secret has a `name`.
                let name = used.get(key).unwrap_or(&used["name"]);
                self.name(object, kind, text(name), &keys);
            }
        }
        let claims = list(&object["spec"]["volumeClaimTemplates"]);
        let volumes: Vec<_> = volumes
            .iter()
            .map(|one| &one["name"])
            .chain(claims.iter().map(|one| &one["metadata"]["name"]))
            .collect();
        for container in containers(pod) {
            for mount in list(&container["volumeMounts"]) {
                if !volumes.contains(&&mount["name"]) {
                    self.find(object, &format!("there is no volume {}", mount["name"]));
                }
            }
            let values = list(&container["env"]).iter().map(|one| &one["valueFrom"]);
            for source in values.chain(list(&container["envFrom"])) {
                for (field, kind) in IN_ENV {
                    let Some(used) = source.get(field).filter(|used| used["optional"] != true) else {
                        continue;
                    };
                    let keys: Vec<_> = used["key"].as_str().into_iter().collect();
                    self.name(object, kind, text(&used["name"]), &keys);
                }
            }
            for probe in ["livenessProbe", "readinessProbe", "startupProbe"] {
                for action in ["httpGet", "tcpSocket", "grpc"] {
                    let port = &container[probe][action]["port"];
                    if !port.is_null() && !has_port(&[container], port) {
                        self.find(object, &format!("{probe}: there is no port {port}"));
                    }
                }
            }
            let arguments = list(&container["args"]).iter().chain(list(&container["command"]));
            let values = list(&container["env"]).iter().map(|one| &one["value"]);
            for value in arguments.chain(values) {
                self.host(object, text(value));
            }
        }
    }

    fn workload(&mut self, workload: &Value) {
        let selector = &workload["spec"]["selector"];
        if !selects(selector, &workload["spec"]["template"]["metadata"]["labels"]) {
            self.find(workload, "its selector does not choose its own pods");
        }
        self.selector(workload, selector, Count::One);
        if workload["kind"] == "StatefulSet" {
            self.name(workload, "Service", text(&workload["spec"]["serviceName"]), &[]);
        }
    }

    /// The workloads that a selector chooses, and whether there are as many as it takes.
    fn selector(&mut self, object: &Value, selector: &Value, count: Count) {
        let chosen = self.chosen(selector).len();
        if chosen == 0 || count == Count::One && chosen > 1 {
            self.find(
                object,
                &format!("its selector chooses {chosen} workloads: {selector}"),
            );
        }
    }

    fn chosen(&self, selector: &Value) -> Vec<&Value> {
        let labels =
            |workload: &&Value| selects(selector, &workload["spec"]["template"]["metadata"]["labels"]);
        self.render.workloads().filter(labels).collect()
    }

    /// All containers of the pods that a selector chooses.
    fn containers(&self, selector: &Value) -> Vec<&Value> {
        let workloads = self.chosen(selector).into_iter();
        workloads
            .flat_map(|one| containers(&one["spec"]["template"]["spec"]))
            .collect()
    }

    fn service(&mut self, service: &Value) {
        if service["spec"]["type"] == "ExternalName" {
            return;
        }
        let selector = &service["spec"]["selector"];
        self.selector(service, selector, Count::One);
        for port in list(&service["spec"]["ports"]) {
            let target = port.get("targetPort").unwrap_or(&port["port"]);
            if !has_port(&self.containers(selector), target) {
                self.find(service, &format!("no container has the port {target}"));
            }
        }
    }

    fn ingress(&mut self, ingress: &Value) {
        for rule in list(&ingress["spec"]["rules"]) {
            let paths = list(&rule["http"]["paths"]);
            if paths.is_empty() {
                self.find(ingress, &format!("{} has no paths", rule["host"]));
            }
            for path in paths {
                let (name, port) = match path["backend"].get("service") {
                    Some(service) => {
                        let port = &service["port"];
                        (&service["name"], port.get("name").unwrap_or(&port["number"]))
                    }
                    None => (&path["backend"]["serviceName"], &path["backend"]["servicePort"]),
                };
                self.service_port(ingress, text(name), port);
            }
        }
    }

    /// That a service has a port, by its name or number.
    fn service_port(&mut self, user: &Value, name: &str, port: &Value) {
        self.name(user, "Service", name, &[]);
        let Some(service) = self.render.find("Service", name) else {
            return;
        };
        let ports = list(&service["spec"]["ports"]);
        if !ports
            .iter()
            .any(|one| one["name"] == *port || one["port"] == *port)
        {
            self.find(user, &format!("Service {name} has no port {port}"));
        }
    }

    fn autoscaler(&mut self, autoscaler: &Value) {
        let target = &autoscaler["spec"]["scaleTargetRef"];
        let (kind, name) = (text(&target["kind"]), text(&target["name"]));
        self.name(autoscaler, kind, name, &[]);
        if self
            .render
            .find(kind, name)
            .is_some_and(|one| !one["spec"]["replicas"].is_null())
        {
            self.find(
                autoscaler,
                &format!("{kind} {name} has a number of replicas of its own"),
            );
        }
    }

    fn network_policy(&mut self, policy: &Value) {
        let selector = &policy["spec"]["podSelector"];
        self.selector(policy, selector, Count::Some);
        for rule in list(&policy["spec"]["ingress"]) {
            for port in list(&rule["ports"]) {
                if port["endPort"].is_null() && !has_port(&self.containers(selector), &port["port"]) {
                    self.find(policy, &format!("no container has the port {}", port["port"]));
                }
            }
        }
        let is_own = |peer: &&Value| peer["namespaceSelector"].is_null() && !peer["podSelector"].is_null();
        for rule in list(&policy["spec"]["egress"]) {
            for peer in list(&rule["to"]).iter().filter(is_own) {
                let chosen = self.containers(&peer["podSelector"]);
                let ports = list(&rule["ports"]);
                let missing = ports.iter().find(|port| !has_port(&chosen, &port["port"]));
                if let Some(port) = missing {
                    self.find(
                        policy,
                        &format!("no container that it leads to has the port {}", port["port"]),
                    );
                }
            }
        }
    }

    fn binding(&mut self, binding: &Value) {
        let role = &binding["roleRef"];
        self.name(binding, text(&role["kind"]), text(&role["name"]), &[]);
        for subject in list(&binding["subjects"]) {
            self.name(binding, text(&subject["kind"]), text(&subject["name"]), &[]);
        }
    }

    fn service_monitor(&mut self, monitor: &Value) {
        let selector = &monitor["spec"]["selector"];
        let services: Vec<_> = self
            .render
            .all("Service")
            .filter(|one| selects(selector, &one["metadata"]["labels"]))
            .collect();
        for endpoint in list(&monitor["spec"]["endpoints"]) {
            let has = |service: &&&Value| {
                list(&service["spec"]["ports"])
                    .iter()
                    .any(|port| port["name"] == endpoint["port"])
            };
            if services.iter().filter(has).count() == 0 {
                self.find(
                    monitor,
                    &format!("no service that it selects has the port {}", endpoint["port"]),
                );
            }
        }
    }

    fn pod_monitor(&mut self, monitor: &Value) {
        let selector = &monitor["spec"]["selector"];
        self.selector(monitor, selector, Count::Some);
        for endpoint in list(&monitor["spec"]["podMetricsEndpoints"]) {
            if !has_port(&self.containers(selector), &endpoint["port"]) {
                self.find(
                    monitor,
                    &format!("no container has the port {}", endpoint["port"]),
                );
            }
        }
    }

    fn issuer(&mut self, certificate: &Value) {
        let issuer = &certificate["spec"]["issuerRef"];
        if issuer["kind"] != "ClusterIssuer" {
            self.name(certificate, "Issuer", text(&issuer["name"]), &[]);
        }
    }

    fn configuration(&mut self, config_map: &Value) {
        for (_, configuration) in configurations(config_map) {
            let mut texts = Vec::new();
            collect(&toml_value(configuration), &mut texts);
            for text in texts {
                self.host(config_map, &text);
            }
        }
    }

    /// That a host which is called like a service of the cluster is one.
    fn host(&mut self, user: &Value, address: &str) {
        let Some(parts) = HOST.captures(address) else {
            return;
        };
        let port = match (parts.get(3), parts.get(1).map(|scheme| scheme.as_str())) {
            (Some(port), _) => port.as_str().parse::<u64>().ok(),
            (None, Some("http")) => Some(80),
            (None, Some("https")) => Some(443),
            _ => None,
        };
        // What has no port is any text.
        let Some(port) = port.map(Value::from) else {
            return;
        };
        let host = &parts[2];
        let labels: Vec<_> = host.split('.').collect();
        // A service, or a pod behind one, of this namespace.
        let name = labels
            .iter()
            .take(2)
            .find(|label| self.render.find("Service", label).is_some());
        let is_number = labels.iter().all(|label| label.parse::<u8>().is_ok());
        let is_inside = labels.len() == 1 || host.ends_with(".svc") || host.contains(".svc.");
        match name {
            Some(name) => self.service_port(user, name, &port),
            None if is_number || !is_inside || self.is_external(host) || host == "localhost" => {}
            None => self.find(user, &format!("there is no service for {address}")),
        }
    }
}

/// The configurations in a config map, with their keys.
pub(crate) fn configurations(config_map: &Value) -> BTreeMap<&str, &str> {
    let data = config_map["data"].as_object().into_iter().flatten();
    data.map(|(key, value)| (key.as_str(), text(value)))
        .filter(|(key, _)| *key == "config" || key.ends_with(".toml"))
        .collect()
}

/// Whether a container has the port, by its name or number.
fn has_port(containers: &[&Value], port: &Value) -> bool {
    let mut ports = containers.iter().flat_map(|one| list(&one["ports"]));
    ports.any(|one| one["name"] == *port || one["containerPort"] == *port)
}

/// All texts in a value.
fn collect(value: &Value, texts: &mut Vec<String>) {
    match value {
        Value::String(text) => texts.push(text.clone()),
        Value::Array(elements) => elements.iter().for_each(|one| collect(one, texts)),
        Value::Object(fields) => fields.values().for_each(|one| collect(one, texts)),
        _ => {}
    }
}
