{{/*
A component is one workload with what belongs to it. Nearly all templates of this library take one, a dict of

  root       the context of the chart: $
  name       the end of the names of its objects, as in <release>-<name>
  component  the label app.kubernetes.io/component, and the name of its container
  values     the values of this component
  fullname   instead of <release>-<name>

and what a template says to need besides.
*/}}

{{/* The name of the objects of a component. Too long a release is cut, and told apart by a hash. */}}
{{- define "common.fullname" -}}
{{- if .fullname -}}
{{- .fullname | trunc 63 | trimSuffix "-" -}}
{{- else -}}
{{- include "common.join" (list .root.Release.Name .name) -}}
{{- end -}}
{{- end -}}

{{/* <first>-<second>, in the 63 characters that a Service may have. */}}
{{- define "common.join" -}}
{{- $first := index . 0 -}}
{{- $second := index . 1 -}}
{{- $name := printf "%s-%s" $first $second -}}
{{- if gt (len $name) 63 -}}
{{- $room := int (sub 53 (len $second)) -}}
{{- $name = printf "%s-%s-%s" ($first | trunc $room | trimSuffix "-") (sha256sum $first | trunc 8) $second -}}
{{- end -}}
{{- $name -}}
{{- end -}}

{{/* The labels by which the pods of a component are found: never others, because a selector can't be changed. */}}
{{- define "common.selectorLabels" -}}
app.kubernetes.io/name: {{ .root.Values.nameOverride | default .root.Chart.Name }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end -}}

{{- define "common.labels" -}}
{{ include "common.selectorLabels" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | default .root.Chart.Version | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
app.kubernetes.io/part-of: {{ .root.Values.global.partOf | default .root.Chart.Name }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" }}
{{- with .root.Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/*
The metadata of an object of a component. Besides:
  object       the end of its name after that of the component, such as "config"
  objectName   its whole name
  annotations  a dict
  moreLabels   a dict
  isCluster    whether it lies in no namespace
*/}}
{{- define "common.metadata" -}}
{{- $fullname := include "common.fullname" . -}}
name: {{ .objectName | default (ternary (include "common.join" (list $fullname (.object | default ""))) $fullname (not (empty .object))) }}
{{- if not .isCluster }}
namespace: {{ .root.Release.Namespace }}
{{- end }}
labels:
  {{- include "common.labels" . | nindent 2 }}
  {{- with .moreLabels }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- with .annotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* A bool that may be written as a string, as older manuals do: "true" or nothing. */}}
{{- define "common.isOn" -}}
{{- if eq (toString .) "true" }}true{{ end -}}
{{- end -}}

{{/* What a value of the user says, with its templates rendered. Takes a list: the value, and the context. */}}
{{- define "common.rendered" -}}
{{- $value := index . 0 -}}
{{- tpl (kindIs "string" $value | ternary $value (toYaml $value)) (index . 1) -}}
{{- end -}}
