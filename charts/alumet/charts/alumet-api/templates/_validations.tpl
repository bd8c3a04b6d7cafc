{{/* Refuses what cannot work, with the value and the remedy. */}}
{{- define "alumet-api.validate" -}}
{{- if and .Values.configMap.name .Values.configSecret -}}
{{- fail "alumet-api: configMap.name and configSecret are set: config.json can come from one of them" -}}
{{- end -}}
{{- if and .Values.ingress.enabled (not .Values.ingress.hosts) -}}
{{- fail "alumet-api: ingress.enabled is true, but ingress.hosts is empty: set ingress.hosts[0].host" -}}
{{- end -}}
{{- if eq (int .Values.port) (int .Values.health.port) -}}
{{- fail (printf "alumet-api: port and health.port are both %d: change one of them" (int .Values.port)) -}}
{{- end -}}
{{- if gt (int .Values.autoscaling.minReplicas) (int .Values.autoscaling.maxReplicas) -}}
{{- fail "alumet-api: autoscaling.minReplicas is more than autoscaling.maxReplicas: raise the one or lower the other" -}}
{{- end -}}
{{- end -}}
