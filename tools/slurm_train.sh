#!/usr/bin/env bash
# Train on a Slurm cluster.
#
#     tools/slurm_train.sh PARTITION JOB_NAME CONFIG [WORK_DIR] [arguments of train.py]
#
# Environment: GPUS (8 in all), GPUS_PER_NODE (8, or GPUS if fewer),
# CPUS_PER_TASK (5), PYTHON, and SRUN_ARGS, which is split at blanks; its
# options come last and win, so SRUN_ARGS=--gres=none asks for no GPU.
set -euo pipefail

if [ $# -lt 3 ]; then
    echo "usage: $0 PARTITION JOB_NAME CONFIG [WORK_DIR] [arguments of train.py]" >&2
    exit 2
fi
PARTITION=$1
JOB_NAME=$2
CONFIG=$3
shift 3
if [ $# -gt 0 ] && [ "${1#-}" = "$1" ]; then
    WORK_DIR=$1
    shift
    set -- --work-dir "$WORK_DIR" "$@"
fi
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
    "${PYTHON:-python}" -u "$(dirname "$0")/train.py" "$CONFIG" \
    --launcher slurm "$@"
