{{- define "pipeline.collector.config" -}}
{{- $collector := .Values.collector -}}
{{- $input := include "pipeline.mq.client" . | fromJson -}}
{{- $input = merge $input (dict "durable" "collector" "workers" $collector.workers "ack_wait" $collector.ackWait "max_deliver" $collector.maxDeliver) -}}
{{- $size := include "pipeline.collector.size" . -}}
{{- $store := dict "path" "/var/lib/alumet/store.db" "max_entries_per_gpu" $collector.maxEntriesPerGPU "max_size" (include "pipeline.share" (list $size 0.8) | float64) -}}
{{- $api := dict "address" (printf "0.0.0.0:%d" (int $collector.port)) "insecure" true -}}
{{- $spool := dict "path" "/var/lib/alumet/spool.db" "max_size" (include "pipeline.share" (list $size 0.1) | float64) -}}
{{- if not $collector.checkpointEnabled -}}
{{- $spool = dict "on_disk" false -}}
{{- end -}}
{{- $config := dict "spool" $spool "health" (dict "address" (printf "0.0.0.0:%d" (int $collector.metricsPort))) "plugins" (dict "nats-input" $input "store" $store "rest-api" $api) -}}
{{- include "common.toml" (mergeOverwrite $config (deepCopy $collector.config)) -}}
{{- end -}}

{{- define "pipeline.apiGateway.config" -}}
{{- $gateway := .Values.apiGateway -}}
{{- $api := dict "address" (printf "0.0.0.0:%d" (int $gateway.port)) "insecure" true -}}
{{- with include "pipeline.collector.addresses" . | fromJsonArray -}}
{{- $collectors := dict "addresses" . "partial" $gateway.collectors.partial -}}
{{- if not $gateway.collectors.addresses -}}
{{- $scaling := include "pipeline.collector.autoscaling" $ | fromJson -}}
{{- $_ := set $collectors "at_least" (ternary $scaling.minReplicas $.Values.collector.replicaCount $scaling.enabled | int) -}}
{{- end -}}
{{- $_ := set $api "collectors" $collectors -}}
{{- end -}}
{{- if $gateway.cors.enabled -}}
{{- $_ := set $api "cors" (dict "allowed_origins" $gateway.cors.allowedOrigins "allowed_methods" $gateway.cors.allowedMethods "allowed_headers" $gateway.cors.allowedHeaders) -}}
{{- end -}}
{{- if $gateway.tokens.existingSecret -}}
{{- $_ := set $api "tokens_file" "/etc/alumet/tokens/tokens" -}}
{{- end -}}
{{- if $gateway.tls.existingSecret -}}
{{- $_ := set $api "tls" (dict "certificate" "/etc/alumet/tls/tls.crt" "key" "/etc/alumet/tls/tls.key") -}}
{{- end -}}
{{- $config := dict "spool" (dict "on_disk" false) "health" (dict "address" (printf "0.0.0.0:%d" (int $gateway.metricsPort))) "plugins" (dict "rest-api" $api) -}}
{{- include "common.toml" (mergeOverwrite $config (deepCopy $gateway.config)) -}}
{{- end -}}
