{{/* Refuses what cannot work, with the value and the remedy. */}}
{{- define "alumet-relay-server.validate" -}}
{{- $plugins := .Values.plugins -}}
{{- $influxdb := $plugins.influxdb -}}
{{- if and (include "common.isOn" $plugins.restApi.enable) (not (include "common.isOn" $plugins.store.enable)) (not (include "common.isOn" $influxdb.enable)) (not (hasKey $plugins.restApi.config "collectors")) -}}
{{- fail "alumet-relay-server: plugins.restApi.enable is true, but nothing keeps samples that it could serve: set plugins.store.enable=true or plugins.influxdb.enable=true" -}}
{{- end -}}
{{- if and .Values.ingress.enabled (not (include "common.isOn" $plugins.restApi.enable)) -}}
{{- fail "alumet-relay-server: ingress.enabled is true, but there is no page behind it: set plugins.restApi.enable=true" -}}
{{- end -}}
{{- if and .Values.ingress.enabled (not .Values.ingress.hosts) -}}
{{- fail "alumet-relay-server: ingress.enabled is true, but ingress.hosts is empty: set ingress.hosts[0].host" -}}
{{- end -}}
{{- $mongodb := $plugins.mongodb -}}
{{- if and $mongodb.existingSecret (or $mongodb.username $mongodb.password) -}}
{{- fail "alumet-relay-server: plugins.mongodb.existingSecret and plugins.mongodb.username or password are set: keep the Secret or the two" -}}
{{- end -}}
{{- if ne (empty $mongodb.username) (empty $mongodb.password) -}}
{{- fail "alumet-relay-server: of plugins.mongodb.username and plugins.mongodb.password one is empty: set both, or plugins.mongodb.existingSecret" -}}
{{- end -}}
{{- $taken := dict -}}
{{- range $name, $port := include "alumet-relay-server.ports" . | fromYaml -}}
{{- $port = toString (int $port) -}}
{{- if hasKey $taken $port -}}
{{- fail (printf "alumet-relay-server: the ports %s and %s are both %s: change one of plugins.*.port and health.port" (get $taken $port) $name $port) -}}
{{- end -}}
{{- $_ := set $taken $port $name -}}
{{- end -}}
{{- end -}}
