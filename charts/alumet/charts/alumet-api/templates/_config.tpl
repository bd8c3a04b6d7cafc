{{/* The configuration of the program, as TOML. */}}
{{- define "alumet-api.config" -}}
{{- $api := dict "enable" true "address" (printf "0.0.0.0:%d" (int .Values.port)) "old_config" "/etc/alumet/config.json" -}}
{{- if .Values.tlsSecret -}}
{{- $_ := set $api "tls" (dict "certificate" "/etc/alumet/tls/tls.crt" "key" "/etc/alumet/tls/tls.key") -}}
{{- end -}}
{{- if .Values.tokensSecret -}}
{{- $_ := set $api "tokens_file" "/etc/alumet/tokens/tokens" -}}
{{- end -}}
{{- if not (and .Values.tlsSecret .Values.tokensSecret) -}}
{{- $_ := set $api "insecure" true -}}
{{- end -}}
{{- $config := dict "health" (dict "address" (printf "0.0.0.0:%d" (int .Values.health.port))) "plugins" (dict "rest-api" $api) -}}
{{- include "common.toml" (mergeOverwrite $config (deepCopy .Values.config)) -}}
{{- end -}}

{{/* The file of earlier versions, which says where the samples are. */}}
{{- define "alumet-api.oldConfig" -}}
{{- $input := dict
  "name" "influxdb"
  "host" (regexReplaceAll ":[0-9]+/*$" (include "alumet-api.influxdbHost" .) "")
  "port" (include "alumet-api.influxdbPort" .)
  "org" .Values.influxdb.organization
  "bucket" .Values.influxdb.bucket
  "token" "${INFLUX_TOKEN}" -}}
{{- dict "inputs" (dict "influxdb_v2" (list $input)) "log" (dict "level" "info" "output" "stdout") "outputs" dict "parameters" dict | toPrettyJson -}}
{{- end -}}
