#!/usr/bin/env bash
# Deploys EEMT on a Kubernetes cluster with Knative; see --help.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(dirname "$here")
chart=$root/charts/eemt

usage() {
	cat <<'TEXT'
Deploys EEMT on a Kubernetes cluster with Knative.

Usage: ko/deploy.sh [flags]

Where
  -n, --namespace NAME      namespace, made if it is not there (eemt)
  -r, --release NAME        name of the release, prefix of everything (eemt)
  -m, --mode MODE           distributed: three services in the cluster (default)
                            hybrid: compute and cleanup in the cluster, submission on this machine
                            local: no cluster; runs "eemt serve" here, what follows -- is given to it
Who (asked for with --mode distributed, unless a values file says it)
      --auth MODE           oidc:  people log in with an OpenID provider, programs send its tokens or API keys
                            proxy: a proxy before submission has people log in, and says who they are (values auth.proxy)
                            none:  everybody who reaches submission may do everything; reached within the cluster only
      --auth-issuer URL     address of the provider
      --auth-audience NAME  what its tokens must be made for
      --auth-client NAME    its client of the page and of eemt login, which has no secret
      --public              with --auth none: let submission be reached from outside
What
  -b, --bucket URL          gs://NAME, s3://NAME?region=REGION, azblob://NAME, file:///bucket
  -p, --preset NAME         gke, eks, aks or dev: charts/eemt/values-NAME.yaml
  -s, --strategy NAME       minimal, balanced or performance
  -f, --values FILE         values of your own; may be repeated, the last wins
      --set KEY=VALUE       one value; may be repeated
      --gpu                 put compute on nodes with GPUs
      --spot                put compute on nodes that may be taken away
      --ingress HOST        an own host name for submission
      --network-policy WHEN on:   close the pods off but for what they need
                            off:  do not
                            auto: where two pods find that the cluster enforces policies, unless a values file says (default)
      --dev                 one machine: preset dev, strategy minimal, debug messages, --auth none
      --cleanup-only        only cleanup and its ticks
      --images FILE         images that were built before ("make images" writes bin/images.yaml);
                            without it they are built with ko and pushed to $KO_DOCKER_REPO
How
  -u, --upgrade             change a release that exists; without it that is refused
      --canary PERCENT      with --upgrade: send so much of the traffic to the new revisions of submission and compute
  -d, --dry-run             print the manifests, change nothing; needs no cluster
      --print-values        print the values that follow from all flags
      --timeout SECONDS     how long to wait until everything is ready (300)
      --debug               messages at level debug, and this script's commands
  -h, --help

Flags win over --values, which win over --preset, which wins over the chart's defaults.

Examples
  export KO_DOCKER_REPO=europe-docker.pkg.dev/my-project/eemt
  ko/deploy.sh --preset gke --bucket gs://my-maps --auth oidc --auth-issuer https://id.example.org --auth-audience eemt
  ko/deploy.sh --preset gke --bucket gs://my-maps --values my.yaml --upgrade --canary 10
  ko/deploy.sh --dev
  ko/deploy.sh --mode local --bucket file://$HOME/maps -- --address localhost:8080
  ko/deploy.sh --bucket s3://my-maps?region=eu-central-1 --auth none --strategy performance --dry-run | kubectl diff -f -
TEXT
}

say() { printf '%s\n' "$*" >&2; }
die() {
	printf 'error: %s\n' "$*" >&2
	exit 1
}
misuse() {
	printf 'error: %s; see ko/deploy.sh --help\n' "$*" >&2
	exit 2
}

