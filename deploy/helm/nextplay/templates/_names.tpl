{{/* What every object is called and labelled by. Each takes {root, name}: the chart's context and a workload's name. */}}

{{- define "nextplay.labels" -}}
app.kubernetes.io/name: nextplay
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .name }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ .root.Chart.Name }}-{{ .root.Chart.Version }}
{{- end }}

{{- define "nextplay.selector" -}}
app.kubernetes.io/name: nextplay
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .name }}
{{- end }}

{{- define "nextplay.image" -}}
{{- with .Values.image -}}
{{- if .digest -}}
{{ .repository }}@{{ .digest }}
{{- else -}}
{{ .repository }}:{{ .tag | default $.Chart.AppVersion }}
{{- end -}}
{{- end -}}
{{- end }}

{{/* The number on which a workload answers at one of its ports. */}}
{{- define "nextplay.port" -}}
{{- get (dict "grpc" "50051" "metrics" "9464" "http" "8080") . -}}
{{- end }}

{{/* The annotation of what has to be done before pods of a new version start. Takes {weight}. */}}
{{- define "nextplay.before" -}}
helm.sh/hook: pre-install,pre-upgrade
helm.sh/hook-weight: {{ .weight | quote }}
helm.sh/hook-delete-policy: before-hook-creation,hook-succeeded
{{- end }}
