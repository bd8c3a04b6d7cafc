{{/* The configuration of the program, as TOML. */}}
{{- define "alumet-relay-server.config" -}}
{{- $plugins := .Values.plugins -}}
{{- $tables := dict "relay-server" (include "alumet-relay-server.relay" . | fromYaml) -}}
{{- range $plugin, $values := dict "influxdb" $plugins.influxdb "csv" $plugins.csv "mongodb" $plugins.mongodb "opentelemetry" $plugins.opentelemetry "prometheus-exporter" $plugins.prometheusExporter "store" $plugins.store "rest-api" $plugins.restApi -}}
{{- $table := dict "enable" false -}}
{{- if include "common.isOn" $values.enable -}}
{{- $table = merge (dict "enable" true) (include (printf "alumet-relay-server.%s" $plugin) $ | fromYaml) -}}
{{- $_ := mergeOverwrite $table (deepCopy $values.config) -}}
{{- end -}}
{{- $_ := set $tables $plugin $table -}}
{{- end -}}
{{- $config := dict
  "health" (dict "address" (printf "0.0.0.0:%d" (int .Values.health.port)))
  "spool" (dict "path" (include "alumet-relay-server.onVolume" "server-spool.db"))
  "plugins" $tables -}}
{{- include "common.toml" (mergeOverwrite $config (deepCopy .Values.config)) -}}
{{- end -}}

{{/* A path, on the volume unless it is absolute or the standard output. */}}
{{- define "alumet-relay-server.onVolume" -}}
{{- if or (hasPrefix "/" .) (eq . "-") }}{{ . }}{{ else }}/var/lib/alumet/{{ . }}{{ end -}}
{{- end -}}

{{- define "alumet-relay-server.relay" -}}
{{- $relay := .Values.plugins.relayServer -}}
{{- $table := dict "enable" true "address" (printf "[::]:%d" (int $relay.port)) -}}
{{- if eq .Values.global.tls.mode "none" -}}
{{- $_ := set $table "insecure" true -}}
{{- else -}}
{{- $_ := set $table "tls" (dict "certificate" "/etc/alumet/tls/tls.crt" "key" "/etc/alumet/tls/tls.key" "client_ca" "/etc/alumet/tls/ca.crt") -}}
{{- $_ := set $table "shared_names" (list .Values.global.tls.clientName) -}}
{{- end -}}
{{- toYaml (mergeOverwrite $table (deepCopy $relay.config)) -}}
{{- end -}}

{{- define "alumet-relay-server.influxdb" -}}
{{- $influxdb := .Values.plugins.influxdb -}}
{{- $table := include "alumet-relay-server.influxdbServer" . | fromYaml -}}
{{- $_ := set $table "attributes_as" ($influxdb.attribute_as | default $influxdb.attributes_as) -}}
{{- toYaml (merge $table (pick $influxdb "attributes_as_tags" "attributes_as_fields")) -}}
{{- end -}}

{{/* Where samples are written to, and read from. */}}
{{- define "alumet-relay-server.influxdbServer" -}}
{{- $influxdb := .Values.plugins.influxdb -}}
host: {{ include "alumet-relay-server.influxdbHost" . }}
org: {{ $influxdb.organization | quote }}
bucket: {{ $influxdb.bucket | quote }}
token: ${INFLUX_TOKEN}
{{- end -}}

{{- define "alumet-relay-server.influxdbHost" -}}
{{- .Values.plugins.influxdb.host | default (printf "http://%s:80" (include "common.join" (list .Release.Name "influxdb2"))) -}}
{{- end -}}

{{- define "alumet-relay-server.csv" -}}
{{- $csv := omit .Values.plugins.csv "enable" "config" -}}
{{- toYaml (set $csv "output_path" (include "alumet-relay-server.onVolume" $csv.output_path)) -}}
{{- end -}}

{{- define "alumet-relay-server.mongodb" -}}
{{- $mongodb := pick .Values.plugins.mongodb "host" "database" "collection" -}}
{{- $_ := set $mongodb "port" (int .Values.plugins.mongodb.port) -}}
{{- if include "alumet-relay-server.mongodbSecret" . -}}
{{- $_ := set $mongodb "username" "${MONGODB_USERNAME}" -}}
{{- $_ := set $mongodb "password" "${MONGODB_PASSWORD}" -}}
{{- end -}}
{{- toYaml $mongodb -}}
{{- end -}}

{{/* The Secret with the user of MongoDB; nothing without one. */}}
{{- define "alumet-relay-server.mongodbSecret" -}}
{{- $mongodb := .Values.plugins.mongodb -}}
{{- if $mongodb.existingSecret -}}
{{- $mongodb.existingSecret -}}
{{- else if $mongodb.username -}}
{{- include "common.join" (list (include "alumet-relay-server.fullname" .) "mongodb") -}}
{{- end -}}
{{- end -}}

{{- define "alumet-relay-server.opentelemetry" -}}
{{- toYaml (omit .Values.plugins.opentelemetry "enable" "config") -}}
{{- end -}}

{{- define "alumet-relay-server.prometheus-exporter" -}}
{{- toYaml (omit .Values.plugins.prometheusExporter "enable" "config") -}}
{{- end -}}

{{- define "alumet-relay-server.store" -}}
{{- $store := omit .Values.plugins.store "enable" "config" -}}
{{- toYaml (set $store "path" (include "alumet-relay-server.onVolume" "store.db")) -}}
{{- end -}}

{{- define "alumet-relay-server.rest-api" -}}
{{- $api := .Values.plugins.restApi -}}
{{- $table := dict "address" (printf "0.0.0.0:%d" (int $api.port)) -}}
{{- if $api.tlsSecret -}}
{{- $_ := set $table "tls" (dict "certificate" "/etc/alumet/api-tls/tls.crt" "key" "/etc/alumet/api-tls/tls.key") -}}
{{- end -}}
{{- if $api.tokensSecret -}}
{{- $_ := set $table "tokens_file" "/etc/alumet/api-tokens/tokens" -}}
{{- end -}}
{{- if not (and $api.tlsSecret $api.tokensSecret) -}}
{{- $_ := set $table "insecure" true -}}
{{- end -}}
{{- if not (include "common.isOn" .Values.plugins.store.enable) -}}
{{- $_ := set $table "influxdb" (include "alumet-relay-server.influxdbServer" . | fromYaml) -}}
{{- end -}}
{{- toYaml $table -}}
{{- end -}}
