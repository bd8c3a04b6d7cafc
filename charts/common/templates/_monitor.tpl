{{/*
How the operator of Prometheus finds a component: kind is ServiceMonitor or PodMonitor. Besides:
  monitor    {interval, scrapeTimeout, labels, relabelings, metricRelabelings, sampleLimit, honorLabels}
  endpoints  a list of {port, path}
*/}}
{{- define "common.monitor" -}}
{{- $monitor := .monitor -}}
{{- $endpoints := list -}}
{{- range .endpoints -}}
{{- $endpoint := merge dict . -}}
{{- range $key := list "interval" "scrapeTimeout" "honorLabels" "relabelings" "metricRelabelings" -}}
{{- with index $monitor $key -}}
{{- $_ := set $endpoint $key . -}}
{{- end -}}
{{- end -}}
{{- $endpoints = append $endpoints $endpoint -}}
{{- end -}}
{{- $labels := merge (include "common.labels" . | fromYaml) ($monitor.labels | default dict) -}}
apiVersion: monitoring.coreos.com/v1
kind: {{ .kind }}
metadata:
  name: {{ include "common.fullname" . }}
  namespace: {{ $monitor.namespace | default .root.Release.Namespace }}
  labels:
    {{- toYaml $labels | nindent 4 }}
spec:
  selector:
    matchLabels:
      {{- include "common.selectorLabels" . | nindent 6 }}
  namespaceSelector:
    matchNames:
      - {{ .root.Release.Namespace }}
  {{- with $monitor.sampleLimit }}
  sampleLimit: {{ . }}
  {{- end }}
  {{ eq .kind "PodMonitor" | ternary "podMetricsEndpoints" "endpoints" }}:
    {{- toYaml $endpoints | nindent 4 }}
{{- end -}}

{{/* Whether the objects of the operator of Prometheus are known in the cluster. */}}
{{- define "common.hasMonitors" -}}
{{- if or (.Capabilities.APIVersions.Has "monitoring.coreos.com/v1") (.Capabilities.APIVersions.Has "monitoring.coreos.com/v1/ServiceMonitor") }}true{{ end -}}
{{- end -}}

{{/* The groups of rules/*.yaml of the chart as an object. Besides: rules, {labels}. */}}
{{- define "common.prometheusRule" -}}
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: {{ include "common.fullname" . }}
  namespace: {{ .root.Release.Namespace }}
  labels:
    {{- toYaml (merge (include "common.labels" . | fromYaml) (.rules.labels | default dict)) | nindent 4 }}
spec:
  {{- .root.Files.Get "rules/alumet.yaml" | nindent 2 }}
{{- end -}}

{{/* The dashboards of the chart that match a pattern, in a ConfigMap that Grafana's sidecar finds. Besides: dashboards, {name, label, labelValue, folder, pattern}. */}}
{{- define "common.dashboards" -}}
apiVersion: v1
kind: ConfigMap
metadata:
  name: {{ .dashboards.name }}
  namespace: {{ .root.Release.Namespace }}
  labels:
    {{- include "common.labels" . | nindent 4 }}
    {{ .dashboards.label | default "grafana_dashboard" }}: {{ .dashboards.labelValue | default "1" | quote }}
  {{- with .dashboards.folder }}
  annotations:
    grafana_folder: {{ . | quote }}
  {{- end }}
data:
  {{- range $path, $text := .root.Files.Glob (.dashboards.pattern | default "dashboards/*.json") }}
  {{ base $path }}: |-
    {{- toString $text | nindent 4 }}
  {{- end }}
{{- end -}}

{{/* Objects of the user, with their templates rendered. */}}
{{- define "common.extraManifests" -}}
{{- range .Values.extraManifests }}
---
{{ include "common.rendered" (list . $) }}
{{- end }}
{{- end -}}
