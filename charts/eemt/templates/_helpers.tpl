{{/* What a strategy gives: CPU, memory and largest number of replicas of submission and compute, space in /tmp of compute. */}}
{{- define "eemt.strategies" -}}
minimal:
  submission: {cpu: 500m, memory: 1Gi, maxScale: 2}
  compute: {cpu: "2", memory: 4Gi, maxScale: 2, tmpSize: 5Gi}
balanced:
  submission: {cpu: "1", memory: 2Gi, maxScale: 5}
  compute: {cpu: "4", memory: 8Gi, maxScale: 20, tmpSize: 20Gi}
performance:
  submission: {cpu: "2", memory: 4Gi, maxScale: 10}
  compute: {cpu: "8", memory: 16Gi, maxScale: 50, tmpSize: 50Gi}
{{- end }}

{{/* The settings of submission, compute and cleanup with the strategy filled in, as YAML. */}}
{{- define "eemt.sizes" -}}
{{- $s := get (include "eemt.strategies" . | fromYaml) .Values.strategy -}}
{{- $out := dict -}}
{{- range $name := list "submission" "compute" "cleanup" -}}
{{- $v := get $.Values $name -}}
{{- $size := get $s $name | default dict -}}
{{- range $k := list "maxScale" "tmpSize" "tileSize" -}}
{{- with get $v $k -}}{{- $_ := set $size $k . -}}{{- end -}}
{{- end -}}
{{- range $k := list "cpu" "memory" "cpuRequest" "memoryRequest" "storageRequest" -}}
{{- with get $v.resources $k -}}{{- $_ := set $size $k (toString .) -}}{{- end -}}
{{- end -}}
{{- /* Temporary files, and 256Mi for what the container logs. A node must have a quarter of it free: few jobs take it all. */ -}}
{{- $tmp := include "eemt.mebi" ($size.tmpSize | default "1Gi") | int64 -}}
{{- $_ := set $size "storage" (printf "%dMi" (add $tmp 256)) -}}
{{- if not $size.storageRequest -}}{{- $_ := set $size "storageRequest" (printf "%dMi" (div (add $tmp 256) 4)) -}}{{- end -}}
{{- $_ := set $out $name $size -}}
{{- end -}}
{{- toYaml $out -}}
{{- end }}

{{- define "eemt.fullname" -}}{{ .Release.Name }}{{- end }}

{{- define "eemt.labels" -}}
app.kubernetes.io/name: eemt
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end }}

{{/* CPU in thousandths. */}}
{{- define "eemt.milli" -}}
{{- $s := toString . -}}
{{- if hasSuffix "m" $s -}}{{ trimSuffix "m" $s | int64 }}{{- else -}}{{ mulf (float64 $s) 1000 | int64 }}{{- end -}}
{{- end }}

{{/* Memory in Mi. */}}
{{- define "eemt.mebi" -}}
{{- $s := toString . -}}
{{- if hasSuffix "Mi" $s -}}{{ trimSuffix "Mi" $s | int64 }}{{- else -}}{{ mul (trimSuffix "Gi" $s | int64) 1024 }}{{- end -}}
{{- end }}

{{/* A duration of one unit, in seconds. */}}
{{- define "eemt.seconds" -}}
{{- if hasSuffix "ms" . -}}{{ divf (trimSuffix "ms" . | float64) 1000 }}
{{- else if hasSuffix "s" . -}}{{ trimSuffix "s" . | float64 }}
{{- else if hasSuffix "m" . -}}{{ mulf (trimSuffix "m" . | float64) 60 }}
{{- else -}}{{ mulf (trimSuffix "h" . | float64) 3600 }}
{{- end -}}
{{- end }}

{{/* The cores that the Go runtime takes a CPU limit for: rounded up, two or more. */}}
{{- define "eemt.cores" -}}
{{- max 2 (div (add (include "eemt.milli" . | int64) 999) 1000) -}}
{{- end }}

{{/* What the Go runtime may take of a memory limit, in Mi. */}}
{{- define "eemt.goMemory" -}}
{{- div (mul (include "eemt.mebi" . | int64) 85) 100 -}}
{{- end }}

