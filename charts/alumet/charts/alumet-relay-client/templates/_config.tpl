{{/* The configuration of the agent. */}}
{{- define "client.config" -}}
{{- $plugins := include "client.plugins" . | fromJson -}}
{{- $k8s := $plugins.k8s -}}
{{- $_ := set $k8s "k8s_node" "${NODE_NAME}" -}}
{{- if eq $k8s.names_from "kubelet" -}}
{{- $_ := set $k8s "kubelet_url" "https://${NODE_IP}:10250" -}}
{{- end -}}
{{- $_ := set $plugins "relay-client" (merge (include "client.relay" (list (index $plugins "relay-client") .) | fromJson) (omit (index $plugins "relay-client") "relayServer")) -}}
{{- $_ := set (index $plugins "prometheus-exporter") "host" "0.0.0.0" -}}
{{- $attribution := index $plugins "energy-attribution" -}}
{{- /* It shares by what the whole machine used, which procfs measures. */ -}}
{{- if and $attribution.enable (not $plugins.procfs.enable) -}}
{{- $off := dict "enabled" false -}}
{{- $_ := set $plugins "procfs" (dict "enable" true "memory" $off "network" $off "disks" $off "load" $off "pressure" $off "cpu_frequency" $off "temperatures" $off "processes" $off) -}}
{{- end -}}
{{- if and $plugins.nvml.enable $k8s.enable -}}
{{- $_ := set $plugins "process-to-cgroup-bridge" (dict "enable" true "processes_metrics" (list "nvml_process_sm_time")) -}}
{{- end -}}
{{- $tables := dict -}}
{{- range $id, $plugin := $plugins -}}
{{- $table := dict "enable" $plugin.enable -}}
{{- if $plugin.enable -}}
{{- $table = mergeOverwrite (omit $plugin "config") ($plugin.config | default dict) -}}
{{- end -}}
{{- $_ := set $tables $id $table -}}
{{- end -}}
{{- $transforms := list -}}
{{- range list "process-to-cgroup-bridge" "energy-attribution" "k8s" "oar" "aggregation" -}}
{{- if (index $plugins . | default dict).enable -}}
{{- $transforms = append $transforms . -}}
{{- end -}}
{{- end -}}
{{- $config := dict
  "log" (dict "level" .Values.log.level "format" .Values.log.format)
  "health" (dict "address" (printf "0.0.0.0:%v" .Values.health.port))
  "state_dir" "/var/lib/alumet"
  "spool" (dict "path" "/var/lib/alumet/spool.db" "max_size" .Values.spoolSize)
  "pipeline" (dict "transforms" $transforms)
  "plugins" $tables
-}}
{{- include "common.toml" (mergeOverwrite $config (deepCopy .Values.config)) -}}
{{- end -}}

{{/* Where the relay client sends, and how it proves who it is. Takes a list: its values, and the context. */}}
{{- define "client.relay" -}}
{{- $relay := dict "relay_server" ((index . 0).relayServer | default "") "client_name" "${NODE_NAME}" -}}
{{- if eq (index . 1).Values.global.tls.mode "none" -}}
{{- $_ := set $relay "insecure" true -}}
{{- else -}}
{{- $_ := set $relay "tls" (dict "ca" "/etc/alumet/tls/ca.crt" "certificate" "/etc/alumet/tls/tls.crt" "key" "/etc/alumet/tls/tls.key") -}}
{{- end -}}
{{- toJson $relay -}}
{{- end -}}