namespace=eemt release=eemt mode=distributed bucket= preset= strategy= host= images= canary= timeout=300
auth= issuer= audience= client= public= gpu= spot= policy=auto dev= cleanup_only= upgrade= dry= print= debug=
files=() sets=() rest=() given=()
while [ $# -gt 0 ]; do
	flag=$1
	case $flag in
	--*=*)
		flag=${1%%=*}
		set -- "$flag" "${1#*=}" "${@:2}"
		;;
	esac
	case $flag in
	-n | --namespace | -r | --release | -m | --mode | -b | --bucket | -p | --preset | -s | --strategy | -f | --values | --set | --ingress | --images | --canary | --timeout | --auth | --auth-issuer | --auth-audience | --auth-client | --network-policy)
		[ $# -ge 2 ] && [ -n "$2" ] || misuse "$flag needs a value"
		value=$2
		shift
		;;
	esac
	given+=("$flag")
	case $flag in
	--)
		shift
		rest=("$@")
		break
		;;
	-h | --help) usage && exit ;;
	-n | --namespace) namespace=$value ;;
	-r | --release) release=$value ;;
	-m | --mode) mode=$value ;;
	-b | --bucket) bucket=$value ;;
	-p | --preset) preset=$value ;;
	-s | --strategy) strategy=$value ;;
	-f | --values) files+=("$value") ;;
	--set) sets+=("$value") ;;
	--ingress) host=$value ;;
	--auth) auth=$value ;;
	--auth-issuer) issuer=$value ;;
	--auth-audience) audience=$value ;;
	--auth-client) client=$value ;;
	--public) public=yes ;;
	--images) images=$value ;;
	--canary) canary=$value ;;
	--timeout) timeout=$value ;;
	--gpu) gpu=yes ;;
	--spot) spot=yes ;;
	--network-policy) policy=$value ;;
	--dev) dev=yes ;;
	--cleanup-only) cleanup_only=yes ;;
	-u | --upgrade) upgrade=yes ;;
	-d | --dry-run) dry=yes ;;
	--print-values) print=yes ;;
	--debug) debug=yes ;;
	*) misuse "flag $flag is not known" ;;
	esac
	shift
done
one_of() {
	local name=$1 value=$2 list=" $3 "
	case $list in *" $value "*) ;; *) misuse "$name $value: must be one of$list" ;; esac
}
one_of --mode "$mode" "local distributed hybrid"
[ -z "$auth" ] || one_of --auth "$auth" "oidc proxy none"
one_of --network-policy "$policy" "auto on off"
[ -z "$public" ] || [ -z "$auth" ] || [ "$auth" = none ] || misuse "--public: has a meaning with --auth none only; with $auth submission is public"
[ -z "$strategy" ] || one_of --strategy "$strategy" "minimal balanced performance"
[ -z "$preset" ] || one_of --preset "$preset" "gke eks aks dev"
[ -z "$dev" ] || [ -z "$preset" ] || [ "$preset" = dev ] || misuse "--dev is the preset dev: leave --preset $preset out"
[[ $namespace =~ ^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$ ]] || misuse "--namespace $namespace: must be at most 63 lower-case letters, digits and hyphens"
[[ $release =~ ^[a-z]([-a-z0-9]{0,28}[a-z0-9])?$ ]] || misuse "--release $release: must be at most 30 lower-case letters, digits and hyphens"
[[ $timeout =~ ^[0-9]+$ ]] || misuse "--timeout $timeout: must be a number of seconds"
if [ -n "$canary" ]; then
	[[ $canary =~ ^[0-9]+$ ]] && [ "$canary" -ge 1 ] && [ "$canary" -le 99 ] || misuse "--canary $canary: must be 1 to 99 percent"
	[ -n "$upgrade" ] || misuse "--canary needs --upgrade: a new release has no older revision"
fi
[ -z "$cleanup_only" ] || [ "$mode" = distributed ] || misuse "--cleanup-only and --mode $mode exclude each other"
if [ "$mode" = local ]; then
	# What places and sizes services has no meaning without them; a flag that does nothing is a mistake.
	for flag in "${given[@]}"; do
		case $flag in -m | --mode | -b | --bucket | -d | --dry-run | --debug | --) ;; *) misuse "$flag: --mode local runs one process on this machine and takes --bucket, --debug and --dry-run only" ;; esac
	done