{{/* What jobs may take: for submission, which refuses them, and for compute, which makes sure. */}}
{{- define "eemt.largestJob" -}}
{{- $v := .Values.compute -}}
{{- $size := (include "eemt.sizes" . | fromYaml).compute -}}
- {name: EEMT_CORE_SPEED, value: {{ $v.coreSpeed | quote }}}
- {name: EEMT_MAX_CELLS, value: {{ $v.largestJob.cells | int64 | quote }}}
- {name: EEMT_MAX_CORE_HOURS, value: {{ $v.largestJob.coreHours | quote }}}
- {name: EEMT_MAX_RESULT_BYTES, value: {{ $v.largestJob.resultBytes | int64 | quote }}}
- {name: EEMT_EVENT_TIMEOUT, value: {{ printf "%ds" ($v.timeoutSeconds | int64) | quote }}}
- {name: EEMT_TEMP_BYTES, value: {{ mul (include "eemt.mebi" ($size.tmpSize | default "1Gi") | int64) 1048576 | quote }}}
{{- end }}

{{/* Where climate is read from over the network, and with which token. */}}
{{- define "eemt.climate" -}}
{{- with .Values.compute.climate -}}
- {name: EEMT_CLIMATE_HOSTS, value: {{ join "," .hosts | quote }}}
{{- if .tokenSecret }}
- {name: EEMT_CLIMATE_TOKEN, valueFrom: {secretKeyRef: {name: {{ .tokenSecret }}, key: token}}}
{{- end }}
{{- if .tokenHost }}
- {name: EEMT_CLIMATE_TOKEN_HOST, value: {{ .tokenHost | quote }}}
{{- end }}
{{- if not (kindIs "invalid" .redirectHosts) }}
- {name: EEMT_CLIMATE_REDIRECT_HOSTS, value: {{ join "," .redirectHosts | quote }}}
{{- end }}
{{- end }}
{{- end }}

{{/* Who may notify submission of stored objects. */}}
{{- define "eemt.notices" -}}
{{- with .Values.notices -}}
{{- if .secret }}
- {name: EEMT_NOTICE_SECRET, valueFrom: {secretKeyRef: {name: {{ .secret }}, key: secret}}}
{{- end }}
{{- if .snsTopics }}
- {name: EEMT_NOTICE_SNS_TOPICS, value: {{ join "," .snsTopics | quote }}}
{{- end }}
{{- if .issuer }}
- {name: EEMT_NOTICE_ISSUER, value: {{ .issuer | quote }}}
- {name: EEMT_NOTICE_AUDIENCE, value: {{ .audience | quote }}}
- {name: EEMT_NOTICE_CLAIM, value: {{ .claim | quote }}}
- {name: EEMT_NOTICE_SENDERS, value: {{ join "," .senders | quote }}}
{{- end }}
{{- end }}
{{- end }}

{{/* Where events go: what the class of broker publishes as its address. A SinkBinding would find it by itself, but changes
     the services behind Helm's back, and every deployment would start with a revision that has no sink and fails. */}}
{{- define "eemt.sink" -}}
{{- $ns := .Release.Namespace -}}
{{- $name := include "eemt.fullname" . -}}
{{- $knative := .Values.networkPolicy.eventingNamespace -}}
{{- if .Values.broker.address -}}{{ .Values.broker.address }}
{{- else if eq .Values.broker.class "Kafka" -}}http://kafka-broker-ingress.{{ $knative }}.svc.cluster.local/{{ $ns }}/{{ $name }}
{{- else if eq .Values.broker.class "RabbitMQBroker" -}}http://{{ $name }}-broker-ingress.{{ $ns }}.svc.cluster.local
{{- else -}}http://broker-ingress.{{ $knative }}.svc.cluster.local/{{ $ns }}/{{ $name }}
{{- end -}}
{{- end }}

