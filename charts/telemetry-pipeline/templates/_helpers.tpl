{{/* The name of the objects of a component: <release>-<end>. Takes a list: the context, and the end. */}}
{{- define "pipeline.name" -}}
{{- $root := index . 0 -}}
{{- include "common.join" (list ($root.Values.fullnameOverride | default $root.Release.Name) (index . 1)) -}}
{{- end -}}

{{- define "pipeline.serviceAccount" -}}
{{- $account := .Values.serviceAccount -}}
{{- $account.name | default (ternary (include "pipeline.name" (list . "telemetry-pipeline")) "default" $account.create) -}}
{{- end -}}

{{/* A share of a quantity of Kubernetes, in bytes. Takes a list: the quantity, and the share. */}}
{{- define "pipeline.share" -}}
{{- $quantity := toString (index . 0) -}}
{{- $number := regexFind "^[0-9.]+" $quantity -}}
{{- $units := dict "k" 1e3 "M" 1e6 "G" 1e9 "T" 1e12 "P" 1e15 "Ki" 1024.0 "Mi" 1048576.0 "Gi" 1073741824.0 "Ti" 1099511627776.0 "Pi" 1125899906842624.0 -}}
{{- $unit := index $units (trimPrefix $number $quantity) | default 1.0 -}}
{{- printf "%.0f" (floor (mulf (float64 $number) $unit (index . 1))) -}}
{{- end -}}

{{/* Whether this release has the queue: "standalone", "sidecar" or nothing. */}}
{{- define "pipeline.mq" -}}
{{- if and (ne .Values.mq.mode "external") (or .Values.streamer.enabled .Values.collector.enabled) -}}
{{- .Values.mq.mode -}}
{{- end -}}
{{- end -}}

{{- define "pipeline.mq.secret" -}}
{{- .Values.mq.auth.existingSecret | default (include "pipeline.name" (list . "mq")) -}}
{{- end -}}

{{/* Whether the password of the queue comes from a Secret. */}}
{{- define "pipeline.mq.hasPassword" -}}
{{- if and .Values.mq.auth.enabled (or (include "pipeline.mq" .) .Values.mq.auth.existingSecret) }}true{{ end -}}
{{- end -}}

{{/* The variables of the programs that speak to the queue: a list. */}}
{{- define "pipeline.mq.env" -}}
{{- $env := list -}}
{{- if include "pipeline.mq.hasPassword" . -}}
{{- $key := dict "name" (include "pipeline.mq.secret" .) "key" "password" -}}
{{- $env = append $env (dict "name" "MQ_PASSWORD" "valueFrom" (dict "secretKeyRef" $key)) -}}
{{- end -}}
{{- toJson $env -}}
{{- end -}}

{{/*
What the plugins "nats" and "nats-input" have in common: how they connect, and the stream that both would make. As a GPU has
a subject of its own, the stream drops nothing of it that a collector would keep.
*/}}
{{- define "pipeline.mq.client" -}}
{{- $mq := .Values.mq -}}
{{- $subjects := list "telemetry.>" -}}
{{- range $mq.topics -}}
{{- $subjects = append $subjects . -}}
{{- if not (hasSuffix ">" .) -}}
{{- $subjects = append $subjects (printf "%s.>" .) -}}
{{- end -}}
{{- end -}}
{{- $stream := dict "subjects" $subjects "max_msgs_per_subject" .Values.collector.maxEntriesPerGPU "replicas" (ternary 3 1 (ge (int $mq.replicaCount) 3)) -}}
{{- $servers := $mq.servers -}}
{{- if ne $mq.mode "external" -}}
{{- $_ := set $stream "max_bytes" (include "pipeline.share" (list $mq.persistence.size 0.7) | float64) -}}
{{- $servers = list (printf "nats://%s:%d" (include "pipeline.name" (list . "mq")) (int $mq.port)) -}}
{{- end -}}
{{- $client := dict "servers" $servers "stream" $stream -}}
{{- if include "pipeline.mq.hasPassword" . -}}
{{- $_ := set $client "username" $mq.auth.username -}}
{{- $_ := set $client "password" "${MQ_PASSWORD}" -}}
{{- end -}}
{{- toJson $client -}}
{{- end -}}

{{/* The ports of addresses such as "nats://host:4222": a list. */}}
{{- define "pipeline.ports" -}}
{{- $ports := list -}}
{{- range . -}}
{{- with regexFind ":[0-9]+$" . -}}
{{- $ports = append $ports (trimPrefix ":" . | int) -}}
{{- end -}}
{{- end -}}
{{- toJson (uniq $ports) -}}
{{- end -}}

{{/* The kind of the workload of the collectors: with volumes, several need one each. */}}
{{- define "pipeline.collector.kind" -}}
{{- $collector := .Values.collector -}}
{{- if ne $collector.kind "auto" -}}
{{- $collector.kind -}}
{{- else if and $collector.persistence.enabled (include "pipeline.collector.areMany" .) -}}
StatefulSet
{{- else -}}
Deployment
{{- end -}}
{{- end -}}

{{- define "pipeline.collector.areMany" -}}
{{- $scaling := include "pipeline.collector.autoscaling" . | fromJson -}}
{{- if or $scaling.enabled (gt (int .Values.collector.replicaCount) 1) }}true{{ end -}}
{{- end -}}

{{/* As older manuals write it below "mq", it is understood there, too. */}}
{{- define "pipeline.collector.autoscaling" -}}
{{- toJson (mergeOverwrite (deepCopy .Values.collector.autoscaling) (deepCopy (.Values.mq.autoscaling | default dict))) -}}
{{- end -}}

{{/* Where gateways find the collectors: a list, empty if there are none in this release and none was named. */}}
{{- define "pipeline.collector.addresses" -}}
{{- $addresses := .Values.apiGateway.collectors.addresses -}}
{{- if and (not $addresses) .Values.collector.enabled -}}
{{- $addresses = list (printf "dns:http://%s:%d" (include "pipeline.name" (list . "collector-headless")) (int .Values.collector.port)) -}}
{{- end -}}
{{- toJson $addresses -}}
{{- end -}}

{{/*
The metadata of a claim. It is the same whether the chart makes it or a StatefulSet, so that each takes over what the other
has made. An uninstallation leaves it.
*/}}
{{- define "pipeline.claimMetadata" -}}
{{- $annotations := dict "helm.sh/resource-policy" "keep" "meta.helm.sh/release-name" .root.Release.Name "meta.helm.sh/release-namespace" .root.Release.Namespace -}}
{{- $labels := merge (include "common.selectorLabels" . | fromYaml) (dict "app.kubernetes.io/managed-by" .root.Release.Service) -}}
{{- toYaml (dict "labels" $labels "annotations" $annotations) -}}
{{- end -}}
