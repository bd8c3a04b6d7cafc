{{/*
The reference of an image. Takes a dict of root and
  image     its values: registry, repository, tag, digest, and version, revision and osVersion as in older charts
  upstream  where it comes from, unless it is ours: then a registry of the user holds it, but ours does not
*/}}
{{- define "common.image" -}}
{{- $global := .root.Values.global | default dict -}}
{{- $chosen := ($global.image | default dict).registry | default $global.imageRegistry | default "" -}}
{{- $ours := "ghcr.io/alumet-dev" -}}
{{- $registry := .image.registry | default $chosen | default $ours -}}
{{- if and .upstream (not .image.registry) (has $chosen (list "" $ours "ghrc.io/alumet-dev")) -}}
{{- $registry = .upstream -}}
{{- end -}}
{{- $tag := .image.tag | default (include "common.tag" .) -}}
{{- $reference := printf "%s/%s" (trimSuffix "/" $registry) .image.repository -}}
{{- if .image.digest -}}
{{- printf "%s@%s" $reference .image.digest -}}
{{- else -}}
{{- printf "%s:%s" $reference (toString $tag) -}}
{{- end -}}
{{- end -}}

{{/* <version>[-<revision>][_<osVersion>] */}}
{{- define "common.tag" -}}
{{- $tag := toString (.image.version | default .root.Chart.AppVersion) -}}
{{- with .image.revision -}}
{{- $tag = printf "%s-%s" $tag (toString .) -}}
{{- end -}}
{{- with .image.osVersion -}}
{{- $tag = printf "%s_%s" $tag . -}}
{{- end -}}
{{- $tag -}}
{{- end -}}

{{/* A list of {name: …}: global.secret, and lists whose entries are names or objects. */}}
{{- define "common.imagePullSecrets" -}}
{{- $global := .root.Values.global | default dict -}}
{{- $secrets := list -}}
{{- range concat (compact (list $global.secret)) ($global.imagePullSecrets | default list) (.root.Values.imagePullSecrets | default list) -}}
{{- $secrets = append $secrets (ternary . (dict "name" .) (kindIs "map" .)) -}}
{{- end -}}
{{- toJson (uniq $secrets) -}}
{{- end -}}