{{/* What one value alone cannot tell. */}}
{{- define "eemt.check" -}}
{{- $v := .Values -}}
{{- if not $v.bucket.url -}}{{ fail "bucket.url is missing: give gs://NAME, s3://NAME?region=REGION, azblob://NAME, or file:///bucket with bucket.claim" }}{{- end -}}
{{- $file := hasPrefix "file://" $v.bucket.url -}}
{{- if and $file (not $v.bucket.claim.name) -}}{{ fail (printf "bucket.url %s: a directory needs bucket.claim.name, the volume it is on" $v.bucket.url) }}{{- end -}}
{{- if and $v.bucket.claim.name (not $file) -}}{{ fail (printf "bucket.claim.name %s: a volume is used with bucket.url file:///bucket only" $v.bucket.claim.name) }}{{- end -}}
{{- if gt (len .Release.Name) 30 -}}{{ fail (printf "release name %s: must be at most 30 characters, for the names of services become host names" .Release.Name) }}{{- end -}}
{{- $sizes := include "eemt.sizes" . | fromYaml -}}
{{- range $name := list "submission" "compute" "cleanup" -}}
{{- $min := (get $v $name).minScale | int -}}
{{- $max := (get $sizes $name).maxScale | default (get $v $name).maxScale | int -}}
{{- if gt $min $max -}}{{ fail (printf "%s.minScale %d: must not be above maxScale %d" $name $min $max) }}{{- end -}}
{{- $size := get $sizes $name -}}
{{- if and $size.cpuRequest (gt (include "eemt.milli" $size.cpuRequest | int64) (include "eemt.milli" $size.cpu | int64)) -}}{{ fail (printf "%s.resources.cpuRequest %s: must not be above the limit of %s" $name $size.cpuRequest $size.cpu) }}{{- end -}}
{{- if and $size.memoryRequest (gt (include "eemt.mebi" $size.memoryRequest | int64) (include "eemt.mebi" $size.memory | int64)) -}}{{ fail (printf "%s.resources.memoryRequest %s: must not be above the limit of %s" $name $size.memoryRequest $size.memory) }}{{- end -}}
{{- if gt (include "eemt.mebi" $size.storageRequest | int64) (include "eemt.mebi" $size.storage | int64) -}}{{ fail (printf "%s.resources.storageRequest %s: must not be above the limit of %s, which follows from tmpSize" $name $size.storageRequest $size.storage) }}{{- end -}}
{{- end -}}
{{- /* What the programs refuse when they start would only be seen when the release is not ready in time. */ -}}
{{- if lt (include "eemt.goMemory" $sizes.compute.memory | int64) 128 -}}{{ fail (printf "compute.resources.memory %s: must be at least 151Mi" $sizes.compute.memory) }}{{- end -}}
{{- $resume := include "eemt.seconds" $v.cleanup.resumeAfter | float64 -}}
{{- if or (lt $resume 1.0) (gt $resume 43200.0) -}}{{ fail (printf "cleanup.resumeAfter %s: must be 1s to 12h" $v.cleanup.resumeAfter) }}{{- end -}}
{{- if gt (include "eemt.seconds" $v.compute.longestStep | float64) 3600.0 -}}{{ fail (printf "compute.longestStep %s: must be at most 1h" $v.compute.longestStep) }}{{- end -}}
{{- if and $v.events.unsigned $v.events.secret -}}{{ fail "events.unsigned: events.secret names the key to sign events with; give one of the two" }}{{- end -}}
{{- if include "eemt.identities" . -}}
{{- if eq $v.mode "hybrid" -}}{{ fail "mode hybrid: submission outside the cluster has no account of it, so that a broker that authenticates senders takes none of its events" }}{{- end -}}
{{- if eq $v.broker.class "RabbitMQBroker" -}}{{ fail "events.identities: brokers of class RabbitMQBroker do not authenticate senders" }}{{- end -}}
{{- end -}}
{{- with $v.notices -}}
{{- if or .issuer .audience .senders -}}{{ if not (and .issuer .audience .senders) }}{{ fail "notices.issuer, notices.audience and notices.senders: give all three, to know whose tokens count, for what, and which senders" }}{{ end }}{{- end -}}
{{- if and (or .secret .snsTopics .issuer) $v.uploads.events (not (include "eemt.identities" $)) -}}{{ fail "uploads.events: the broker has none of the credentials that notices asks for; set it to false, or have the cluster authenticate senders (events.identities)" }}{{- end -}}
{{- end -}}
{{- if and $v.ingress.enabled (not $v.ingress.host) -}}{{ fail "ingress.host is missing: give the host name that users call" }}{{- end -}}
{{- if and $v.ingress.enabled (or (eq $v.mode "hybrid") (not $v.submission.enabled)) -}}{{ fail "ingress.enabled: there is no submission service to reach" }}{{- end -}}
{{- if include "eemt.submission" . -}}
{{- $a := $v.auth -}}
{{- if not $a.mode -}}{{ fail "auth.mode is missing: oidc lets people log in with an OpenID provider, proxy believes what a proxy before submission says, none lets everybody who reaches submission do everything" }}{{- end -}}
{{- $tokens := or (eq $a.mode "oidc") (and (eq $a.mode "proxy") $a.proxy.tokenHeader) -}}
{{- if and $tokens (or (not $a.issuer) (not $a.audience)) -}}{{ fail (printf "auth.issuer and auth.audience: auth.mode %s needs both, to know whose tokens count and which are meant for this service" $a.mode) }}{{- end -}}
{{- if and (eq $a.mode "proxy") (not $a.proxy.tokenHeader) (not $a.proxy.secret) -}}{{ fail "auth.proxy: give tokenHeader, the header with a token that the proxy signs, or secret, a Secret that it has in common with the service" }}{{- end -}}
{{- if and $a.public (ne $a.mode "none") -}}{{ fail (printf "auth.public: has a meaning with auth.mode none only; with %s submission is public" $a.mode) }}{{- end -}}
{{- if and $v.ingress.enabled (eq $a.mode "none") (not $a.public) -}}{{ fail "ingress.enabled: with auth.mode none submission is reached from within the cluster only; auth.public: true opens it to everybody" }}{{- end -}}
{{- end -}}
{{- end }}

