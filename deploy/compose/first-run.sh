#!/bin/sh
# Makes what three regions need to trust one another: an authority, certificates, keys that sign votes, tokens; and empty folders for their state. Once:
# it never writes over what is there. To begin anew, `docker compose -f deploy/compose.yaml down`, then remove deploy/compose/secrets and deploy/compose/state.
#
#   deploy/compose/first-run.sh
#
# Needs openssl, and Docker for `tidegate keygen`; with TIDEGATE set to a command (TIDEGATE="npm run --silent tidegate --") it runs that instead.
# TIDEGATE_USER=UID:GID says who runs the containers: you, unless said; 65532:65532 when root runs this. With rootless Docker say 0:0, which is you there.
set -eu
cd "$(dirname "$0")"
umask 077

fail() {
  echo "first-run.sh: $1" >&2
  exit 1
}
if [ -e secrets ] || [ -e state ]; then fail "secrets or state is there already, and keys are never overwritten; the head of this file says how to begin anew"; fi
command -v openssl >/dev/null || fail "openssl is not installed"

user=${TIDEGATE_USER:-$(id -u):$(id -g)}
if [ "$(id -u)" = 0 ] && [ -z "${TIDEGATE_USER:-}" ]; then user=65532:65532; fi
here=$PWD
trap 'rm -rf "$here/secrets.new" "$here/state.new"' EXIT
rm -rf secrets.new state.new
mkdir -p secrets.new/openssl
cd secrets.new

openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -noenc -days 3650 -subj "/CN=tidegate compose store" -keyout openssl/ca.key -out ca.pem 2>openssl/log || fail "$(cat openssl/log)"

issue() { # NAME COMMON-NAME EXTENSION...: NAME.pem and NAME.key, good for a year
  name=$1 cn=$2
  shift 2
  printf '%s\n' basicConstraints=critical,CA:FALSE "$@" >"openssl/$name.ext"
  {
    openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -noenc -subj "/CN=$cn" -keyout "$name.key" -out "openssl/$name.csr" &&
      openssl x509 -req -in "openssl/$name.csr" -CA ca.pem -CAkey openssl/ca.key -CAcreateserial -days 365 -extfile "openssl/$name.ext" -out "$name.pem"
  } 2>openssl/log || fail "$(cat openssl/log)"
}

keygen() { # FILE: the private half goes there, the public half is printed
  if [ -n "${TIDEGATE:-}" ]; then
    $TIDEGATE keygen --out "$PWD/$1" 2>openssl/log
  else
    docker run --rm --network none --user "$(id -u):$(id -g)" --volume "$PWD:/out" tidegate:local keygen --out "/out/$1" 2>openssl/log
  fi || fail "$(cat openssl/log)"
}

if [ -z "${TIDEGATE:-}" ]; then TIDEGATE_USER=$user docker compose -f ../../compose.yaml build tidegate-eu-west >&2; fi
cp ../cluster.yaml cluster.yaml
for region in eu-west:10.88.0.11 us-east:10.88.0.21 ap-south:10.88.0.31; do
  address=${region#*:} region=${region%%:*}
  issue "etcd-$region" "etcd-$region" "subjectAltName=IP:$address,IP:127.0.0.1" extendedKeyUsage=serverAuth,clientAuth
  issue "$region" "$region" extendedKeyUsage=clientAuth
  key=$(keygen "$region-signing.pem")
  sed "s|\(name: $region,.*keys: \[\)[^]]*|\1$key|" cluster.yaml >cluster.next
  mv cluster.next cluster.yaml
  openssl rand -hex 24 >"$region-redis.password"
  printf 'requirepass %s\nsave ""\nappendonly no\nmaxmemory 128mb\nmaxmemory-policy noeviction\n' "$(cat "$region-redis.password")" >"$region-redis.conf"
done
issue operator operator extendedKeyUsage=clientAuth
openssl rand -hex 24 >operator.token
openssl rand -base64 32 >tsig.secret
printf 'key "tidegate" { algorithm hmac-sha256; secret "%s"; };\n' "$(cat tsig.secret)" >tsig.conf
mv openssl/ca.key ca.key
rm -r openssl
cd ..

mkdir state.new
for name in dns tidegate-eu-west tidegate-us-east tidegate-ap-south etcd-eu-west etcd-us-east etcd-ap-south; do mkdir "state.new/$name"; done
cp example.test.zone state.new/dns/
if [ "$(id -u)" = 0 ]; then chown -R "$user" secrets.new state.new; fi
printf 'TIDEGATE_USER=%s\n' "$user" >../.env
mv secrets.new secrets
mv state.new state
echo "made deploy/compose/secrets and deploy/compose/state; containers run as $user" >&2
