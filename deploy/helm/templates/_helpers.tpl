{{- define "faultline.image" -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end -}}

{{- define "faultline.podSecurity" -}}
runAsNonRoot: true
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{- define "faultline.containerSecurity" -}}
allowPrivilegeEscalation: false
capabilities:
  drop: [ALL]
{{- end -}}

{{- define "faultline.kafkaEnv" -}}
- name: KAFKA_BOOTSTRAP_SERVERS
  value: {{ required "kafka.bootstrapServers is not set: give host:port of your brokers" .Values.kafka.bootstrapServers | quote }}
- name: FAULTLINE_KAFKA_SECURITY_PROTOCOL
  value: {{ .Values.kafka.securityProtocol | quote }}
- name: FAULTLINE_KAFKA_SASL_MECHANISM
  value: {{ .Values.kafka.saslMechanism | quote }}
{{- with .Values.kafka.saslSecret }}
- name: FAULTLINE_KAFKA_SASL_USERNAME
  valueFrom:
    secretKeyRef:
      name: {{ . | quote }}
      key: username
- name: FAULTLINE_KAFKA_SASL_PASSWORD
  valueFrom:
    secretKeyRef:
      name: {{ . | quote }}
      key: password
{{- end }}
{{- if .Values.kafka.caSecret }}
- name: FAULTLINE_KAFKA_SSL_CAFILE
  value: /etc/faultline/kafka/ca.crt
{{- end }}
- name: FAULTLINE_PARTITIONS
  value: {{ .Values.topics.partitions | quote }}
{{- end -}}

{{- define "faultline.volumeMounts" -}}
{{- if .Values.kafka.caSecret }}
volumeMounts:
  - name: kafka-ca
    mountPath: /etc/faultline/kafka
    readOnly: true
{{- end }}
{{- end -}}

{{- define "faultline.volumes" -}}
{{- if .Values.kafka.caSecret }}
volumes:
  - name: kafka-ca
    secret:
      secretName: {{ .Values.kafka.caSecret | quote }}
{{- end }}
{{- with .Values.image.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . | quote }}
  {{- end }}
{{- end }}
{{- end -}}
