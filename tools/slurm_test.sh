#!/usr/bin/env bash
# Test on a Slurm cluster.
#
#     tools/slurm_test.sh PARTITION JOB_NAME CONFIG CHECKPOINT [arguments of test.py]
#
# Environment: GPUS (8 in all), GPUS_PER_NODE (8, or GPUS if fewer),
# CPUS_PER_TASK (5), PYTHON, and SRUN_ARGS, which is split at blanks; its
# options come last and win, so SRUN_ARGS=--gres=none asks for no GPU.
set -euo pipefail

if [ $# -lt 4 ]; then
    echo "usage: $0 PARTITION JOB_NAME CONFIG CHECKPOINT [arguments of test.py]" >&2
    exit 2
fi
PARTITION=$1
JOB_NAME=$2
CONFIG=$3
CHECKPOINT=$4
shift 4
GPUS=${GPUS:-8}
GPUS_PER_NODE=${GPUS_PER_NODE:-$((GPUS < 8 ? GPUS : 8))}
read -ra SRUN_OPTIONS <<< "${SRUN_ARGS:-}"
# Jobs that share a node need ports of their own.
export MASTER_PORT=${MASTER_PORT:-$((12000 + RANDOM % 20000))}

exec srun -p "$PARTITION" \
    --job-name="$JOB_NAME" \
    --gres=gpu:"$GPUS_PER_NODE" \
    --ntasks="$GPUS" \
    --ntasks-per-node="$GPUS_PER_NODE" \
    --cpus-per-task="${CPUS_PER_TASK:-5}" \
    --kill-on-bad-exit=1 \
    ${SRUN_OPTIONS[@]+"${SRUN_OPTIONS[@]}"} \
    "${PYTHON:-python}" -u "$(dirname "$0")/test.py" "$CONFIG" \
    "$CHECKPOINT" --launcher slurm "$@"
