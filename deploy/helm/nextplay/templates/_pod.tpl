{{/*
The pod of a process. Takes {root, name, command, and optionally: context, ports, cluster, restart, before}. With
`before`, the name of a Secret, it runs before the rest of the chart is there: with the settings of that Secret alone and
without the context's account and token.
*/}}
{{- define "nextplay.pod" -}}
{{- $root := .root -}}
{{- $cluster := .cluster | default dict -}}
{{- $context := .context | default "" -}}
{{- $release := $root.Release.Name -}}
serviceAccountName: {{ if .before }}default{{ else }}{{ $release }}-{{ $context | default "gateway" }}{{ end }}
automountServiceAccountToken: false
enableServiceLinks: false
securityContext:
  runAsNonRoot: true
  runAsUser: 10001
  runAsGroup: 10001
  fsGroup: 10001
  seccompProfile: {{ toYaml $root.Values.securityContext.seccompProfile | nindent 4 }}
{{- with .restart }}
restartPolicy: {{ . }}
{{- end }}
terminationGracePeriodSeconds: 35
{{- with $root.Values.image.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- with $root.Values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with $root.Values.nodeSelector }}
nodeSelector: {{ toYaml . | nindent 2 }}
{{- end }}
{{- with $root.Values.tolerations }}
tolerations: {{ toYaml . | nindent 2 }}
{{- end }}
{{- if .ports }}
topologySpreadConstraints:
  {{- range $key := list "topology.kubernetes.io/zone" "kubernetes.io/hostname" }}
  - maxSkew: 1
    topologyKey: {{ $key }}
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels: {{ include "nextplay.selector" (dict "root" $root "name" $.name) | nindent 8 }}
  {{- end }}
{{- end }}
containers:
  - name: {{ .name }}
    image: {{ include "nextplay.image" $root }}
    imagePullPolicy: {{ $root.Values.image.pullPolicy }}
    args: {{ toJson .command }}
    securityContext: {{ toYaml $root.Values.securityContext | nindent 6 }}
    resources: {{ toYaml ($cluster.resources | default $root.Values.shortProcesses.resources) | nindent 6 }}
    env:
      {{- include "nextplay.environment" . | trim | nindent 6 }}
    {{- with .before | default $context }}
    envFrom:
      - secretRef: { name: {{ $release }}-{{ . }} }
    {{- end }}
    {{- with .ports }}
    ports:
      {{- range . }}
      - { name: {{ . }}, containerPort: {{ include "nextplay.port" . }} }
      {{- end }}
    {{- if has "grpc" . }}
    startupProbe: { grpc: { port: {{ include "nextplay.port" "grpc" }} }, periodSeconds: 2, failureThreshold: 60 }
    readinessProbe: { grpc: { port: {{ include "nextplay.port" "grpc" }} }, periodSeconds: 5, timeoutSeconds: 3 }
    livenessProbe: { grpc: { port: {{ include "nextplay.port" "grpc" }} }, periodSeconds: 10, timeoutSeconds: 5, failureThreshold: 6 }
    {{- else }}
    {{- $port := first . }}
    startupProbe: { httpGet: { path: /readyz, port: {{ $port }} }, periodSeconds: 2, failureThreshold: 60 }
    readinessProbe: { httpGet: { path: /readyz, port: {{ $port }} }, periodSeconds: 5, timeoutSeconds: 3 }
    livenessProbe: { httpGet: { path: /healthz, port: {{ $port }} }, periodSeconds: 10, timeoutSeconds: 5, failureThreshold: 6 }
    {{- end }}
    {{- end }}
    volumeMounts:
      - { name: tmp, mountPath: /tmp }
      {{- with $cluster.directory }}
      - { name: directory, mountPath: {{ .path }} }
      {{- end }}
      {{- if and $context (not .before) }}
      - { name: token, mountPath: /var/run/nextplay, readOnly: true }
      {{- end }}
volumes:
  - { name: tmp, emptyDir: { sizeLimit: 64Mi } }
  {{- with $cluster.directory }}
  - { name: directory, emptyDir: { sizeLimit: {{ .size }} } }
  {{- end }}
  {{- if and $context (not .before) }}
  - name: token
    {{- if $root.Values.serviceTokens.issuer }}
    projected:
      defaultMode: 0440
      sources: [{ serviceAccountToken: { path: token, audience: nextplay-internal, expirationSeconds: 3600 } }]
    {{- else }}
    secret: { secretName: {{ $release }}-{{ $context }}-token, defaultMode: 0440 }
    {{- end }}
  {{- end }}
{{- end }}

{{/* Settings that are not secret: everybody's, where the others are, what this one binds, and its own. */}}
{{- define "nextplay.environment" -}}
{{- $root := .root -}}
{{- $all := dict -}}
{{- range $name, $value := $root.Values.settings }}
{{- $_ := set $all $name $value }}
{{- end }}
{{- range $name, $workload := $root.Values.workloads }}
{{- if has "grpc" $workload.ports }}
{{- $_ := set $all (printf "NEXTPLAY_%s_ADDRESS" (upper $name)) (printf "%s-%s:%s" $root.Release.Name $name (include "nextplay.port" "grpc")) }}
{{- end }}
{{- end }}
{{- $binds := .ports | default (ternary (list "grpc" "metrics") list (ne (.context | default "") "")) }}
{{- $binder := ternary .name (.context | default .name) (not (empty .ports)) | upper | replace "-" "_" }}
{{- range $binds }}
{{- $_ := set $all (printf "NEXTPLAY_%s_%s_BIND" $binder (upper .)) (printf "0.0.0.0:%s" (include "nextplay.port" .)) }}
{{- end }}
{{- if and .context (not .before) }}
{{- $_ := set $all "NEXTPLAY_SERVICE_TOKEN_FILE" "/var/run/nextplay/token" }}
{{- with $root.Values.serviceTokens }}
{{- if .issuer }}
{{- $_ := set $all "NEXTPLAY_IDENTITY_SERVICE_ISSUER" .issuer }}
{{- $_ := set $all "NEXTPLAY_IDENTITY_SERVICE_JWKS_URL" .jwksUrl }}
{{- $_ := set $all "NEXTPLAY_IDENTITY_SERVICE_SUBJECT" (printf "system:serviceaccount:%s:%s-" $root.Release.Namespace $root.Release.Name) }}
{{- end }}
{{- end }}
{{- end }}
{{- range $name, $value := (.cluster | default dict).environment }}
{{- $_ := set $all $name $value }}
{{- end }}
{{- range $name := keys $all | sortAlpha }}
{{- $value := get $all $name }}
{{- if ne (toString $value) "" }}
- { name: {{ $name }}, value: {{ toString $value | quote }} }
{{- end }}
{{- end }}
{{- end }}
