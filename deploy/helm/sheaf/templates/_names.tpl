{{/* The names and labels of all objects of a release. */}}
{{- define "sheaf.name" -}}
{{- .Values.nameOverride | default .Chart.Name | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{- define "sheaf.fullname" -}}
{{- $name := include "sheaf.name" . -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 50 | trimSuffix "-" -}}
{{- else if contains $name .Release.Name -}}
{{- .Release.Name | trunc 50 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 50 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{/* What selects the Pods of a component: include "sheaf.selector" (list . "service") */}}
{{- define "sheaf.selector" -}}
{{- $top := index . 0 -}}
app.kubernetes.io/name: {{ include "sheaf.name" $top }}
app.kubernetes.io/instance: {{ $top.Release.Name }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end -}}

{{- define "sheaf.labels" -}}
{{ include "sheaf.selector" . }}
{{- with index . 0 }}
app.kubernetes.io/version: {{ .Values.image.tag | default .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end -}}
{{- end -}}

{{- define "sheaf.serviceAccount" -}}
{{- if .Values.serviceAccount.create -}}
{{- .Values.serviceAccount.name | default (include "sheaf.fullname" .) -}}
{{- else -}}
{{- .Values.serviceAccount.name | default "default" -}}
{{- end -}}
{{- end -}}

{{- define "sheaf.secret" -}}
{{- .Values.mongodb.existingSecret | default (printf "%s-mongodb" (include "sheaf.fullname" .)) -}}
{{- end -}}

{{- define "sheaf.schema" -}}
{{- .Values.schema.existingConfigMap | default (printf "%s-schema" (include "sheaf.fullname" .)) -}}
{{- end -}}

{{- define "sheaf.migrations" -}}
{{- .Values.migrations.existingConfigMap | default (printf "%s-migrations" (include "sheaf.fullname" .)) -}}
{{- end -}}

{{- define "sheaf.settings" -}}
{{- printf "%s-settings" (include "sheaf.fullname" .) -}}
{{- end -}}