{{/* Who may use submission, for its environment. */}}
{{- define "eemt.auth" -}}
{{- $a := .Values.auth -}}
- {name: EEMT_AUTH_MODE, value: {{ $a.mode | quote }}}
{{- if ne $a.mode "none" }}
{{- if $a.issuer }}
- {name: EEMT_AUTH_ISSUER, value: {{ $a.issuer | quote }}}
- {name: EEMT_AUTH_AUDIENCE, value: {{ $a.audience | quote }}}
- {name: EEMT_AUTH_CLIENT_ID, value: {{ $a.clientID | quote }}}
- {name: EEMT_AUTH_SCOPES, value: {{ $a.scopes | quote }}}
- {name: EEMT_AUTH_OWNER_CLAIM, value: {{ $a.ownerClaim | quote }}}
- {name: EEMT_AUTH_GROUPS_CLAIM, value: {{ $a.groupsClaim | quote }}}
- {name: EEMT_AUTH_ROLES_CLAIM, value: {{ $a.rolesClaim | quote }}}
- {name: EEMT_AUTH_VIEWERS, value: {{ join "," $a.viewers | quote }}}
- {name: EEMT_AUTH_USERS, value: {{ join "," $a.users | quote }}}
{{- end }}
- {name: EEMT_AUTH_OPERATORS, value: {{ join "," $a.operators | quote }}}
{{- if eq $a.mode "proxy" }}
{{- if $a.proxy.tokenHeader }}
- {name: EEMT_AUTH_PROXY_TOKEN_HEADER, value: {{ $a.proxy.tokenHeader | quote }}}
{{- else }}
- {name: EEMT_AUTH_PROXY_SECRET, valueFrom: {secretKeyRef: {name: {{ $a.proxy.secret | quote }}, key: secret}}}
- {name: EEMT_AUTH_PROXY_OWNER_HEADER, value: {{ $a.proxy.ownerHeader | quote }}}
- {name: EEMT_AUTH_PROXY_GROUPS_HEADER, value: {{ $a.proxy.groupsHeader | quote }}}
{{- end }}
{{- end }}
- {name: EEMT_QUOTA_JOBS, value: {{ $a.quota.jobs | int64 | quote }}}
- {name: EEMT_QUOTA_CORE_HOURS, value: {{ $a.quota.coreHoursPerDay | quote }}}
- {name: EEMT_QUOTA_RESULT_BYTES, value: {{ $a.quota.resultBytesPerDay | int64 | quote }}}
- {name: EEMT_QUOTA_STORED_BYTES, value: {{ $a.quota.storedBytes | int64 | quote }}}
- {name: EEMT_QUOTA_UPLOAD_BYTES, value: {{ $a.quota.uploadBytesPerDay | int64 | quote }}}
{{- end }}
{{- end }}

