{{- define "procore-bff.selectorLabels" -}}
app.kubernetes.io/name: procore-bff
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "procore-bff.labels" -}}
{{ include "procore-bff.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
{{- end }}

{{/* Writes a value as text. Helm reads integers as floats, and would print large ones with an exponent. */}}
{{- define "procore-bff.text" -}}
{{ if kindIs "float64" . }}{{ int64 . }}{{ else }}{{ . }}{{ end }}
{{- end }}

{{/* Paths that the gateway forwards: the same as those of deploy/nginx.conf. */}}
{{- define "procore-bff.paths" -}}
prefixes: [/companies, /rest]
exact: [/docs/problems, /docs/problems.css]
{{- end }}

{{/* Refuses values that are valid each, but not together. */}}
{{- define "procore-bff.check" -}}
{{- $replicas := .Values.autoscaling.enabled | ternary .Values.autoscaling.maxReplicas .Values.replicas | int -}}
{{- if and (gt $replicas 1) (not (has "REDIS_URL" .Values.secret.keys)) -}}
{{- fail (cat "secret.keys: more than one replica needs REDIS_URL. Without Redis, replicas do not share idempotency keys,"
  "and a repeated create can create a second user. Add the key, or set replicas to 1 and autoscaling.enabled to false.") -}}
{{- end -}}
{{- if lt (int .Values.autoscaling.maxReplicas) (int .Values.autoscaling.minReplicas) -}}
{{- fail "autoscaling.maxReplicas: must not be below autoscaling.minReplicas." -}}
{{- end -}}
{{- if and .Values.secret.external.enabled .Values.secret.csiProviderClass -}}
{{- fail "secret.csiProviderClass: secret.external.enabled is set as well. Use one of them." -}}
{{- end -}}
{{- if and .Values.secret.csiProviderClass (has "HTTPS_PROXY" .Values.secret.keys) -}}
{{- fail "secret.keys: HTTPS_PROXY cannot be read from a file, as secret.csiProviderClass needs it. Use a Secret." -}}
{{- end -}}
{{- range .Values.secret.keys -}}
{{- if hasKey $.Values.config . -}}
{{- fail (printf "config.%s: is one of secret.keys as well. Set it in one place." .) -}}
{{- end -}}
{{- end -}}
{{- end }}
