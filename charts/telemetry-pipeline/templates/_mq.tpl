{{/* The configuration of NATS, as JSON, which it understands. What begins with $ without quotes is a variable of the environment. */}}
{{- define "pipeline.mq.config" -}}
{{- $mq := .Values.mq -}}
{{- $jetstream := dict "store_dir" $mq.persistence.dir "max_file_store" (include "pipeline.share" (list (include "pipeline.mq.size" .) 0.85) | float64) -}}
{{- $config := dict "port" (int $mq.port) "http_port" (int $mq.monitorPort) "jetstream" $jetstream -}}
{{- $authorization := dict "user" $mq.auth.username "password" "$MQ_QUOTED_PASSWORD" -}}
{{- if $mq.auth.enabled -}}
{{- $_ := set $config "authorization" $authorization -}}
{{- end -}}
{{- if gt (int $mq.replicaCount) 1 -}}
{{- $cluster := dict "name" (include "pipeline.name" (list . "mq")) "listen" "0.0.0.0:6222" "routes" "$MQ_ROUTES" -}}
{{- if $mq.auth.enabled -}}
{{- $_ := set $cluster "authorization" $authorization -}}
{{- end -}}
{{- $_ := set $config "cluster" $cluster -}}
{{- end -}}
{{- toPrettyJson (mergeOverwrite $config (deepCopy $mq.config)) | replace "\"$MQ_QUOTED_PASSWORD\"" "$MQ_QUOTED_PASSWORD" | replace "\"$MQ_ROUTES\"" "$MQ_ROUTES" -}}
{{- end -}}

{{/* The template of the pods of the queue, of which a collector with mode "sidecar" has the container. */}}
{{- define "pipeline.mq.pod" -}}
{{- $mq := .Values.mq -}}
{{- $name := include "pipeline.name" (list . "mq") -}}
{{- $env := include "pipeline.mq.env" . | fromJsonArray -}}
{{- if $mq.auth.enabled -}}
{{- $env = append $env (dict "name" "MQ_QUOTED_PASSWORD" "value" "\"$(MQ_PASSWORD)\"") -}}
{{- end -}}
{{- $env = append $env (dict "name" "POD_NAME" "valueFrom" (dict "fieldRef" (dict "fieldPath" "metadata.name"))) -}}
{{- $ports := list (dict "name" "nats" "containerPort" (int $mq.port)) (dict "name" "monitor" "containerPort" (int $mq.monitorPort)) -}}
{{- if gt (int $mq.replicaCount) 1 -}}
{{- $ports = append $ports (dict "name" "cluster" "containerPort" 6222) -}}
{{- $routes := list -}}
{{- range until (int $mq.replicaCount) -}}
{{- $user := ternary (printf "%s:$(MQ_PASSWORD)@" $mq.auth.username) "" $mq.auth.enabled -}}
{{- $routes = append $routes (printf "nats://%s%s-%d.%s:6222" $user $name . (include "pipeline.name" (list $ "mq-headless"))) -}}
{{- end -}}
{{- $env = append $env (dict "name" "MQ_ROUTES" "value" (toJson $routes)) -}}
{{- end -}}
{{- $mounts := list (dict "name" "mq-config" "mountPath" "/etc/nats" "readOnly" true) (dict "name" "mq-data" "mountPath" $mq.persistence.dir) -}}
{{- $volumes := list (dict "name" "mq-config" "configMap" (dict "name" (include "common.join" (list $name "config")))) -}}
{{- $sized := dict "sizeLimit" $mq.persistence.size -}}
{{- if not $mq.persistence.enabled -}}
{{- $volumes = append $volumes (dict "name" "mq-data" "emptyDir" $sized) -}}
{{- else if eq $mq.mode "sidecar" -}}
{{- $volumes = append $volumes (dict "name" "mq-data" "persistentVolumeClaim" (dict "claimName" (printf "mq-data-%s-0" $name))) -}}
{{- end -}}
{{- /* A server that waits for the others of its cluster is alive. */ -}}
{{- $probe := dict "port" "monitor" "live" "/healthz?js-enabled-only=true" "ready" "/healthz?js-server-only=true" -}}
{{- include "common.podTemplate" (dict "root" . "name" "mq" "component" "mq" "values" $mq "fullname" $name "upstream" "docker.io" "command" (list "nats-server") "args" (list "--config=/etc/nats/nats.conf" "--name=$(POD_NAME)") "env" $env "ports" $ports "mounts" $mounts "volumes" $volumes "config" (include "pipeline.mq.config" .) "probe" $probe "serviceAccount" (include "pipeline.serviceAccount" .) "token" .Values.serviceAccount.automount) -}}
{{- end -}}
