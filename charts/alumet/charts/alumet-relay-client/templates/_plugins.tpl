{{/* Plugins, and the names under which the values may have them. Of several, the later one goes over the earlier. */}}
{{- define "client.names" -}}
aggregation: [aggregation]
csv: [csv]
energy-attribution: [energyAttribution, EnergyAttribution, energy-attribution]
energy-estimation-tdp: [energyEstimationTdp, energyEstimationTdpPlugin, EnergyEstimationTdp, EnergyEstimationTdpPlugin, energy-estimation-tdp]
jetson: [jetson]
k8s: [k8s, K8s]
nvml: [nvml]
oar: [oar]
opentelemetry: [opentelemetry, openTelemetry]
perf: [perf]
procfs: [procfs]
prometheus-exporter: [prometheusExporter, prometheus-exporter]
rapl: [rapl]
relay-client: [relay_client, relayClient, relay-client]
socket-control: [socket_control, socketControl, socket-control]
{{- end -}}

{{/* The values of each plugin by its id, with `enable` as a bool. A client without a server has no relay-client. */}}
{{- define "client.plugins" -}}
{{- $plugins := dict -}}
{{- range $id, $names := include "client.names" . | fromYaml -}}
{{- $plugin := dict -}}
{{- range $names -}}
{{- $plugin = mergeOverwrite $plugin (deepCopy (index $.Values.plugins . | default dict)) -}}
{{- end -}}
{{- $_ := set $plugin "enable" (eq "true" (include "common.isOn" $plugin.enable)) -}}
{{- $_ := set $plugins $id $plugin -}}
{{- end -}}
{{- $relay := index $plugins "relay-client" -}}
{{- if and (not $relay.relayServer) .Values.global.relayServer -}}
{{- $server := include "common.join" (list .Release.Name "alumet-relay-server") -}}
{{- $_ := set $relay "relayServer" (printf "%s:%v" $server (.Values.global.relayServer.port | default 50051)) -}}
{{- end -}}
{{- $_ := set $relay "enable" (and $relay.enable (not (empty $relay.relayServer))) -}}
{{- toJson $plugins -}}
{{- end -}}

{{/*
What the plugins that are on need of the node, as little as they work with:
  root          root, without which added capabilities have no effect and files of root stay closed
  capabilities  a list
  hostPID       the processes of the node
  cgroup        its control groups
  hostRoot      its files below /host, because the runtime hides those of powercap in the container's own /sys
  token         a token of the ServiceAccount
*/}}
{{- define "client.needs" -}}
{{- $plugins := include "client.plugins" . | fromJson -}}
{{- $capabilities := .Values.extraCapabilities | default list -}}
{{- $hasRapl := $plugins.rapl.enable -}}
{{- $hasPowercap := and $hasRapl (ne $plugins.rapl.interface "perf") -}}
{{- if or $plugins.perf.enable (and $hasRapl (not $hasPowercap)) -}}
{{- $capabilities = append $capabilities "PERFMON" -}}
{{- end -}}
{{- $hasNetwork := and $plugins.procfs.enable $plugins.procfs.network.enabled -}}
{{- if and $hasNetwork (not .Values.hostNetwork) -}}
{{- $capabilities = append $capabilities "SYS_PTRACE" -}}
{{- end -}}
{{- $hasProcesses := and $plugins.procfs.enable $plugins.procfs.processes.enabled -}}
{{- $needs := dict
  "capabilities" $capabilities
  "root" (or (not (empty $capabilities)) $hasPowercap $plugins.nvml.enable .Values.persistence.enabled)
  "hostPID" (or $hasProcesses $hasNetwork $plugins.nvml.enable)
  "cgroup" (or $plugins.k8s.enable $plugins.oar.enable $plugins.perf.enable)
  "hostRoot" $hasPowercap
  "token" (and $plugins.k8s.enable (has (toString $plugins.k8s.token_retrieval) (list "file" "auto")))
-}}
{{- toJson $needs -}}
{{- end -}}
