{{- define "alumet-relay-server.fullname" -}}
{{- include "common.fullname" (dict "root" . "name" "alumet-relay-server" "fullname" .Values.fullnameOverride) -}}
{{- end -}}

{{/* The ConfigMap that is mounted. */}}
{{- define "alumet-relay-server.configMap" -}}
{{- .Values.configMap.name | default (include "common.join" (list (include "alumet-relay-server.fullname" .) "config")) -}}
{{- end -}}

{{/* Whether there is a claim: what csv and store write has no other copy. */}}
{{- define "alumet-relay-server.persists" -}}
{{- $persistence := .Values.persistence -}}
{{- $plugins := .Values.plugins -}}
{{- if $persistence.existingClaim -}}
true
{{- else if eq (toString $persistence.enabled) "auto" -}}
{{- if or (include "common.isOn" $plugins.csv.enable) (include "common.isOn" $plugins.store.enable) }}true{{ end -}}
{{- else -}}
{{- include "common.isOn" $persistence.enabled -}}
{{- end -}}
{{- end -}}

{{/* The Secrets with certificates. */}}
{{- define "alumet-relay-server.tlsServerSecret" -}}
{{- .Values.global.tls.serverSecret | default (include "common.join" (list .Release.Name "alumet-tls-server")) -}}
{{- end -}}
{{- define "alumet-relay-server.tlsClientSecret" -}}
{{- .Values.global.tls.clientSecret | default (include "common.join" (list .Release.Name "alumet-tls-client")) -}}
{{- end -}}

{{/* The names under which agents reach the server, as a JSON list. */}}
{{- define "alumet-relay-server.serverNames" -}}
{{- $name := include "alumet-relay-server.fullname" . -}}
{{- $namespace := .Release.Namespace -}}
{{- list $name (printf "%s.%s" $name $namespace) (printf "%s.%s.svc" $name $namespace) (printf "%s.%s.svc.cluster.local" $name $namespace) | toJson -}}
{{- end -}}

{{/* The ports of the program, as YAML: name and number. */}}
{{- define "alumet-relay-server.ports" -}}
relay: {{ .Values.plugins.relayServer.port }}
health: {{ .Values.health.port }}
{{- if include "common.isOn" .Values.plugins.prometheusExporter.enable }}
exporter: {{ .Values.plugins.prometheusExporter.port }}
{{- end }}
{{- if include "common.isOn" .Values.plugins.restApi.enable }}
http: {{ .Values.plugins.restApi.port }}
{{- end }}
{{- end -}}

{{/* The Secret with the token of InfluxDB. */}}
{{- define "alumet-relay-server.influxdbSecret" -}}
{{- .Values.plugins.influxdb.existingSecret | default (include "common.join" (list .Release.Name "influxdb2-auth")) -}}
{{- end -}}

{{/* The port in an address such as http://host:8086, or that of its scheme. */}}
{{- define "alumet-relay-server.portOf" -}}
{{- $url := urlParse . -}}
{{- regexFind ":[0-9]+$" $url.host | trimPrefix ":" | default (ternary 443 80 (eq $url.scheme "https")) -}}
{{- end -}}
