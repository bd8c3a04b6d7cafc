{{/*
The template of the pods of a component, for a DaemonSet, a Deployment or a StatefulSet. Besides:
  args                 the arguments of the program
  ports                a list of {name, containerPort}
  env                  a list of {name, value or valueFrom}; those of the values come after it
  mounts, volumes      lists, as in Kubernetes
  config               what makes the pods begin anew when it changes: the text of the configuration
  annotations          of the pods, besides those of the values
  probe                {port: name}: liveness and readiness ask /livez and /readyz there; also {live, ready} for other paths
  serviceAccount       its name; without it the pods have none of their own
  token                whether its token is mounted
  command              instead of the entrypoint of the image
  isRoot               whether the pod runs as root by need
  capabilities         a list of those that are added
  hostPID              whether it sees the processes of the node
  upstream             where the image comes from, unless it is ours
*/}}
{{- define "common.podTemplate" -}}
{{- $values := .values -}}
{{- $root := .root -}}
{{- $pod := dict -}}
{{- $container := dict "name" .component "image" (include "common.image" (dict "root" $root "image" $values.image "upstream" .upstream)) "imagePullPolicy" ($values.image.pullPolicy | default "IfNotPresent") -}}
{{- with concat (.args | default list) ($values.extraArgs | default list) -}}
{{- $_ := set $container "args" . -}}
{{- end -}}
{{- with .command -}}
{{- $_ := set $container "command" . -}}
{{- end -}}
{{- with .ports -}}
{{- $_ := set $container "ports" . -}}
{{- end -}}
{{- with concat (.env | default list) (include "common.env" (list $values.env $root) | fromJsonArray) (include "common.env" (list $values.extraEnv $root) | fromJsonArray) -}}
{{- $_ := set $container "env" . -}}
{{- end -}}
{{- with $values.extraEnvFrom -}}
{{- $_ := set $container "envFrom" (include "common.rendered" (list . $root) | fromYamlArray) -}}
{{- end -}}
{{- $mounts := .mounts | default list -}}
{{- range compact (list $values.volumeMounts $values.extraVolumeMounts) -}}
{{- $mounts = concat $mounts (include "common.rendered" (list . $root) | fromYamlArray) -}}
{{- end -}}
{{- with $mounts -}}
{{- $_ := set $container "volumeMounts" . -}}
{{- end -}}
{{- with $values.resources -}}
{{- $_ := set $container "resources" . -}}
{{- end -}}
{{- with $values.lifecycle -}}
{{- $_ := set $container "lifecycle" . -}}
{{- end -}}
{{- $_ := set $container "securityContext" (include "common.securityContext" . | fromYaml) -}}
{{- with .probe -}}
{{- $live := dict "httpGet" (dict "path" (.live | default "/livez") "port" .port) -}}
{{- $ready := dict "httpGet" (dict "path" (.ready | default "/readyz") "port" .port) -}}
{{- include "common.setProbe" (list $container "livenessProbe" $values.livenessProbe $live) -}}
{{- include "common.setProbe" (list $container "readinessProbe" $values.readinessProbe $ready) -}}
{{- include "common.setProbe" (list $container "startupProbe" $values.startupProbe $live) -}}
{{- end -}}
{{- $containers := list $container -}}
{{- with $values.extraContainers -}}
{{- $containers = concat $containers (include "common.rendered" (list . $root) | fromYamlArray) -}}
{{- end -}}
{{- $_ := set $pod "containers" $containers -}}
{{- with $values.initContainers -}}
{{- $_ := set $pod "initContainers" (include "common.rendered" (list . $root) | fromYamlArray) -}}
{{- end -}}
{{- $volumes := .volumes | default list -}}
{{- range compact (list $values.volumes $values.extraVolumes) -}}
{{- $volumes = concat $volumes (include "common.rendered" (list . $root) | fromYamlArray) -}}
{{- end -}}
{{- with $volumes -}}
{{- $_ := set $pod "volumes" . -}}
{{- end -}}
{{- with include "common.imagePullSecrets" . | fromJsonArray -}}
{{- $_ := set $pod "imagePullSecrets" . -}}
{{- end -}}
{{- with .serviceAccount -}}
{{- $_ := set $pod "serviceAccountName" . -}}
{{- end -}}
{{- $_ := set $pod "automountServiceAccountToken" (.token | default false) -}}
{{- $_ := set $pod "securityContext" (include "common.podSecurityContext" . | fromYaml) -}}
{{- with .hostPID -}}
{{- $_ := set $pod "hostPID" true -}}
{{- end -}}
{{- with include "common.nodeSelector" $values.nodeSelector | fromYaml -}}
{{- $_ := set $pod "nodeSelector" . -}}
{{- end -}}
{{- range $key := list "tolerations" "affinity" "topologySpreadConstraints" "priorityClassName" "runtimeClassName" "schedulerName" "hostNetwork" "dnsPolicy" "dnsConfig" "hostAliases" -}}
{{- with index $values $key -}}
{{- $_ := set $pod $key . -}}
{{- end -}}
{{- end -}}
{{- /* By its own labels, so that a value that is true is enough. */ -}}
{{- if eq (toString $values.topologySpread) "true" -}}
{{- $spread := dict "maxSkew" 1 "topologyKey" "kubernetes.io/hostname" "whenUnsatisfiable" "ScheduleAnyway" "labelSelector" (dict "matchLabels" (include "common.selectorLabels" . | fromYaml)) -}}
{{- $_ := set $pod "topologySpreadConstraints" (append ($values.topologySpreadConstraints | default list) $spread) -}}
{{- end -}}
{{- $_ := set $pod "terminationGracePeriodSeconds" ($values.terminationGracePeriodSeconds | default 30) -}}
{{- $labels := merge (include "common.labels" . | fromYaml) ($values.podLabels | default dict) -}}
{{- $annotations := merge dict ($values.podAnnotations | default dict) (.annotations | default dict) -}}
{{- with .config -}}
{{- $_ := set $annotations "checksum/config" (sha256sum .) -}}
{{- end -}}
{{- if semverCompare "<1.19-0" $root.Capabilities.KubeVersion.Version -}}
{{- $_ := set $annotations "seccomp.security.alpha.kubernetes.io/pod" "runtime/default" -}}
{{- end -}}
{{- /* The version is no reason to begin anew: the image is. */ -}}
{{- $metadata := dict "labels" (omit $labels "helm.sh/chart" "app.kubernetes.io/version" "app.kubernetes.io/managed-by") -}}
{{- with $annotations -}}
{{- $_ := set $metadata "annotations" . -}}
{{- end -}}
{{- toYaml (dict "metadata" $metadata "spec" $pod) -}}
{{- end -}}

