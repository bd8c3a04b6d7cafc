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
{{- $_ := set $stream "max_bytes" (include "pipeline.share" (list (include "pipeline.mq.size" .) 0.7) | float64) -}}
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
What the chart says of claims. Neither a claim nor the templates of claims of a StatefulSet can be changed, and an upgrade that tries
is refused as a whole; so what is in the cluster stays as it is. A claim is named after the component, as a StatefulSet
does it for its first pod, so that a Deployment and a StatefulSet take over from each other. Each template takes a component, with
  claim        the name of the claim in the pods
  persistence  the values
*/}}
{{- define "pipeline.claimName" -}}
{{- printf "%s-%s-0" .claim (include "common.fullname" .) -}}
{{- end -}}

{{/* The first claim as it is in the cluster; empty if it is not there. */}}
{{- define "pipeline.oldClaim" -}}
{{- toJson (lookup "v1" "PersistentVolumeClaim" .root.Release.Namespace (include "pipeline.claimName" .) | default dict) -}}
{{- end -}}

{{- define "pipeline.size" -}}
{{- $old := include "pipeline.oldClaim" . | fromJson -}}
{{- if and .persistence.enabled $old.spec -}}
{{- $old.spec.resources.requests.storage -}}
{{- else -}}
{{- .persistence.size -}}
{{- end -}}
{{- end -}}

{{/* The metadata without the name. An uninstallation leaves the claim. Which class was asked for is not what a claim says later. */}}
{{- define "pipeline.claimMetadata" -}}
{{- $class := .persistence.storageClass | default .root.Values.global.storageClass -}}
{{- $annotations := dict "helm.sh/resource-policy" "keep" "meta.helm.sh/release-name" .root.Release.Name "meta.helm.sh/release-namespace" .root.Release.Namespace "alumet.dev/storage-class" $class -}}
{{- $labels := merge (include "common.selectorLabels" . | fromYaml) (dict "app.kubernetes.io/managed-by" .root.Release.Service) -}}
{{- toYaml (dict "labels" $labels "annotations" $annotations) -}}
{{- end -}}

{{- define "pipeline.claim" -}}
{{- $old := include "pipeline.oldClaim" . | fromJson -}}
{{- $persistence := deepCopy .persistence -}}
{{- if $old.spec -}}
{{- $class := index ($old.metadata.annotations | default dict) "alumet.dev/storage-class" | default "" -}}
{{- $persistence = mergeOverwrite $persistence (dict "size" $old.spec.resources.requests.storage "accessModes" $old.spec.accessModes "storageClass" $class) -}}
{{- end -}}
{{- $claim := merge (dict "persistence" $persistence) (omit . "persistence") -}}
apiVersion: v1
kind: PersistentVolumeClaim
metadata:
  name: {{ include "pipeline.claimName" . }}
  namespace: {{ .root.Release.Namespace }}
  {{- include "pipeline.claimMetadata" $claim | nindent 2 }}
spec:
  {{- include "common.claimSpec" $claim | nindent 2 }}
{{- end -}}

{{- define "pipeline.claimTemplates" -}}
{{- $old := (lookup "apps/v1" "StatefulSet" .root.Release.Namespace (include "common.fullname" .)).spec | default dict -}}
{{- $templates := list -}}
{{- range $old.volumeClaimTemplates -}}
{{- $templates = append $templates (omit . "status") -}}
{{- end -}}
{{- $new := dict "metadata" (merge (dict "name" .claim) (include "pipeline.claimMetadata" . | fromYaml)) "spec" (include "common.claimSpec" . | fromYaml) -}}
{{- toYaml ($templates | default (list $new)) -}}
{{- end -}}

{{/* The components with claims. Take the context. */}}
{{- define "pipeline.collector.size" -}}
{{- include "pipeline.size" (dict "root" . "fullname" (include "pipeline.name" (list . "collector")) "claim" "data" "persistence" .Values.collector.persistence) -}}
{{- end -}}

{{- define "pipeline.mq.size" -}}
{{- include "pipeline.size" (dict "root" . "fullname" (include "pipeline.name" (list . "mq")) "claim" "mq-data" "persistence" .Values.mq.persistence) -}}
{{- end -}}
