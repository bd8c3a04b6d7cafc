{{/* What the library is told of the agent, but for its root and values. */}}
{{- define "client.component" -}}
{{- toJson (dict "name" "alumet-relay-client" "component" "relay-client" "fullname" .Values.fullnameOverride) -}}
{{- end -}}

{{- define "client.fullname" -}}
{{- include "common.fullname" (include "client.component" . | fromJson | merge (dict "root" .)) -}}
{{- end -}}

{{- define "client.serviceAccount" -}}
{{- .Values.serviceAccount.name | default (include "common.join" (list .Release.Name "alumet-reader")) -}}
{{- end -}}

{{/* The image: that of GPUs has the libraries of a usual system, which the driver needs. */}}
{{- define "client.image" -}}
{{- $image := deepCopy .Values.image -}}
{{- $plugins := include "client.plugins" . | fromJson -}}
{{- if and $plugins.nvml.enable (not $image.tag) -}}
{{- $_ := set $image "tag" (printf "%s-gpu" (include "common.tag" (dict "root" . "image" $image))) -}}
{{- end -}}
{{- toJson $image -}}
{{- end -}}

{{/* The Secret with the certificate of the agents: ca.crt, tls.crt and tls.key. */}}
{{- define "client.tlsSecret" -}}
{{- $tls := .Values.global.tls -}}
{{- $tls.clientSecret | default (include "common.join" (list .Release.Name "alumet-tls-client")) -}}
{{- end -}}
