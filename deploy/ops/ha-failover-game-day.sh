#!/bin/sh
# A game day: the drills of a list, one after the other, each by `tidegate drill run`, and one scorecard of the day at the end.
# Shows what would be done and touches nothing, unless --yes is said. Stops at the first drill that is not as expected, unless --go-on is.
# The manual is "Game day" in deploy/README.md.
set -uf

usage() {
  cat <<'END'
usage: ha-failover-game-day.sh --reason TEXT --on-call NAME [options] DRILL[=SUBJECT]... [-- OPTION...]

  lose-region=eu-west cut-witness=witness revoke-credential=cloudflare
  expire-certificate=us-east silence-pager=pagerduty fill-etcd-quota

  --yes              do it; without it every drill is shown, and nothing is touched
  --go-on            go on after a drill that was not as expected
  --hooks DIR        DIR/DRILL.inject and DIR/DRILL.restore make a fault and take it back (default: hooks)
  --scorecards DIR   where each drill's scorecard goes, and that of the day (default: drills)
  -- OPTION...       goes to every tidegate drill run as it is, e.g. --endpoint URL --token-file FILE

exit codes: 0 all as expected, or all could begin; 2 not understood; 3, 5, 6 and others: of the first drill that was not;
129, 130, 143: a signal ended the day
END
}

fail() {
  printf 'ha-failover-game-day.sh: %s\n' "$1" >&2
  exit 2
}

need() {
  [ "$2" -ge 2 ] || fail "$1 needs a value"
}

yes='' go_on='' reason='' on_call='' hooks=hooks scorecards=drills drills=''
while [ $# -gt 0 ]; do
  case $1 in
    --yes | -y) yes=--yes ;;
    --go-on) go_on=1 ;;
    --reason) need "$1" $#; reason=$2; shift ;;
    --on-call) need "$1" $#; on_call=$2; shift ;;
    --hooks) need "$1" $#; hooks=$2; shift ;;
    --scorecards) need "$1" $#; scorecards=$2; shift ;;
    --help | -h) usage; exit 0 ;;
    --) shift; break ;;
    -*) fail "$1 is not understood; --help says what is; options for tidegate stand behind --" ;;
    *) drills="$drills $1" ;;
  esac
  shift
done
# What is left in "$@" goes to tidegate.

# Everything wrong with the list at once, before anything begins.
wrong=''
[ -n "$drills" ] || wrong="$wrong; no drill is named"
[ -n "$reason" ] || wrong="$wrong; --reason TEXT is missing"
[ -n "$on_call" ] || wrong="$wrong; --on-call NAME is missing"
for each in $drills; do
  drill=${each%%=*}
  case $each in
    fill-etcd-quota | lose-region=?* | cut-witness=?* | expire-certificate=?* | revoke-credential=?* | silence-pager=?*) ;;
    fill-etcd-quota=*) wrong="$wrong; $drill is about the whole cluster: $drill alone" ;;
    lose-region* | cut-witness* | expire-certificate* | revoke-credential* | silence-pager*) wrong="$wrong; $each: of what? $drill=NAME" ;;
    *) wrong="$wrong; no drill is called $drill" ;;
  esac
  [ "$drill" != lose-region ] || continue
  for hook in "$hooks/$drill.inject" "$hooks/$drill.restore"; do
    [ -x "$hook" ] || wrong="$wrong; $hook is no program; tidegate drill run $drill says what it has to do"
  done
done
case $hooks in
  *[!A-Za-z0-9_./-]*) wrong="$wrong; --hooks $hooks: a path of letters, digits and _ . / - alone, since it becomes a command" ;;
  /* | ./* | ../*) ;;
  *) hooks=./$hooks ;;
esac
command -v tidegate >/dev/null 2>&1 || wrong="$wrong; tidegate is not on the PATH"
[ -z "$wrong" ] || fail "${wrong#; }"

work=$(mktemp -d) || exit 1
child='' signal='' code=0
: >"$work/rows"

# What is under way ends first: tidegate takes back what it has injected when it is told to stop, and so it is waited for.
on_signal() {
  signal=$1
  [ -z "$child" ] || kill -TERM "$child" 2>/dev/null
}
trap 'on_signal 129' HUP
trap 'on_signal 130' INT
trap 'on_signal 143' TERM
trap 'rm -rf "$work"' EXIT

# tidegate in the background, since a shell that waits hears signals, and one that runs a command does not. Out: its exit code, in $code.
play() {
  tidegate drill run "$@" >"$work/out" &
  child=$!
  [ -z "$signal" ] || kill -TERM "$child" 2>/dev/null
  while :; do
    wait "$child"
    code=$?
    # A signal ends the wait, not the drill.
    kill -0 "$child" 2>/dev/null || break
  done
  child=''
}

run_one() {
  drill=${1%%=*} subject=${1#*=}
  shift
  set -- --reason "$reason" --on-call "$on_call" --scorecards "$scorecards" "$@"
  case $drill in
    lose-region | cut-witness | expire-certificate) set -- --region "$subject" "$@" ;;
    revoke-credential) set -- --provider "$subject" "$@" ;;
    silence-pager) set -- --channel "$subject" "$@" ;;
  esac
  [ "$drill" = lose-region ] || set -- --inject "$hooks/$drill.inject" --restore "$hooks/$drill.restore" "$@"
  [ -z "$yes" ] || set -- --yes "$@"
  play "$drill" "$@"
}

# A row of the day, and the scorecard that tidegate wrote, if it wrote one: the last line of what it said.
record() {
  card=$(tail -n 1 "$work/out")
  case $card in
    *.md) [ -f "$card" ] || card='' ;;
    *) card='' ;;
  esac
  case $2 in
    0) outcome='as expected' ;;
    3) outcome=aborted ;;
    5) outcome=missed ;;
    6) outcome='did not begin' ;;
    *) outcome=failed ;;
  esac
  printf '| %s | %s | %s | %s |\n' "$1" "$outcome" "$2" "${card:-none}" >>"$work/rows"
  [ -z "$card" ] || { printf '\n'; sed 's/^# /## /' "$card"; } >>"$work/cards"
}

first=0
: >"$work/cards"
for each in $drills; do
  [ -z "$signal" ] || break
  printf '== %s\n' "$each" >&2
  run_one "$each" "$@"
  cat "$work/out"
  record "$each" "$code"
  [ "$code" = 0 ] && continue
  [ "$first" != 0 ] || first=$code
  # A dry run shows them all.
  [ -n "$go_on" ] || [ -z "$yes" ] || break
done

if [ -n "$yes" ]; then
  for each in $drills; do
    grep -qF "| $each |" "$work/rows" || printf '| %s | not begun | | none |\n' "$each" >>"$work/rows"
  done
  now=$(date -u +%Y-%m-%dT%H:%M:%SZ)
  day=$scorecards/game-day-$(date -u +%Y%m%dT%H%M%SZ).md
  mkdir -p "$scorecards" && {
    printf '# Game day, ended %s\n\n' "$now"
    printf 'On call %s: %s\n\n' "$on_call" "$reason" | tr '|' ' '
    printf '| drill | outcome | exit code | scorecard |\n|---|---|---|---|\n'
    cat "$work/rows" "$work/cards"
  } >"$day" && printf '%s\n' "$day"
fi
[ -z "$signal" ] || exit "$signal"
exit "$first"
