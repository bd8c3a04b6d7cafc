{{- define "alumet-api.fullname" -}}
{{- include "common.fullname" (dict "root" . "name" "alumet-api" "fullname" .Values.fullnameOverride) -}}
{{- end -}}

{{- define "alumet-api.influxdbHost" -}}
{{- .Values.influxdb.host | default (printf "http://%s:80" (include "common.join" (list .Release.Name "influxdb2"))) -}}
{{- end -}}

{{/* The Secret with the token of InfluxDB. */}}
{{- define "alumet-api.influxdbSecret" -}}
{{- .Values.influxdb.existingSecret | default (include "common.join" (list .Release.Name "influxdb2-auth")) -}}
{{- end -}}

{{/* The port in the address of InfluxDB, or that of its scheme. */}}
{{- define "alumet-api.influxdbPort" -}}
{{- $url := urlParse (include "alumet-api.influxdbHost" .) -}}
{{- regexFind ":[0-9]+$" $url.host | trimPrefix ":" | default (ternary 443 80 (eq $url.scheme "https")) -}}
{{- end -}}