{{/* Variables as a list, from a list or from a map of names to values. */}}
{{- define "common.env" -}}
{{- $env := index . 0 -}}
{{- $variables := list -}}
{{- if kindIs "map" $env -}}
{{- range $name := keys $env | sortAlpha -}}
{{- $variables = append $variables (dict "name" $name "value" (toString (index $env $name))) -}}
{{- end -}}
{{- else if $env -}}
{{- $variables = include "common.rendered" . | fromYamlArray -}}
{{- end -}}
{{- toJson $variables -}}
{{- end -}}

{{/* A probe of the values goes over the one that the program serves; {enabled: false} is none. */}}
{{- define "common.setProbe" -}}
{{- $values := index . 2 | default dict -}}
{{- if ne (toString $values.enabled) "false" -}}
{{- $probe := omit $values "enabled" -}}
{{- if not (or $probe.httpGet $probe.tcpSocket $probe.exec $probe.grpc) -}}
{{- $probe = merge dict $probe (index . 3) -}}
{{- end -}}
{{- $_ := set (index . 0) (index . 1) $probe -}}
{{- end -}}
{{- end -}}

{{/* A map, or the pair nodeLabelName and nodeLabelValue. */}}
{{- define "common.nodeSelector" -}}
{{- $selector := omit (. | default dict) "nodeLabelName" "nodeLabelValue" -}}
{{- with (. | default dict).nodeLabelName -}}
{{- $_ := set $selector . (toString ($.nodeLabelValue | default "")) -}}
{{- end -}}
{{- toYaml $selector -}}
{{- end -}}

{{- define "common.podSecurityContext" -}}
{{- $context := dict "runAsNonRoot" true "runAsUser" 65532 "runAsGroup" 65532 "fsGroup" 65532 -}}
{{- if .isRoot -}}
{{- $context = dict "runAsUser" 0 "runAsGroup" 0 -}}
{{- end -}}
{{- if semverCompare ">=1.19-0" .root.Capabilities.KubeVersion.Version -}}
{{- $_ := set $context "seccompProfile" (dict "type" "RuntimeDefault") -}}
{{- end -}}
{{- toYaml (mergeOverwrite $context (deepCopy (.values.podSecurityContext | default dict))) -}}
{{- end -}}

{{- define "common.securityContext" -}}
{{- $capabilities := dict "drop" (list "ALL") -}}
{{- with .capabilities -}}
{{- $_ := set $capabilities "add" (. | uniq | sortAlpha) -}}
{{- end -}}
{{- $context := dict "allowPrivilegeEscalation" false "readOnlyRootFilesystem" true "capabilities" $capabilities -}}
{{- toYaml (mergeOverwrite $context (deepCopy (.values.securityContext | default dict))) -}}
{{- end -}}

{{/* What a container of `helm test` needs. */}}
{{- define "common.testResources" -}}
requests:
  cpu: 10m
  memory: 32Mi
limits:
  memory: 128Mi
{{- end -}}