else
	[ ${#rest[@]} = 0 ] || misuse "${rest[0]}: only --mode local gives what follows -- to eemt serve"
fi
for file in ${files+"${files[@]}"} ${images:+"$images"}; do
	[ -r "$file" ] || misuse "file $file cannot be read"
done
[ -z "$debug" ] || [ -n "$dry" ] || [ "$mode" = local ] || set -x

# shellcheck source=ko/tool.sh
. "$here/tool.sh"

if [ "$mode" = local ]; then
	command=(eemt serve)
	if ! command -v eemt >/dev/null; then
		# Not by "go run" in the sources: paths are those of where this is called, and a signal goes to the server.
		command=("$root/bin/eemt" serve)
		[ -n "$dry" ] || {
			command -v go >/dev/null || die "eemt is not installed, and neither is go to build it"
			say "building eemt"
			go -C "$root" build -o bin/eemt ./cmd/eemt || die "eemt could not be built"
		}
	fi
	case $bucket in
	"") ;;
	file:///*) command+=(--data "${bucket#file://}") ;;
	*) command+=(--data "$bucket") ;;
	esac
	[ -z "$debug" ] || command+=(--verbose)
	command+=(${rest+"${rest[@]}"})
	if [ -n "$dry" ]; then
		printf '%s\n' "${command[*]/"$root"/.}"
		exit
	fi
	exec "${command[@]}"
fi

# ---- values: flags over files over preset ------------------------------------

[ -z "$dev" ] || preset=dev
arguments=()
[ -z "$preset" ] || arguments+=(--values "$chart/values-$preset.yaml")
for file in ${files+"${files[@]}"}; do arguments+=(--values "$file"); done
[ -z "$images" ] || arguments+=(--values "$images")
set_value() { arguments+=(--set "$1"); }
[ "$mode" = distributed ] || set_value "mode=$mode"
[ -z "$bucket" ] || arguments+=(--set-string "bucket.url=${bucket//,/\\,}")
[ -z "$strategy" ] || set_value "strategy=$strategy"
[ -z "$gpu" ] || set_value gpu.enabled=true
[ -z "$spot" ] || set_value spot.enabled=true
case $policy in
on) set_value networkPolicy.enabled=true ;;
off) set_value networkPolicy.enabled=false ;;
esac
[ -z "$host" ] || set_value "ingress.enabled=true,ingress.host=$host"
[ -z "$auth" ] || set_value "auth.mode=$auth"
[ -z "$public" ] || set_value auth.public=true
[ -z "$issuer" ] || arguments+=(--set-string "auth.issuer=${issuer//,/\\,}")
[ -z "$audience" ] || arguments+=(--set-string "auth.audience=${audience//,/\\,}")
[ -z "$client" ] || arguments+=(--set-string "auth.clientID=${client//,/\\,}")
[ -z "$cleanup_only" ] || set_value submission.enabled=false,compute.enabled=false
[ -z "$debug" ] || set_value logLevel=debug
for value in ${sets+"${sets[@]}"}; do set_value "$value"; done

helm=$(tool helm helm.sh/helm/v3/cmd/helm)
render() { "$helm" template "$release" "$chart" --namespace "$namespace" "${arguments[@]}" "$@"; }

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# evaluate TEMPLATE: what it gives with the values that follow from all flags.
evaluate() {
	# The chart with this as its only template.
	rm -rf "$work/chart"
	cp -R "$chart" "$work/chart"
	rm -rf "$work/chart/templates"
	mkdir "$work/chart/templates"
	printf '%s\n' "$1" >"$work/chart/templates/values.yaml"
	"$helm" template "$release" "$work/chart" --namespace "$namespace" "${arguments[@]}" | sed -e '/^---$/d' -e '/^# Source/d'
}
value_of() { evaluate "value: {{ $1 }}" | sed -n 's/^value: //p'; }
if [ -n "$print" ]; then
	evaluate '{{ toYaml .Values }}'
	exit
fi
if [ -n "$dry" ]; then
	render
	exit
fi
manifests=$(render) || exit 1

# ---- what the cluster must have ----------------------------------------------

command -v kubectl >/dev/null || die "kubectl is not installed: see https://kubernetes.io/docs/tasks/tools/"
problems=0
problem() {
	printf 'missing: %s\n' "$*" >&2
	problems=$((problems + 1))
}
kubectl get --raw /version >/dev/null 2>&1 ||
	die "the cluster does not answer: kubectl config current-context says $(kubectl config current-context 2>/dev/null || echo nothing)"
