{{/*
A dict as TOML. Whole numbers are integers, however Helm holds them; keys are sorted; what is null is left out.
*/}}
{{- define "common.toml" -}}
{{- include "common.tomlTable" (list . "") | trim -}}
{{- end -}}

{{- define "common.tomlTable" -}}
{{- $table := index . 0 -}}
{{- $path := index . 1 -}}
{{- range $key := keys $table | sortAlpha -}}
{{- $value := index $table $key -}}
{{- if and (not (kindIs "map" $value)) (not (kindIs "invalid" $value)) (not (include "common.isTables" $value)) }}
{{ include "common.tomlKey" $key }} = {{ include "common.tomlValue" $value }}
{{- end -}}
{{- end -}}
{{- range $key := keys $table | sortAlpha -}}
{{- $value := index $table $key -}}
{{- $below := printf "%s%s" (ternary "" (printf "%s." $path) (empty $path)) (include "common.tomlKey" $key) -}}
{{- if kindIs "map" $value }}

[{{ $below }}]
{{- include "common.tomlTable" (list $value $below) -}}
{{- else if include "common.isTables" $value -}}
{{- range $value }}

[[{{ $below }}]]
{{- include "common.tomlTable" (list . $below) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "common.isTables" -}}
{{- if kindIs "slice" . -}}
{{- if . -}}
{{- if kindIs "map" (first .) }}true{{ end -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "common.tomlKey" -}}
{{- if regexMatch "^[A-Za-z0-9_-]+$" . }}{{ . }}{{ else }}{{ toJson . }}{{ end -}}
{{- end -}}

{{/* JSON is TOML for strings, bools and numbers, once no character is escaped that TOML knows otherwise. */}}
{{- define "common.tomlValue" -}}
{{- if kindIs "slice" . -}}
[{{ range $index, $item := . }}{{ if $index }}, {{ end }}{{ include "common.tomlValue" $item }}{{ end }}]
{{- else if kindIs "map" . -}}
{ {{- range $index, $key := keys . | sortAlpha }}{{ if $index }},{{ end }} {{ include "common.tomlKey" $key }} = {{ include "common.tomlValue" (index $ $key) }}{{ end }} }
{{- else -}}
{{- toRawJson . -}}
{{- end -}}
{{- end -}}
