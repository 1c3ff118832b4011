{{/* What the Pods of the service and of the migrations share. */}}
{{- define "sheaf.pod" -}}
serviceAccountName: {{ include "sheaf.serviceAccount" . }}
automountServiceAccountToken: false
# They would be variables such as SHEAF_PORT.
enableServiceLinks: false
securityContext:
  runAsNonRoot: true
  runAsUser: 65532
  runAsGroup: 65532
  fsGroup: 65532
  seccompProfile: {type: RuntimeDefault}
{{- with .Values.imagePullSecrets }}
imagePullSecrets: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{- define "sheaf.container" -}}
image: "{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}"
imagePullPolicy: {{ .Values.image.pullPolicy }}
envFrom:
  - configMapRef: {name: {{ include "sheaf.settings" . }}}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities: {drop: [ALL]}
{{- end -}}

{{- define "sheaf.mounts" -}}
- {name: schema, mountPath: /etc/sheaf/schema, readOnly: true}
- {name: mongodb, mountPath: /etc/sheaf/mongodb, readOnly: true}
- {name: tmp, mountPath: /tmp}
{{- end -}}

{{- define "sheaf.volumes" -}}
- name: schema
  configMap: {name: {{ include "sheaf.schema" . }}}
- name: mongodb
  secret: {secretName: {{ include "sheaf.secret" . }}, defaultMode: 0440}
- name: tmp
  emptyDir: {sizeLimit: 64Mi}
{{- end -}}