crds=$(kubectl get crd -o name)
has() { grep -qx "customresourcedefinition.apiextensions.k8s.io/$1" <<<"$crds"; }
has services.serving.knative.dev || problem "Knative Serving: see https://knative.dev/docs/install/yaml-install/serving/"
has brokers.eventing.knative.dev || problem "Knative Eventing: see https://knative.dev/docs/install/yaml-install/eventing/"
has pingsources.sources.knative.dev || problem "PingSource of Knative Eventing"
! grep -q '^kind: PodMonitor' <<<"$manifests" || has podmonitors.monitoring.coreos.com || problem "the Prometheus operator, for podMonitor.enabled"

features=$(kubectl -n knative-serving get configmap config-features -o json 2>/dev/null || echo '{}')
# feature NAME WHY: asks for a flag of Knative Serving that is off unless it was set.
feature() {
	grep -Eqi "\"$1\": *\"(enabled|allowed)\"" <<<"$features" && return
	problem "feature flag $1, which $2 needs; set it with: kubectl -n knative-serving patch configmap config-features --type merge -p '{\"data\":{\"$1\":\"enabled\"}}'"
}
! grep -q '^      nodeSelector:' <<<"$manifests" || feature kubernetes.podspec-nodeselector "placing compute on certain nodes"
! grep -q '^      tolerations:' <<<"$manifests" || feature kubernetes.podspec-tolerations "placing compute on tainted nodes"
! grep -q '^      affinity:' <<<"$manifests" || feature kubernetes.podspec-affinity "compute.affinity"
! grep -q '^      topologySpreadConstraints:' <<<"$manifests" || feature kubernetes.podspec-topologyspreadconstraints "compute.spread"
if grep -q 'persistentVolumeClaim:' <<<"$manifests"; then
	feature kubernetes.podspec-persistent-volume-claim "a bucket on a volume"
	feature kubernetes.podspec-persistent-volume-write "a bucket on a volume"
fi
! grep -Eqi '"kubernetes.podspec-volumes-emptydir": *"disabled"' <<<"$features" ||
	problem "feature flag kubernetes.podspec-volumes-emptydir, which was switched off, for /tmp"

longest=$(kubectl -n knative-serving get configmap config-defaults -o 'jsonpath={.data.max-revision-timeout-seconds}' 2>/dev/null || true)
longest=${longest:-600}
asked=$(sed -n 's/^ *timeoutSeconds: //p' <<<"$manifests" | sort -n | tail -n 1)
[ "${asked:-0}" -le "$longest" ] ||
	problem "timeouts of $asked s: the cluster allows $longest; lower compute.timeoutSeconds, or raise max-revision-timeout-seconds in configmap knative-serving/config-defaults"

# Quotas of somebody else must hold compute at its largest.
milli() { case $1 in *m) echo "${1%m}" ;; *) echo $(($1 * 1000)) ;; esac }
mebi() {
	case $1 in
	*Gi) echo $((${1%Gi} * 1024)) ;;
	*Mi) echo "${1%Mi}" ;;
	*Ki) echo $((${1%Ki} / 1024)) ;;
	*G) echo $((${1%G} * 1000000 / 1049)) ;;
	*M) echo $((${1%M} * 1000 / 1049)) ;;
	*k) echo $((${1%k} / 1049)) ;;
	*) echo $(($1 / 1048576)) ;;
	esac
}
# of WORD PART: a line of compute's manifest, below requests: or limits: where PART says so.
of() {
	awk -v word="$1:" -v part="${2:+$2:}" '/^# Source:/ { f = /compute.yaml/ } f && part != "" && $1 == part { part = "" } f && part == "" && $1 == word { gsub(/"/, ""); print $2; exit }' <<<"$manifests"
}
most=$(of autoscaling.knative.dev/max-scale)
own_limits=$(grep -c '^kind: LimitRange' <<<"$manifests" || true)
limit_ranges=$(kubectl -n "$namespace" get limitrange -o name 2>/dev/null || true)
defaults=
while read -r name what hard; do
	[ -n "${hard:-}" ] && [ "$name" != "$release" ] && [ -n "$most" ] || continue
	unit= each=
	case $what in
	requests.cpu | cpu) each=$(of cpu requests) unit=milli ;;
	limits.cpu) each=$(of cpu limits) unit=milli ;;
	requests.memory | memory) each=$(of memory requests) unit=mebi ;;
	limits.memory) each=$(of memory limits) unit=mebi ;;
	pods) each=1 unit=echo ;;
	*) continue ;;
	esac
	# Knative's queue proxy asks for CPU alone; a pod that does not say what a quota counts is refused.
	case $what in requests.cpu | cpu | pods) ;; *) defaults=$name ;; esac
	need=$(($($unit "$each") * most))
	[ "$($unit "$hard" 2>/dev/null || echo 0)" -ge "$need" ] || case $unit in
	milli) problem "CPU in quota $name of namespace $namespace: it allows $hard $what, $most replicas of compute ask for ${need}m; raise it, or lower compute.maxScale" ;;
	mebi) problem "memory in quota $name of namespace $namespace: it allows $hard $what, $most replicas of compute ask for ${need}Mi; raise it, or lower compute.maxScale" ;;
	*) problem "pods in quota $name of namespace $namespace: it allows $hard, compute alone has up to $most; raise it, or lower compute.maxScale" ;;
	esac
