#!/usr/bin/env bash
# Removes a deployment of EEMT from a cluster; see --help.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(dirname "$here")

usage() {
	cat <<'TEXT'
Removes a deployment of EEMT from a Kubernetes cluster.

Usage: ko/cleanup.sh [flags]

  -n, --namespace NAME   namespace (eemt)
  -r, --release NAME     name of the release (eemt)
  -f, --force            do not ask; needed where there is no terminal
      --keep-namespace   leave the namespace
      --keep-data        leave the volume of a directory bucket, and with it the namespace
      --all              remove the namespace and the volume of a directory bucket
  -d, --dry-run          only report what would be removed
  -h, --help

Without --all data stay. A bucket in the cloud is never touched: remove it with the tools of the cloud.

Examples
  ko/cleanup.sh --dry-run
  ko/cleanup.sh --keep-data
  ko/cleanup.sh --all --force
TEXT
}
say() { printf '%s\n' "$*" >&2; }
die() {
	printf 'error: %s\n' "$*" >&2
	exit 1
}
misuse() {
	printf 'error: %s; see ko/cleanup.sh --help\n' "$*" >&2
	exit 2
}

# shellcheck source=ko/tool.sh
. "$here/tool.sh"

namespace=eemt release=eemt force= keep_namespace= keep_data= all= dry=
while [ $# -gt 0 ]; do
	case $1 in
	--*=*) set -- "${1%%=*}" "${1#*=}" "${@:2}" ;;
	esac
	case $1 in
	-n | --namespace | -r | --release)
		[ $# -ge 2 ] && [ -n "$2" ] || misuse "$1 needs a value"
		case $1 in -n | --namespace) namespace=$2 ;; *) release=$2 ;; esac
		shift
		;;
	-f | --force) force=yes ;;
	--keep-namespace) keep_namespace=yes ;;
	--keep-data) keep_data=yes ;;
	--all) all=yes ;;
	-d | --dry-run) dry=yes ;;
	-h | --help) usage && exit ;;
	*) misuse "flag $1 is not known" ;;
	esac
	shift
done
[ -z "$all" ] || [ -z "$keep_data$keep_namespace" ] || misuse "--all excludes --keep-data and --keep-namespace"
case $namespace in default | kube-* | knative-*) [ -z "$all" ] || misuse "--all would remove the namespace $namespace, which is not EEMT's own" ;; esac

command -v kubectl >/dev/null || die "kubectl is not installed"
kubectl get --raw /version >/dev/null 2>&1 || die "the cluster does not answer"
kubectl get namespace "$namespace" >/dev/null 2>&1 || {
	echo "nothing to do: there is no namespace $namespace"
	exit
}
helm=$(tool helm helm.sh/helm/v3/cmd/helm)
label=app.kubernetes.io/instance=$release
claims=$(kubectl -n "$namespace" get persistentvolumeclaim -l "$label" -o name)
bucket=$(kubectl -n "$namespace" get configmap "$release" -o 'jsonpath={.data.EEMT_BUCKET}' 2>/dev/null || true)
others=$(kubectl -n "$namespace" get ksvc,deployment,persistentvolumeclaim -o name -l "app.kubernetes.io/instance!=$release" 2>/dev/null |
	while read -r o; do kubectl -n "$namespace" get "$o" -o 'jsonpath={.metadata.ownerReferences}' | grep -q . || echo "$o"; done)
own=$(kubectl get namespace "$namespace" -o 'jsonpath={.metadata.labels.app\.kubernetes\.io/managed-by}')

# The namespace goes if deploy.sh made it and nothing is left in it.
drop_namespace=
if [ -n "$all" ]; then
	drop_namespace=yes
elif [ -z "$keep_namespace" ] && [ -z "$claims" ] && [ -z "$others" ] && [ "$own" = eemt-deploy ]; then
	drop_namespace=yes
fi

echo "From namespace $namespace of $(kubectl config current-context 2>/dev/null || echo 'this cluster'):"
kubectl -n "$namespace" get ksvc,broker,trigger,pingsource -l "$label" -o name | sed 's/^/  remove /'
[ -z "$("$helm" -n "$namespace" list -q --filter "^$release\$")" ] || echo "  remove release $release with its configuration, accounts and policies"
for c in $claims; do [ -n "$all" ] && echo "  remove $c with all data on it" || echo "  keep $c"; done
case $bucket in "" | file:*) ;; *) echo "  keep $bucket" ;; esac
[ -n "$drop_namespace" ] && echo "  remove namespace $namespace" || echo "  keep namespace $namespace"
[ -z "$all" ] || [ -z "$others" ] || printf '  remove %s, which is not part of the release\n' $others
[ -z "$dry" ] || exit 0

if [ -z "$force" ]; then
	[ -t 0 ] || {
		echo "error: not on a terminal: say --force to remove all this" >&2
		exit 2
	}
	if [ -n "$all" ]; then
		read -r -p "Data go too. Type the release's name to go on: " answer
		[ "$answer" = "$release" ] || die "nothing was removed"
	else
		read -r -p "Go on? [y/N] " answer
		case $answer in y | Y | yes) ;; *) die "nothing was removed" ;; esac
	fi
fi

# Services first: the pods of a service are given up to its timeout to end, and a namespace that goes waits for that.
kubectl -n "$namespace" delete pingsource,trigger,broker,ksvc -l "$label" --ignore-not-found
kubectl -n "$namespace" delete pod "$release-test" --ignore-not-found >/dev/null
[ -z "$("$helm" -n "$namespace" list -a -q --filter "^$release\$")" ] || "$helm" uninstall "$release" -n "$namespace" >/dev/null
if [ -n "$all" ] && [ -n "$claims" ]; then
	# shellcheck disable=SC2086 # names, one by one
	kubectl -n "$namespace" delete $claims --wait=false
fi
if [ -n "$drop_namespace" ]; then
	kubectl delete namespace "$namespace" --wait=false
fi
echo "done"
