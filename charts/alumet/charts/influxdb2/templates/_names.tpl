{{- define "influxdb2.fullname" -}}
{{- include "common.fullname" (dict "root" . "name" "influxdb2" "fullname" .Values.fullnameOverride) -}}
{{- end -}}

{{/* The Secret with password and token. */}}
{{- define "influxdb2.secret" -}}
{{- $own := include "common.join" (list .Release.Name "influxdb2-auth") -}}
{{- with .Values.fullnameOverride -}}
{{- $own = include "common.join" (list . "auth") -}}
{{- end -}}
{{- .Values.adminUser.existingSecret | default $own -}}
{{- end -}}

{{/* A claim of the user; nothing without one. */}}
{{- define "influxdb2.existingClaim" -}}
{{- .Values.persistence.existingClaim | default .Values.persistence.name -}}
{{- end -}}

{{- define "influxdb2.serviceAccount" -}}
{{- .Values.serviceAccount.name | default (ternary (include "influxdb2.fullname" .) "" .Values.serviceAccount.create) -}}
{{- end -}}