done < <(kubectl -n "$namespace" get resourcequota -o 'go-template={{range .items}}{{$n := .metadata.name}}{{range $k, $v := .spec.hard}}{{$n}} {{$k}} {{$v}}{{"\n"}}{{end}}{{end}}' 2>/dev/null || true)
[ -z "$defaults" ] || [ "$own_limits" != 0 ] || [ -n "$limit_ranges" ] ||
	problem "a LimitRange in namespace $namespace: quota $defaults counts what Knative's queue proxies do not ask for, so that their pods would be refused; give --set limitRange.enabled=true"
case $problems in
0) ;;
1) die "that is missing, nothing was changed" ;;
*) die "these $problems things are missing, nothing was changed" ;;
esac

if [ -n "$gpu" ] || grep -q 'nvidia.com/gpu:' <<<"$manifests"; then
	selector=$(awk '/^# Source:/ { f = /compute.yaml/ } f && /^      nodeSelector:/ { on = 1; next } on && /^        / { sub(/: /, "="); gsub(/[ "]/, ""); l = l sep $0; sep = ","; next } { on = 0 } END { print l }' <<<"$manifests")
	offered=$(kubectl get nodes -l "$selector" -o 'jsonpath={range .items[*]}{.status.allocatable.nvidia\.com/gpu}{"\n"}{end}' | grep -c '[1-9]' || true)
	[ "$offered" -gt 0 ] || say "warning: no node${selector:+ with $selector} offers nvidia.com/gpu: compute will stay Pending until one does"
fi

exists=
! "$helm" status "$release" -n "$namespace" >/dev/null 2>&1 || exists=yes
[ -z "$exists" ] || [ -n "$upgrade" ] || die "release $release exists in namespace $namespace: say --upgrade to change it"

# ---- images ------------------------------------------------------------------

if grep -q 'image: "*ko://' <<<"$manifests"; then
	[ -n "${KO_DOCKER_REPO:-}" ] || die "KO_DOCKER_REPO is not set: say where images go, for example export KO_DOCKER_REPO=ghcr.io/NAME, or give --images FILE"
	case $(sed -n 's/^ *EEMT_BUCKET: "\([a-z0-9]*\):.*/\1/p' <<<"$manifests") in
	gs) drivers=gcs ;;
	s3) drivers=s3 ;;
	azblob) drivers=azblob ;;
	*) drivers=gcs ;; # a directory needs none
	esac
	ko=$(tool ko github.com/google/ko)
	say "building images with the bucket driver $drivers for ${EEMT_PLATFORMS:-linux/amd64,linux/arm64}"
	(cd "$root" && EEMT_DRIVERS=$drivers "$ko" resolve --base-import-paths --platform "${EEMT_PLATFORMS:-linux/amd64,linux/arm64}" -f ko/images.yaml) >"$work/images.yaml" 2>"$work/ko.log" || {
		cat "$work/ko.log" >&2
		die "images could not be built"
	}
	arguments+=(--values "$work/images.yaml")
fi

# ---- release -----------------------------------------------------------------

if [ -n "$canary" ]; then
	for service in submission compute; do
		current=$(kubectl -n "$namespace" get ksvc "$release-$service" -o 'jsonpath={.status.traffic[0].revisionName}' 2>/dev/null || true)
		[ -n "$current" ] || continue
		arguments+=(--set-json "$service.traffic=[{\"revisionName\":\"$current\",\"percent\":$((100 - canary))},{\"latestRevision\":true,\"percent\":$canary,\"tag\":\"canary\"}]")
		say "$service: $((100 - canary)) % of traffic stays on $current"
	done
