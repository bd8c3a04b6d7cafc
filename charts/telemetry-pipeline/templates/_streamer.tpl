{{/* Where the rows come from: "nvml", "claim", "configMap" or "inline". */}}
{{- define "pipeline.streamer.from" -}}
{{- $streamer := .Values.streamer -}}
{{- if eq $streamer.source "nvml" -}}
nvml
{{- else if $streamer.persistence.enabled -}}
claim
{{- else if $streamer.csv.existingConfigMap -}}
configMap
{{- else -}}
inline
{{- end -}}
{{- end -}}

{{- define "pipeline.streamer.config" -}}
{{- $streamer := .Values.streamer -}}
{{- $from := include "pipeline.streamer.from" . -}}
{{- $nats := include "pipeline.mq.client" . | fromJson -}}
{{- $_ := set $nats "subjects" "gpu" -}}
{{- $_ := set $nats "client_name" "${NODE_NAME}" -}}
{{- $plugins := dict "nats" $nats -}}
{{- if eq $from "nvml" -}}
{{- $_ := set $plugins "nvml" dict -}}
{{- else -}}
{{- $replay := dict "path" "/data/telemetry.csv" "workers" $streamer.workers "rate" (float64 $streamer.rate) "loop" $streamer.loop "timestamp" $streamer.timestamp "worker_mode" $streamer.workerMode "on_no_match" $streamer.onNoMatch -}}
{{- with $streamer.hostFilter -}}
{{- $_ := set $replay "host_filter" . -}}
{{- end -}}
{{- if eq $from "claim" -}}
{{- $_ := set $replay "path" (printf "/data/%s" $streamer.persistence.file) -}}
{{- /* The file may come later than the pod. */ -}}
{{- $_ := set $replay "on_error" "retry" -}}
{{- end -}}
{{- $_ := set $plugins "csv-replay" $replay -}}
{{- end -}}
{{- $config := dict "plugins" $plugins "pipeline" (dict "self_metrics" "0s") "spool" (dict "path" "/var/lib/alumet/spool.db" "max_size" "512 MiB") "health" (dict "address" (printf "0.0.0.0:%d" (int $streamer.metricsPort))) -}}
{{- include "common.toml" (mergeOverwrite $config (deepCopy $streamer.config)) -}}
{{- end -}}
