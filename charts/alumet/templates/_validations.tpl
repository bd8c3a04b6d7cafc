{{/* Refuses values of several charts that cannot work together, with the values and the remedy. */}}
{{- define "alumet.validations" -}}
{{- $influxdb2 := index .Values "influxdb2" | default dict -}}
{{- $server := index .Values "alumet-relay-server" | default dict -}}
{{- $client := index .Values "alumet-relay-client" | default dict -}}
{{- $output := dig "plugins" "influxdb" dict $server -}}
{{- $writes := and $server.enabled (include "common.isOn" $output.enable) (not (dig "configMap" "name" "" $server)) -}}
{{- $of := dig "adminUser" "existingSecret" "" $influxdb2 -}}
{{- if and $influxdb2.enabled $writes (not $output.host) (ne $of ($output.existingSecret | default "")) -}}
{{- fail (printf "influxdb2.adminUser.existingSecret is %q and alumet-relay-server.plugins.influxdb.existingSecret is %q: set both to the same Secret, or neither" $of ($output.existingSecret | default "")) -}}
{{- end -}}
{{- $key := dig "adminUser" "existingSecretTokenKey" "" $influxdb2 -}}
{{- if and $influxdb2.enabled $writes (not $output.host) (ne $key ($output.existingSecretTokenKey | default "")) -}}
{{- fail (printf "influxdb2.adminUser.existingSecretTokenKey is %q and alumet-relay-server.plugins.influxdb.existingSecretTokenKey is %q: set both to the same key" $key ($output.existingSecretTokenKey | default "")) -}}
{{- end -}}
{{- if and $writes (not $influxdb2.enabled) (not $output.host) -}}
{{- fail "influxdb2.enabled is false, but the server writes to its InfluxDB: set alumet-relay-server.plugins.influxdb.host and existingSecret for another one, or alumet-relay-server.plugins.influxdb.enable=false" -}}
{{- end -}}
{{- if and $writes (not $influxdb2.enabled) (not $output.existingSecret) -}}
{{- fail "influxdb2.enabled is false, so that nothing makes the Secret with the token: set alumet-relay-server.plugins.influxdb.existingSecret" -}}
{{- end -}}
{{- if and $influxdb2.enabled (or $influxdb2.fullnameOverride $influxdb2.nameOverride) $writes (not $output.host) -}}
{{- fail "influxdb2.fullnameOverride or nameOverride renames InfluxDB, and the server does not find it: set alumet-relay-server.plugins.influxdb.host and existingSecret as well, or leave it out" -}}
{{- end -}}
{{- $relay := include "alumet.relayClient" . | fromJson -}}
{{- if and $client.enabled $server.enabled (include "common.isOn" $relay.enable) (not $relay.relayServer) -}}
{{- if $server.fullnameOverride -}}
{{- fail (printf "alumet-relay-server.fullnameOverride is %q, and agents do not know it: set alumet-relay-client.plugins.relay_client.relayServer=%s:%v as well" $server.fullnameOverride $server.fullnameOverride (dig "service" "port" 50051 $server)) -}}
{{- end -}}
{{- if ne (toString (dig "service" "port" 50051 $server)) "50051" -}}
{{- fail (printf "alumet-relay-server.service.port is %v, and agents do not know it: set alumet-relay-client.plugins.relay_client.relayServer=%s:%v as well" $server.service.port (include "common.join" (list .Release.Name "alumet-relay-server")) $server.service.port) -}}
{{- end -}}
{{- end -}}
{{- $api := index .Values "alumet-api" | default dict -}}
{{- $input := $api.influxdb | default dict -}}
{{- if and $api.enabled (not $input.host) (not (dig "configMap" "name" "" $api)) (not $api.configSecret) -}}
{{- if or (not $influxdb2.enabled) $influxdb2.fullnameOverride -}}
{{- fail "alumet-api reads from the InfluxDB of the release, which is off or has another name: set alumet-api.influxdb.host and existingSecret" -}}
{{- end -}}
{{- if ne $of ($input.existingSecret | default "") -}}
{{- fail (printf "influxdb2.adminUser.existingSecret is %q and alumet-api.influxdb.existingSecret is %q: set both to the same Secret, or neither" $of ($input.existingSecret | default "")) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* The values of the relay client, under whichever name they are. */}}
{{- define "alumet.relayClient" -}}
{{- $plugins := dig "alumet-relay-client" "plugins" dict (.Values | merge dict) -}}
{{- $relay := dict -}}
{{- range list "relay_client" "relayClient" "relay-client" -}}
{{- $relay = mergeOverwrite $relay (deepCopy (index $plugins . | default dict)) -}}
{{- end -}}
{{- toJson $relay -}}
{{- end -}}