{{/* The name of the Secret with the key of events; empty where they are not signed. */}}
{{- define "eemt.eventSecret" -}}
{{- if .Values.events.secret }}{{ .Values.events.secret }}
{{- else if not .Values.events.unsigned }}{{ include "eemt.fullname" . }}-events
{{- end -}}
{{- end }}

{{/* The data of that Secret as YAML: what is in the cluster, else a new key; nothing without a cluster. The same each time. */}}
{{- define "eemt.eventData" -}}
{{- $e := .Values.events -}}
{{- if not (hasKey $e "data") -}}
{{- $found := dict -}}
{{- with include "eemt.eventSecret" . -}}{{- $found = (lookup "v1" "Secret" $.Release.Namespace .).data | default dict -}}{{- end -}}
{{- /* The list of the cluster's resources tells a cluster from none: Knative must be there. */ -}}
{{- if and (not $found.key) (not (or $e.secret $e.unsigned)) (.Capabilities.APIVersions.Has "serving.knative.dev/v1") -}}
{{- $found = dict "key" (randAlphaNum 48 | b64enc) -}}
{{- end -}}
{{- $_ := set $e "data" $found -}}
{{- end -}}
{{- if $e.data -}}{{ toYaml $e.data }}{{- end -}}
{{- end }}

{{/* Whether events have tokens of service accounts: auto asks the cluster whether Eventing authenticates senders. The same each time. */}}
{{- define "eemt.identities" -}}
{{- $e := .Values.events -}}
{{- if not (hasKey $e "authenticated") -}}
{{- $on := eq (toString $e.identities) "true" -}}
{{- if and (eq (toString $e.identities) "auto") (ne .Values.broker.class "RabbitMQBroker") -}}
{{- $features := (lookup "v1" "ConfigMap" .Values.networkPolicy.eventingNamespace "config-features").data | default dict -}}
{{- $on = eq (get $features "authentication-oidc" | lower) "enabled" -}}
{{- end -}}
{{- $_ := set $e "authenticated" $on -}}
{{- end -}}
{{- if $e.authenticated }}yes{{ end -}}
{{- end }}

{{/* What the tokens of events for a service are made for: takes root and name. */}}
{{- define "eemt.audience" -}}{{ .root.Release.Namespace }}/{{ include "eemt.fullname" .root }}-{{ .name }}{{- end }}

{{/* The services that are there, as a list of YAML. */}}
{{- define "eemt.services" -}}
{{- if include "eemt.submission" . }}
- submission
{{- end }}
{{- if .Values.compute.enabled }}
- compute
{{- end }}
{{- if .Values.cleanup.enabled }}
- cleanup
{{- end }}
{{- end }}

{{/* The clocks that are there, with their schedules, as YAML. */}}
{{- define "eemt.ticks" -}}
{{- if .Values.cleanup.enabled }}
retention: {{ .Values.cleanup.schedule | quote }}
{{- end }}
{{- if or .Values.cleanup.enabled (include "eemt.submission" .) }}
resume: {{ .Values.cleanup.resumeSchedule | quote }}
{{- end }}
{{- end }}

{{- define "eemt.submission" -}}{{- if and .Values.submission.enabled (ne .Values.mode "hybrid") -}}yes{{- end -}}{{- end }}

