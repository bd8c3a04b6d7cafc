{{/*
The Service of a component. Besides: ports, a list of {name, port, targetPort}. Reads values.service.
*/}}
{{- define "common.service" -}}
{{- $service := .values.service | default dict -}}
{{- $spec := dict "type" ($service.type | default "ClusterIP") "selector" (include "common.selectorLabels" . | fromYaml) -}}
{{- $ports := list -}}
{{- range concat .ports ($service.extraPorts | default list) -}}
{{- $ports = append $ports (merge (dict) . (dict "protocol" "TCP")) -}}
{{- end -}}
{{- if and $service.nodePort $ports -}}
{{- $_ := set (first $ports) "nodePort" $service.nodePort -}}
{{- end -}}
{{- $_ := set $spec "ports" $ports -}}
{{- range $key := list "loadBalancerIP" "loadBalancerSourceRanges" "loadBalancerClass" "clusterIP" "externalIPs" "externalTrafficPolicy" "sessionAffinity" -}}
{{- with index $service $key -}}
{{- $_ := set $spec $key . -}}
{{- end -}}
{{- end -}}
{{- if and $service.internalTrafficPolicy (semverCompare ">=1.21-0" .root.Capabilities.KubeVersion.Version) -}}
{{- $_ := set $spec "internalTrafficPolicy" $service.internalTrafficPolicy -}}
{{- end -}}
{{- if .isHeadless -}}
{{- $_ := set $spec "clusterIP" "None" -}}
{{- $_ := set $spec "publishNotReadyAddresses" true -}}
{{- end -}}
apiVersion: v1
kind: Service
metadata:
  {{- include "common.metadata" (merge (dict "annotations" (merge dict (.annotations | default dict) ($service.annotations | default dict)) "moreLabels" $service.labels) .) | nindent 2 }}
spec:
  {{- toYaml $spec | nindent 2 }}
{{- end -}}

{{/* An Ingress to the port "http" of the Service of a component. Reads values.ingress; paths have a default. */}}
{{- define "common.ingress" -}}
{{- $ingress := .values.ingress -}}
{{- $backend := include "common.fullname" . -}}
{{- $isV1 := semverCompare ">=1.19-0" .root.Capabilities.KubeVersion.Version -}}
{{- $annotations := deepCopy ($ingress.annotations | default dict) -}}
{{- if and $ingress.className (not $isV1) -}}
{{- $_ := set $annotations "kubernetes.io/ingress.class" $ingress.className -}}
{{- end -}}
apiVersion: {{ $isV1 | ternary "networking.k8s.io/v1" "networking.k8s.io/v1beta1" }}
kind: Ingress
metadata:
  {{- include "common.metadata" (merge (dict "annotations" $annotations) .) | nindent 2 }}
spec:
  {{- if and $ingress.className $isV1 }}
  ingressClassName: {{ $ingress.className }}
  {{- end }}
  {{- with $ingress.tls }}
  tls:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  rules:
    {{- range $ingress.hosts }}
    - host: {{ .host | quote }}
      http:
        paths:
          {{- range .paths | default (list (dict)) }}
          - path: {{ .path | default "/" }}
            {{- if semverCompare ">=1.18-0" $.root.Capabilities.KubeVersion.Version }}
            pathType: {{ .pathType | default "Prefix" }}
            {{- end }}
            backend:
              {{- if $isV1 }}
              service:
                name: {{ $backend }}
                port:
                  name: http
              {{- else }}
              serviceName: {{ $backend }}
              servicePort: http
              {{- end }}
          {{- end }}
    {{- end }}
{{- end -}}

{{/*
A NetworkPolicy that lets exactly the traffic of a component through. Besides:
  ingress  a list of {ports: [number…], from: [peers…]}; without "from", from everywhere
  egress   a list of {ports: [number…], to: [peers…]}; DNS is added
  policy   values of the user: policyTypes, ingress, egress (lists of whole rules that are added)
*/}}
{{- define "common.networkPolicy" -}}
{{- $policy := .policy | default dict -}}
{{- $types := $policy.policyTypes | default (list "Ingress" "Egress") -}}
{{- $spec := dict "podSelector" (dict "matchLabels" (include "common.selectorLabels" . | fromYaml)) "policyTypes" $types -}}
{{- $ingress := list -}}
{{- range .ingress -}}
{{- $rule := dict "ports" (include "common.policyPorts" .ports | fromJsonArray) -}}
{{- with .from -}}
{{- $_ := set $rule "from" . -}}
{{- end -}}
{{- $ingress = append $ingress $rule -}}
{{- end -}}
{{- $dns := list (dict "port" 53 "protocol" "UDP") (dict "port" 53 "protocol" "TCP") -}}
{{- $egress := list (dict "ports" $dns) -}}
{{- range .egress -}}
{{- $rule := dict "ports" (include "common.policyPorts" .ports | fromJsonArray) -}}
{{- with .to -}}
{{- $_ := set $rule "to" . -}}
{{- end -}}
{{- $egress = append $egress $rule -}}
{{- end -}}
{{- if has "Ingress" $types -}}
{{- $_ := set $spec "ingress" (concat $ingress ($policy.ingress | default list)) -}}
{{- end -}}
{{- if has "Egress" $types -}}
{{- $_ := set $spec "egress" (concat $egress ($policy.egress | default list)) -}}
{{- end -}}
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  {{- include "common.metadata" . | nindent 2 }}
spec:
  {{- toYaml $spec | nindent 2 }}
{{- end -}}

{{- define "common.policyPorts" -}}
{{- $ports := list -}}
{{- range . -}}
{{- $ports = append $ports (dict "port" (int .) "protocol" "TCP") -}}
{{- end -}}
{{- toJson $ports -}}
{{- end -}}

{{/* The pods of a component of this release, as a peer of a NetworkPolicy. Takes a dict of root, chart and component. */}}
{{- define "common.peer" -}}
{{- $labels := dict "app.kubernetes.io/instance" .root.Release.Name "app.kubernetes.io/component" .component -}}
{{- toYaml (dict "podSelector" (dict "matchLabels" $labels)) -}}
{{- end -}}