fi
if ! kubectl get namespace "$namespace" >/dev/null 2>&1; then
	kubectl create namespace "$namespace" >&2
	kubectl label namespace "$namespace" pod-security.kubernetes.io/enforce=restricted app.kubernetes.io/managed-by=eemt-deploy >&2
fi

# ---- network policies ----------------------------------------------------------

# probe: prints enforced, or open, or why that is not known. One pod listens at two ports, of which a policy closes one; the other
# tries both.
probe() {
	local image secrets address said
	image=$(value_of .Values.images.smoke) secrets=$(value_of 'toJson .Values.imagePullSecrets')
	pod() { # NAME ARGUMENTS
		cat <<-YAML
			---
			apiVersion: v1
			kind: Pod
			metadata: {name: $release-$1, labels: {app.kubernetes.io/part-of: $release-$1}}
			spec:
			  restartPolicy: Never
			  automountServiceAccountToken: false
			  enableServiceLinks: false
			  terminationGracePeriodSeconds: 0
			  activeDeadlineSeconds: 120
			  imagePullSecrets: $secrets
			  containers:
			    - name: probe
			      image: $image
			      args: $2
			      resources: {requests: {cpu: 5m, memory: 16Mi}, limits: {cpu: 100m, memory: 64Mi}}
			      securityContext: {runAsNonRoot: true, runAsUser: 65532, allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}, seccompProfile: {type: RuntimeDefault}}
		YAML
	}
	{
		cat <<-YAML
			apiVersion: networking.k8s.io/v1
			kind: NetworkPolicy
			metadata: {name: $release-probe-listener}
			spec:
			  podSelector: {matchLabels: {app.kubernetes.io/part-of: $release-probe-listener}}
			  policyTypes: [Ingress]
			  ingress: [{ports: [{port: 8081, protocol: TCP}]}]
		YAML
		pod probe-listener '["-listen"]'
	} >"$work/probe.yaml"
	step() { said=$(kubectl -n "$namespace" "$@" 2>&1) || { echo "$said" && return 1; }; }
	step apply -f "$work/probe.yaml" && step wait --for=condition=Ready --timeout=60s "pod/$release-probe-listener" || return 0
	address=$(kubectl -n "$namespace" get pod "$release-probe-listener" -o 'jsonpath={.status.podIP}')
	pod probe-caller "[\"-enforced\", \"$address\"]" >"$work/probe.yaml"
	step apply -f "$work/probe.yaml" && step wait --for=jsonpath='{.status.phase}'=Succeeded --timeout=60s "pod/$release-probe-caller" || return 0
	step logs "$release-probe-caller" && echo "${said:-the pod that tried it says nothing}"
}

chosen=
if [ "$(value_of 'kindIs "invalid" .Values.networkPolicy.enabled')" = true ]; then
	ingress=$(value_of 'join " " .Values.networkPolicy.ingressNamespaces')
	# shellcheck disable=SC2086 # names, one by one
	if kubectl -n "$namespace" get networkpolicy "$release-deny" >/dev/null 2>&1; then
		chosen=kept
	elif [ -z "$(kubectl get namespace --ignore-not-found -o name $ingress 2>/dev/null)" ]; then
		say "network policies are left out: Knative's ingress is in none of the namespaces $ingress (networkPolicy.ingressNamespaces)"
	else
		found=$(probe)
		kubectl -n "$namespace" delete pod,networkpolicy --ignore-not-found --wait=false "$release-probe-listener" "$release-probe-caller" >/dev/null 2>&1 || true
		case $found in
		enforced)
			chosen=found
			say "network policies close the pods off: the cluster enforces them"
			;;
		open) say "network policies are left out: the cluster does not enforce them" ;;
		*) say "network policies are left out: it could not be found out whether the cluster enforces them ($found); say --network-policy on or off" ;;
		esac
	fi
fi
[ -z "$chosen" ] || set_value networkPolicy.enabled=true