{{/* Restricted Pod Security. The containers alone carry it, so that no feature flag is needed. */}}
{{- define "eemt.securityContext" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
seccompProfile:
  type: RuntimeDefault
{{- end }}

{{/* A service: takes root, name, size (from eemt.sizes), annotations and env of its own, pod (more of the pod's spec), resources (more limits). */}}
{{- define "eemt.service" -}}
{{- $root := .root -}}
{{- $v := $root.Values -}}
{{- $own := get $v .name -}}
{{- $full := printf "%s-%s" (include "eemt.fullname" $root) .name -}}
{{- /* Credentials of this service alone, else those that all have. */ -}}
{{- $secret := get $v.bucket.secrets .name | default $v.bucket.secret -}}
{{- $googleKey := get $v.bucket.googleKey.secrets .name | default $v.bucket.googleKey.secret -}}
apiVersion: serving.knative.dev/v1
kind: Service
metadata:
  name: {{ $full }}
  namespace: {{ $root.Release.Namespace }}
  labels:
    {{- include "eemt.labels" $root | nindent 4 }}
    app.kubernetes.io/component: {{ .name }}
    {{- if or (ne .name "submission") (and (eq $v.auth.mode "none") (not $v.auth.public)) }}
    networking.knative.dev/visibility: cluster-local
    {{- end }}
spec:
  template:
    metadata:
      labels:
        {{- include "eemt.labels" $root | nindent 8 }}
        app.kubernetes.io/component: {{ .name }}
        {{- with $v.podLabels }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
      annotations:
        autoscaling.knative.dev/min-scale: {{ $own.minScale | quote }}
        autoscaling.knative.dev/max-scale: {{ .size.maxScale | default $own.maxScale | quote }}
        {{- toYaml .annotations | nindent 8 }}
        eemt/config: {{ include (print $root.Template.BasePath "/configmap.yaml") $root | sha256sum | trunc 16 }}
        {{- /* A changed key makes a new revision. The part of the hash that is shown is too short to try keys by. */}}
        {{- with include "eemt.eventData" $root }}
        eemt/events: {{ sha256sum . | trunc 6 | quote }}
        {{- end }}
    spec:
      serviceAccountName: {{ $full }}
      automountServiceAccountToken: false
      enableServiceLinks: false
      containerConcurrency: {{ .concurrency }}
      timeoutSeconds: {{ $own.timeoutSeconds }}
      responseStartTimeoutSeconds: {{ $own.timeoutSeconds }}
      {{- with $v.imagePullSecrets }}
      imagePullSecrets:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- with .pod }}
      {{- toYaml . | nindent 6 }}
      {{- end }}
      containers:
        - name: {{ .name }}
          image: {{ get $v.images .name }}
          ports:
            - containerPort: 8080
          env:
            - name: GOMEMLIMIT
              value: {{ include "eemt.goMemory" .size.memory }}MiB
            {{- range .env }}
            - {{ toYaml . | nindent 14 | trim }}
            {{- end }}
            {{- with include "eemt.eventSecret" $root }}
            - name: EEMT_EVENT_KEY
              valueFrom: {secretKeyRef: {name: {{ . | quote }}, key: key}}
            - name: EEMT_EVENT_KEY_BEFORE
              valueFrom: {secretKeyRef: {name: {{ . | quote }}, key: before, optional: true}}
            {{- end }}
            {{- if include "eemt.identities" $root }}
            - name: EEMT_EVENT_IDENTITY
              value: /identity
            - name: EEMT_EVENT_AUDIENCE
              value: {{ include "eemt.audience" . }}
            - name: EEMT_EVENT_SENDERS
              value: system:serviceaccount:{{ $root.Release.Namespace }}:*
            {{- end }}
            {{- range $k, $x := $v.bucket.env }}
            - name: {{ $k }}
              value: {{ $x | quote }}
            {{- end }}
            {{- if $v.certificates.configMap }}
            - name: SSL_CERT_DIR
              value: /certificates
            {{- end }}
            {{- if $googleKey }}
            - name: GOOGLE_APPLICATION_CREDENTIALS
              value: /credentials/{{ $v.bucket.googleKey.key }}
            {{- end }}
          envFrom:
            - configMapRef:
                name: {{ include "eemt.fullname" $root }}
            {{- with $secret }}
            - secretRef:
                name: {{ . }}
            {{- end }}
          {{- /* Started is what has reached its bucket once: a revision with wrong credentials takes no traffic. After that a
                 bucket that is away is no reason to restart, nor to close the door: callers are told. Only what answers
                 nothing for two minutes is restarted. Knative does not fill the port of this probe in. */}}
          startupProbe:
            httpGet:
              path: /readyz
              port: 8080
            periodSeconds: 1
            timeoutSeconds: 6
            failureThreshold: 30
          readinessProbe:
            httpGet:
              path: /healthz
          livenessProbe:
            httpGet:
              path: /healthz
            periodSeconds: 20
            timeoutSeconds: 5
            failureThreshold: 6
          resources:
            requests:
              cpu: {{ .size.cpuRequest | default .size.cpu | quote }}
              memory: {{ .size.memoryRequest | default .size.memory }}
              ephemeral-storage: {{ .size.storageRequest }}
            limits:
              cpu: {{ .size.cpu | quote }}
              memory: {{ .size.memory }}
              ephemeral-storage: {{ .size.storage }}
              {{- with .limits }}
              {{- toYaml . | nindent 14 }}
              {{- end }}
          securityContext:
            {{- include "eemt.securityContext" $root | nindent 12 }}
          volumeMounts:
            - name: tmp
              mountPath: /tmp
            {{- if include "eemt.identities" $root }}
            - name: identity
              mountPath: /identity
              readOnly: true
            {{- end }}
            {{- if $v.certificates.configMap }}
            - name: certificates
              mountPath: /certificates
              readOnly: true
            {{- end }}
            {{- if $googleKey }}
            - name: google-key
              mountPath: /credentials
              readOnly: true
            {{- end }}
            {{- if $v.bucket.claim.name }}
            - name: bucket
              mountPath: /bucket
            {{- end }}
      volumes:
        - name: tmp
          emptyDir:
            sizeLimit: {{ .size.tmpSize | default "1Gi" }}
        {{- if include "eemt.identities" $root }}
        - name: identity
          projected:
            sources:
              {{- /* For the broker, and for the API server, which has the keys that tokens are verified with. */}}
              - serviceAccountToken: {path: broker, audience: {{ printf "eventing.knative.dev/broker/%s/%s" $root.Release.Namespace (include "eemt.fullname" $root) | lower }}, expirationSeconds: 3600}
              - serviceAccountToken: {path: cluster, expirationSeconds: 3600}
              - configMap: {name: kube-root-ca.crt, items: [{key: ca.crt, path: ca.crt}]}
        {{- end }}
        {{- with $v.certificates.configMap }}
        - name: certificates
          configMap:
            name: {{ . }}
        {{- end }}
        {{- if $googleKey }}
        - name: google-key
          secret:
            secretName: {{ $googleKey }}
        {{- end }}
        {{- if $v.bucket.claim.name }}
        - name: bucket
          persistentVolumeClaim:
            claimName: {{ $v.bucket.claim.name }}
        {{- end }}
  {{- with $own.traffic }}
  traffic:
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end }}

