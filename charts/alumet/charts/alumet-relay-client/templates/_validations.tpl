{{/* Refuses values that cannot work, with the value and the remedy. */}}
{{- define "client.validations" -}}
{{- $plugins := include "client.plugins" . | fromJson -}}
{{- $needs := include "client.needs" . | fromJson -}}
{{- if and (eq .Values.gpu.mode "runtimeClass") $plugins.nvml.enable (not .Values.gpu.runtimeClassName) (not .Values.runtimeClassName) -}}
{{- fail "gpu.runtimeClassName is empty: name the RuntimeClass of the NVIDIA runtime, or set gpu.mode to resource or none" -}}
{{- end -}}
{{- $isOn := .Values.config.plugins -}}
{{- range $plugins -}}
{{- $isOn = or $isOn .enable -}}
{{- end -}}
{{- if not (or $isOn .Values.configMap.name) -}}
{{- fail "no plugin is on, so that the agent would have nothing to do: set plugins.k8s.enable=true or another one, and plugins.relay_client.relayServer if this release has no server" -}}
{{- end -}}
{{- $ports := list (int .Values.health.port) -}}
{{- if (index $plugins "prometheus-exporter").enable -}}
{{- $ports = append $ports (int (index $plugins "prometheus-exporter").port) -}}
{{- end -}}
{{- if ne (len $ports) (len (uniq $ports)) -}}
{{- fail (printf "health.port and plugins.prometheusExporter.port are both %d: choose different ones" (first $ports)) -}}
{{- end -}}
{{- $uid := (.Values.podSecurityContext | default dict).runAsUser -}}
{{- if and $needs.root (not (kindIs "invalid" $uid)) -}}
{{- if ne (int $uid) 0 -}}
{{- fail (printf "podSecurityContext.runAsUser is %d, but what is switched on works as root only (capabilities, rapl, nvml or persistence): leave it out, or switch that off" (int $uid)) -}}
{{- end -}}
{{- end -}}
{{- end -}}