# A webhook of Knative that is just being restarted is no reason to give up.
for try in 1 2 3; do
	notes=$("$helm" upgrade --install "$release" "$chart" --namespace "$namespace" "${arguments[@]}" 2>"$work/helm.log") && break
	cat "$work/helm.log" >&2
	[ "$try" -lt 3 ] && grep -q 'failed calling webhook' "$work/helm.log" || die "helm could not apply the release; nothing more was done"
	say "trying again"
	sleep 10
done

# failing: one line for each part of the release that is not ready, with what Kubernetes says.
failing() {
	kubectl -n "$namespace" get ksvc,broker,trigger,pingsource,domainmapping -l "app.kubernetes.io/instance=$release" \
		-o 'jsonpath={range .items[*]}{.kind}{" "}{.metadata.name}{"|"}{.metadata.generation}{"|"}{.status.observedGeneration}{"|"}{range .status.conditions[?(@.type=="Ready")]}{.status}{"|"}{.reason}: {.message}{end}{"\n"}{end}' 2>/dev/null |
		awk -F '|' '$4 != "True" || $2 != $3 { sub(/^: $/, "", $5); print $1 ": " ($5 == "" ? "not reconciled yet" : $5) }'
}
pending() {
	kubectl -n "$namespace" get pods -l "app.kubernetes.io/instance=$release" --field-selector=status.phase=Pending \
		-o 'jsonpath={range .items[*]}{.metadata.name}{": "}{range .status.conditions[?(@.type=="PodScheduled")]}{.message}{end}{"\n"}{end}' 2>/dev/null | grep -v ': $' || true
}
end=$((SECONDS + timeout))
while left=$(failing) && [ -n "$left" ]; do
	if [ "$SECONDS" -ge "$end" ]; then
		say "not ready after $timeout s:"
		say "$left"
		[ "$chosen" != found ] || say "network policies are on, because the cluster enforces them: a bucket or a provider at a private address needs networkPolicy.extraEgress, or say --network-policy off"
		stuck=$(pending)
		if [ -n "$stuck" ]; then
			say "pods that no node takes:"
			say "$stuck"
			case $stuck in *gpu* | *selector*) say "no node offers what gpu, spot or nodeSelector ask for: add such a node, or deploy again with --upgrade and without --gpu or --spot" ;; esac
		fi
		exit 1
	fi
	sleep 1
done

sink=$(kubectl -n "$namespace" get configmap "$release" -o 'jsonpath={.data.K_SINK}')
actual=$(kubectl -n "$namespace" get broker "$release" -o 'jsonpath={.status.address.url}')
[ "$sink" = "$actual" ] || die "the broker takes events at $actual, not at $sink: deploy again with --upgrade --set broker.address=$actual"

sed -n '/^NOTES:/,$p' <<<"$notes" | tail -n +2
for service in submission compute; do
	kubectl -n "$namespace" get ksvc "$release-$service" -o 'jsonpath={range .status.traffic[*]}{.percent}{" % of '"$service"' on "}{.revisionName}{"\n"}{end}' 2>/dev/null | sed '/^ /d' || true
done
url=$(kubectl -n "$namespace" get ksvc "$release-submission" -o 'jsonpath={.status.url}' 2>/dev/null || true)
[ -z "$url" ] || printf 'Ready: %s\n' "$url"
if [ "$mode" = hybrid ]; then
	# The Secret with the key of events, if they are signed.
	signed=$(awk '/name: EEMT_EVENT_KEY$/ { on = 1 } on && /secretKeyRef/ { gsub(/[",]/, ""); for (i = 1; i < NF; i++) if ($i ~ /name:$/) { print $(i + 1); exit } }' <<<"$manifests")
	key=
	[ -z "$signed" ] || key="EEMT_EVENT_KEY=\$(kubectl -n $namespace get secret $signed -o 'jsonpath={.data.key}' | base64 -d) "
	cat <<TEXT
Ready. Start submission on this machine:
  kubectl -n knative-eventing port-forward service/broker-ingress 8081:80 &
  ${key}PORT=5000 EEMT_AUTH_MODE=none EEMT_BUCKET=$(kubectl -n "$namespace" get configmap "$release" -o 'jsonpath={.data.EEMT_BUCKET}') K_SINK=http://localhost:8081/$namespace/$release go run ./cmd/submission
TEXT
fi
