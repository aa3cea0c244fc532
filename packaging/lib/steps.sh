# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
#
# How the scripts of this folder talk: one line for each step, with the time it took. While a step runs, a terminal
# sees a live line, and a log file sees a line every few seconds, so that nobody wonders whether it hangs. The full
# output of a step goes to $STEP_LOG and is shown only when the step fails.
# Sourced, never run. The caller sets STEP_LOG before the first step_run.

STEP_FD=2
if [ -t "$STEP_FD" ] && [ "${TERM:-dumb}" != dumb ]; then
    STEP_LIVE=1
    STEP_BOLD=$'\e[1m' STEP_DIM=$'\e[2m' STEP_RED=$'\e[31m' STEP_GREEN=$'\e[32m' STEP_OFF=$'\e[0m'
else
    STEP_LIVE=
    STEP_BOLD='' STEP_DIM='' STEP_RED='' STEP_GREEN='' STEP_OFF=''
fi
if [ -n "${NO_COLOR:-}" ]; then
    STEP_BOLD='' STEP_DIM='' STEP_RED='' STEP_GREEN='' STEP_OFF=''
fi

# Milliseconds of a clock; EPOCHREALTIME needs no process (its point may be a comma).
step_clock()
{
    local now=${EPOCHREALTIME/[.,]/}

    STEP_NOW=$((now / 1000))
}

# step_seconds MS: sets STEP_SECONDS to "12.3 s".
step_seconds()
{
    printf -v STEP_SECONDS '%d.%d s' $(($1 / 1000)) $(($1 % 1000 / 100))
}

step_say()
{
    printf '%s\n' "$*" >&"$STEP_FD"
}

step_fail()
{
    printf '%s%s: %s%s\n' "$STEP_RED" "${0##*/}" "$*" "$STEP_OFF" >&"$STEP_FD"
    exit 1
}

# step_live LABEL TEXT: replaces the live line (terminal only).
step_live()
{
    local text="  $1 ... $2"

    [ -n "$STEP_LIVE" ] || return 0
    printf '\r\e[K%s%.*s%s' "$STEP_DIM" "$((${COLUMNS:-80} - 1))" "$text" "$STEP_OFF" >&"$STEP_FD"
}

# step_done LABEL MS [NOTE]: the line that stays.
step_done()
{
    [ -z "$STEP_LIVE" ] || printf '\r\e[K' >&"$STEP_FD"
    step_seconds "$2"
    printf '  %s%-28s%s %8s  %s\n' "$STEP_GREEN" "$1" "$STEP_OFF" "$STEP_SECONDS" "${3:-}" >&"$STEP_FD"
}

# step_watch LABEL: reads a command's output, keeps all of it in STEP_LOG, shows the newest line. "progress: TEXT" lines
# are shown as TEXT and not logged.
step_watch()
{
    local label=$1 line='' part='' status last='' begin shown

    step_clock
    begin=$STEP_NOW shown=$STEP_NOW
    while :; do
        status=0
        IFS= read -r -t 1 part || status=$?
        line+=$part
        if [ "$status" -eq 0 ]; then
            if [ "${line#progress: }" != "$line" ]; then
                line=${line#progress: }
            else
                printf '%s\n' "$line" >>"$STEP_LOG"
            fi
            [ -z "$line" ] || last=$line
            line=''
        elif [ "$status" -le 128 ]; then
            [ -z "$line" ] || printf '%s\n' "$line" >>"$STEP_LOG"
            return 0
        fi
        step_clock
        step_seconds $((STEP_NOW - begin))
        if [ -n "$STEP_LIVE" ]; then
            step_live "$label" "$STEP_SECONDS  $last"
        elif [ $((STEP_NOW - shown)) -ge 10000 ]; then
            shown=$STEP_NOW
            step_say "  $label ... $STEP_SECONDS  ${last:0:90}"
        fi
    done
}

# step_run LABEL COMMAND...: runs it with stdin closed; on failure shows the end of its output and leaves the script.
step_run()
{
    local label=$1 begin status

    shift
    step_clock
    begin=$STEP_NOW
    printf '\n== %s: %s\n' "$label" "$*" >>"$STEP_LOG"
    STEP_LOG_START=$(wc -l <"$STEP_LOG")
    set +e
    "$@" </dev/null 2>&1 | step_watch "$label"
    status=${PIPESTATUS[0]}
    set -e
    step_clock
    STEP_MS=$((STEP_NOW - begin))
    [ "$status" -eq 0 ] && return 0
    [ -z "$STEP_LIVE" ] || printf '\r\e[K' >&"$STEP_FD"
    tail -n "+$((STEP_LOG_START + 1))" "$STEP_LOG" | tail -n 25 | sed 's/^/    /' >&"$STEP_FD"
    step_fail "$label: failed with status $status; the whole output is in $STEP_LOG"
}
