{{/* Refuses values that cannot work together. Each message names the value, and what to do. */}}
{{- define "pipeline.validate" -}}
{{- $streamer := .Values.streamer -}}
{{- $collector := .Values.collector -}}
{{- $mq := .Values.mq -}}
{{- if and $streamer.enabled (eq $streamer.source "csv") -}}
{{- if and $streamer.persistence.enabled $streamer.csv.existingConfigMap -}}
{{- fail "streamer.csv.existingConfigMap and streamer.persistence.enabled name two files: set only one of them" -}}
{{- end -}}
{{- if eq (include "pipeline.streamer.from" .) "inline" -}}
{{- if not (trim $streamer.csvData) -}}
{{- fail "streamer.csvData is empty: give it the file (--set-file streamer.csvData=telemetry.csv), or set streamer.csv.existingConfigMap or streamer.persistence.enabled=true" -}}
{{- end -}}
{{- if gt (len $streamer.csvData) 1000000 -}}
{{- fail (printf "streamer.csvData has %d bytes, and a ConfigMap holds no more than about 1000000: put the file on a volume with streamer.persistence.enabled=true" (len $streamer.csvData)) -}}
{{- end -}}
{{- end -}}
{{- if and $streamer.loop (eq $streamer.timestamp "original") -}}
{{- fail "streamer.timestamp=original gives the same samples again in each pass: set streamer.loop=false, or streamer.timestamp=shift" -}}
{{- end -}}
{{- if and (eq $streamer.workerMode "replicate") (ne $streamer.timestamp "now") -}}
{{- fail "streamer.workerMode=replicate sends each row several times, at times of their own: set streamer.timestamp=now, or streamer.workerMode=partition" -}}
{{- end -}}
{{- end -}}
{{- if or $streamer.enabled $collector.enabled -}}
{{- if and (eq $mq.mode "external") (not $mq.servers) -}}
{{- fail "mq.mode=external needs mq.servers, such as [\"nats://nats.example:4222\"]" -}}
{{- end -}}
{{- if and (ne $mq.mode "external") $mq.servers -}}
{{- fail (printf "mq.servers names a queue elsewhere, but mq.mode=%s makes one here: set mq.mode=external, or leave mq.servers empty" $mq.mode) -}}
{{- end -}}
{{- end -}}
{{- if eq (include "pipeline.mq" .) "sidecar" -}}
{{- if not $collector.enabled -}}
{{- fail "mq.mode=sidecar is the queue in the pod of the collector: set collector.enabled=true, or mq.mode=standalone" -}}
{{- end -}}
{{- if or (include "pipeline.collector.areMany" .) (gt (int $mq.replicaCount) 1) (eq $collector.kind "StatefulSet") -}}
{{- fail "mq.mode=sidecar has one queue in the pod of one collector: set collector.replicaCount=1, collector.autoscaling.enabled=false, collector.kind=auto and mq.replicaCount=1, or mq.mode=standalone" -}}
{{- end -}}
{{- end -}}
{{- if and $collector.enabled $collector.persistence.enabled (include "pipeline.collector.areMany" .) -}}
{{- if eq $collector.kind "Deployment" -}}
{{- fail "collector.kind=Deployment has one volume, which several replicas cannot share: set collector.kind=auto, collector.replicaCount=1 without collector.autoscaling.enabled, or collector.persistence.enabled=false" -}}
{{- end -}}
{{- if $collector.persistence.existingClaim -}}
{{- fail "collector.persistence.existingClaim is one volume, which several replicas cannot share: leave it empty, or set collector.replicaCount=1 without collector.autoscaling.enabled" -}}
{{- end -}}
{{- end -}}
{{- range $name, $scaling := dict "collector" (include "pipeline.collector.autoscaling" . | fromJson) "apiGateway" .Values.apiGateway.autoscaling -}}
{{- if and $scaling.enabled (gt (int $scaling.minReplicas) (int $scaling.maxReplicas)) -}}
{{- fail (printf "%s.autoscaling.minReplicas is more than %s.autoscaling.maxReplicas: swap them" $name $name) -}}
{{- end -}}
{{- end -}}
{{- if and .Values.apiGateway.enabled .Values.apiGateway.httpRoute.enabled (not .Values.apiGateway.httpRoute.parentRefs) -}}
{{- fail "apiGateway.httpRoute.enabled needs apiGateway.httpRoute.parentRefs, such as [{name: my-gateway}]" -}}
{{- end -}}
{{- range .Values.apiGateway.ingress.hosts -}}
{{- if and $.Values.apiGateway.ingress.enabled (not .host) -}}
{{- fail "apiGateway.ingress.hosts has an entry without host: name it, such as telemetry-api.example.com" -}}
{{- end -}}
{{- end -}}
{{- end -}}