{{/* A trigger: takes root, name, attributes, service, uri, timeout. */}}
{{- define "eemt.trigger" -}}
{{- $root := .root -}}
{{- $full := include "eemt.fullname" $root -}}
apiVersion: eventing.knative.dev/v1
kind: Trigger
metadata:
  name: {{ $full }}-{{ .name }}
  namespace: {{ $root.Release.Namespace }}
  labels:
    {{- include "eemt.labels" $root | nindent 4 }}
spec:
  broker: {{ $full }}
  filter:
    attributes:
      {{- toYaml .attributes | nindent 6 }}
  subscriber:
    ref:
      apiVersion: serving.knative.dev/v1
      kind: Service
      name: {{ $full }}-{{ .service }}
      namespace: {{ $root.Release.Namespace }}
    uri: {{ .uri }}
    {{- if include "eemt.identities" $root }}
    audience: {{ include "eemt.audience" (dict "root" $root "name" .service) }}
    {{- end }}
  delivery:
    retry: {{ $root.Values.delivery.retry }}
    backoffPolicy: {{ $root.Values.delivery.backoffPolicy }}
    backoffDelay: {{ $root.Values.delivery.backoffDelay }}
    timeout: PT{{ add (get $root.Values .service).timeoutSeconds 30 }}S
    {{- if $root.Values.cleanup.enabled }}
    deadLetterSink:
      ref:
        apiVersion: serving.knative.dev/v1
        kind: Service
        name: {{ $full }}-cleanup
        namespace: {{ $root.Release.Namespace }}
      uri: /dead-letter
      {{- if include "eemt.identities" $root }}
      audience: {{ include "eemt.audience" (dict "root" $root "name" "cleanup") }}
      {{- end }}
    {{- end }}
{{- end }}
