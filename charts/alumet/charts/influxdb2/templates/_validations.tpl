{{/* Refuses what cannot work, with the value and the remedy. */}}
{{- define "influxdb2.validate" -}}
{{- if and .Values.persistence.useExisting (not (include "influxdb2.existingClaim" .)) -}}
{{- fail "influxdb2: persistence.useExisting is true, but no claim is named: set persistence.name" -}}
{{- end -}}
{{- if and .Values.ingress.enabled (not .Values.ingress.hostname) -}}
{{- fail "influxdb2: ingress.enabled is true, but ingress.hostname is empty: set it" -}}
{{- end -}}
{{- if and .Values.ingress.enabled (ne .Values.service.portName "http") -}}
{{- fail "influxdb2: the Ingress looks for the port http of the Service: leave service.portName as it is" -}}
{{- end -}}
{{- if and .Values.adminUser.existingSecret (or .Values.adminUser.password .Values.adminUser.token) -}}
{{- fail "influxdb2: adminUser.existingSecret and adminUser.password or token are set: keep the Secret or the others" -}}
{{- end -}}
{{- if .Values.existingSecret -}}
{{- fail "influxdb2: existingSecret is read by nobody: set adminUser.existingSecret" -}}
{{- end -}}
{{- end -}}
