{{/* Reads values.podDisruptionBudget (or budget): {minAvailable or maxUnavailable}. */}}
{{- define "common.podDisruptionBudget" -}}
{{- $budget := .budget | default .values.podDisruptionBudget -}}
apiVersion: {{ semverCompare ">=1.21-0" .root.Capabilities.KubeVersion.Version | ternary "policy/v1" "policy/v1beta1" }}
kind: PodDisruptionBudget
metadata:
  {{- include "common.metadata" . | nindent 2 }}
spec:
  {{- if not (kindIs "invalid" $budget.minAvailable) }}
  minAvailable: {{ $budget.minAvailable }}
  {{- else }}
  maxUnavailable: {{ kindIs "invalid" $budget.maxUnavailable | ternary 1 $budget.maxUnavailable }}
  {{- end }}
  selector:
    matchLabels:
      {{- include "common.selectorLabels" . | nindent 6 }}
{{- end -}}

{{/* Besides: kind, that of the workload. Reads values.autoscaling. */}}
{{- define "common.horizontalPodAutoscaler" -}}
{{- $scaling := .values.autoscaling -}}
{{- $isV2 := semverCompare ">=1.23-0" .root.Capabilities.KubeVersion.Version -}}
apiVersion: {{ $isV2 | ternary "autoscaling/v2" "autoscaling/v2beta2" }}
kind: HorizontalPodAutoscaler
metadata:
  {{- include "common.metadata" . | nindent 2 }}
spec:
  scaleTargetRef:
    apiVersion: apps/v1
    kind: {{ .kind }}
    name: {{ include "common.fullname" . }}
  minReplicas: {{ $scaling.minReplicas }}
  maxReplicas: {{ $scaling.maxReplicas }}
  metrics:
    {{- range $resource, $target := dict "cpu" $scaling.targetCPUUtilizationPercentage "memory" $scaling.targetMemoryUtilizationPercentage }}
    {{- if $target }}
    - type: Resource
      resource:
        name: {{ $resource }}
        target:
          type: Utilization
          averageUtilization: {{ $target }}
    {{- end }}
    {{- end }}
    {{- with $scaling.additionalMetrics }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  {{- with $scaling.behavior }}
  behavior:
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end -}}

{{/* The spec of a claim. Takes a dict of root and persistence: {size, storageClass, accessModes, selector}. "-" is no class. */}}
{{- define "common.claimSpec" -}}
{{- $class := .persistence.storageClass | default (.root.Values.global | default dict).storageClass -}}
accessModes:
  {{- toYaml (.persistence.accessModes | default (list (.persistence.accessMode | default "ReadWriteOnce"))) | nindent 2 }}
resources:
  requests:
    storage: {{ .persistence.size }}
{{- with $class }}
storageClassName: {{ eq . "-" | ternary "" . | quote }}
{{- end }}
{{- with .persistence.selector }}
selector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}
