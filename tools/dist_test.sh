#!/usr/bin/env bash
# Test with several processes, one a GPU; without GPUs, on CPU.
#
#     tools/dist_test.sh CONFIG CHECKPOINT GPUS [arguments of test.py]
#
# Several machines: set NNODES, NODE_RANK, MASTER_ADDR and PORT on each.
# PYTHON names the interpreter.
set -euo pipefail

if [ $# -lt 3 ]; then
    echo "usage: $0 CONFIG CHECKPOINT GPUS [arguments of test.py]" >&2
    exit 2
fi
# What Ctrl-C tells to type again.
MOSI_COMMAND=$(printf '%q ' "$0" "$@")
export MOSI_COMMAND
CONFIG=$1
CHECKPOINT=$2
GPUS=$3
shift 3

if [ "${NNODES:-1}" = 1 ] && [ -z "${PORT:-}" ]; then
    # torchrun takes a free port, so that two jobs share a machine.
    RENDEZVOUS=(--standalone --local-addr=127.0.0.1)
else
    RENDEZVOUS=(--nnodes="${NNODES:-1}" --node-rank="${NODE_RANK:-0}"
                --master-addr="${MASTER_ADDR:-127.0.0.1}"
                --master-port="${PORT:-29500}")
fi

exec "${PYTHON:-python}" -m mosi_mmaction.cli.launch "${RENDEZVOUS[@]}" \
    --nproc-per-node="$GPUS" \
    "$(dirname "$0")/test.py" "$CONFIG" "$CHECKPOINT" --launcher pytorch "$@"
