#!/bin/sh
# Who may do what in etcd: prints the etcdctl commands that make users and roles, or runs them with --run. Running it again changes nothing that is
# there already and adds what is missing; it takes nothing away. A user is the CN of a client certificate, and has no password.
#
#   grants.sh --prefix /tidegate/prod/ --coordinator eu-west --coordinator us-east --voter witness --admin operator [--run] [--enable]
#
# --voter REGION        probes and votes (a witness, or a region without provider credentials)
# --coordinator REGION  may decide as well
# --admin USER          applies configurations and adopts
# --run                 runs etcdctl, which takes its endpoints and certificates from ETCDCTL_ENDPOINTS, ETCDCTL_CACERT, ETCDCTL_CERT and ETCDCTL_KEY
# --enable              makes the user root and turns authentication on, last of all; keep the certificate with CN=root safe first
set -eu

fail() {
  echo "grants.sh: $1" >&2
  exit 2
}

prefix='' run='' enable='' members=''
while [ $# -gt 0 ]; do
  case "$1" in
    --run) run=yes ;;
    --enable) enable=yes ;;
    --prefix | --voter | --coordinator | --admin)
      [ $# -ge 2 ] || fail "$1 needs a value"
      case "$2" in '' | *[!A-Za-z0-9_./-]*) fail "$1 $2: letters, digits, dots, dashes, underscores and slashes only" ;; esac
      if [ "$1" = --prefix ]; then prefix=$2; else members="$members ${1#--}:$2"; fi
      shift
      ;;
    *) fail "$1 is not understood; the head of this file says what is" ;;
  esac
  shift
done
case "$prefix" in */) ;; *) fail "--prefix must end with a slash, such as /tidegate/prod/, and be the one in store.prefix" ;; esac

ctl() {
  if [ -z "$run" ]; then
    echo "etcdctl $*"
    return
  fi
  # What is there already is as wanted.
  said=$(ETCDCTL_API=3 etcdctl "$@" 2>&1) || case "$said" in
    *'already exist'*) ;;
    *) fail "etcdctl $*: $said" ;;
  esac
}

# ROLE KEY...: a key that ends with a slash or a dot stands for all that begin with it.
may_write() {
  role=$1
  shift
  for key in "$@"; do
    case "$key" in
      */ | *.) ctl role grant-permission "$role" readwrite --prefix=true "$prefix$key" ;;
      *) ctl role grant-permission "$role" readwrite "$prefix$key" ;;
    esac
  done
}

make() {
  ctl role add "$1"
  ctl role grant-permission "$1" read --prefix=true "$prefix"
}

# Its own votes, heartbeats, sightings, measurements and name; pages it sends by itself; and the orders and reports that its API takes, with their entries in the journal.
voter() {
  may_write "$1" "vote/$2/" "beat/$2/" "seen/$2/" "measured/$2/" "boot/$2/" "outbox/$2." override reported journal journal/ asked asked/ used/
}

# Decisions and what follows them. Decisions are numbered: from audit/0 to before audit/: leaves out audit/config-, which belongs to who applies.
coordinator() {
  voter "$1" "$2"
  may_write "$1" leader routing incident/ outbox/ applied/ observed/ proof/ run/ platform/ readiness/ budgets/ llm/ tiers lag/ gate/ trail/ anchor/ measured/
  ctl role grant-permission "$1" readwrite "${prefix}audit/0" "${prefix}audit/:"
}

admin() {
  may_write "$1" members adopted routing override applied/ audit/ outbox/ gate/ journal journal/
}

for member in $members; do
  kind=${member%%:*} name=${member#*:}
  if [ "$kind" = admin ]; then role=admin; else role=$kind-$name; fi
  make "$role"
  "$kind" "$role" "$name"
  ctl user add "$name" --no-password
  ctl user grant-role "$name" "$role"
done

if [ -n "$enable" ]; then
  ctl user add root --no-password
  ctl user grant-role root root
  ctl auth enable
fi
