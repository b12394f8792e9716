#!/usr/bin/env bash
# Starts a Spark cluster inside a Slurm allocation, one worker per node, runs a command with it, and stops it:
#
#     sbatch --nodes=4 --ntasks-per-node=1 --cpus-per-task=16 --mem=64G profiles/slurm/spark-cluster.sh COMMAND ...
#
# As `mpi` of a Spark step in profile.yaml, it runs that step's job. Rabbithole's Spark steps find the cluster through
# RABBITHOLE_SPARK, any other Spark program through SPARK_CONF_DIR. All traffic is encrypted and authenticated with a
# secret of this run. All nodes must share the folder in which the script is started.
set -euo pipefail
umask 077

# The workflow passes the number of tasks, which the allocation knows already.
if [[ ${1:-} == -n ]]; then shift 2; fi
if [[ $# == 0 || -z ${SLURM_JOB_ID:-} ]]; then
    sed -n '2,8s/^# \{0,1\}//p' "$0" >&2
    exit 2
fi

job=$(scontrol --oneliner show job "$SLURM_JOB_ID")
value() { sed -n "s/.* $1=\([0-9]*\)\([MG]\{0,1\}\).*/\1 \2/p" <<<"$job"; }
read -r nodes _ < <(value NumNodes)
read -r cores _ < <(value NumCPUs)
cores=$((cores / nodes))
# Memory of each node: requested per node or per core; without a request, all of the node's.
if read -r memory unit < <(value MinMemoryNode) && ((memory > 0)); then
    :
elif read -r memory unit < <(value MinMemoryCPU) && ((memory > 0)); then
    memory=$((memory * cores))
else
    memory=$(awk '/^MemTotal:/ {print int($2 / 1024)}' /proc/meminfo) unit=M
fi
if [[ $unit == G ]]; then memory=$((memory * 1024)); fi

spark=$(python -c 'import pyspark; print(pyspark.__path__[0])')
shared=$(mktemp -d "$PWD/.spark-$SLURM_JOB_ID-XXXXXX")
master='' workers='' command=''
stop() {
    trap - EXIT TERM INT
    if [[ $command ]]; then kill "$command" 2>/dev/null || true; fi
    exec 9>&-
    if [[ $workers ]]; then wait "$workers" || true; fi
    if [[ $master ]]; then kill "$master" 2>/dev/null || true; fi
    wait
    rm -rf "$shared"
}
trap stop EXIT
trap 'exit 143' TERM
trap 'exit 130' INT

# A worker's JVM gets 45 % of its node's memory. Its Python workers need most of the rest, and on the first node the
# step itself runs too.
heap=$((memory * 45 / 100))
mkdir "$shared/conf" "$shared/tmp"
touch "$shared/master.log"
cat >"$shared/conf/spark-defaults.conf" <<CONF
spark.authenticate true
spark.authenticate.secret $(od -An -N32 -tx1 /dev/urandom | tr -d ' \n')
spark.network.crypto.enabled true
spark.driver.host $(hostname)
spark.executor.memory ${heap}m
spark.ui.enabled false
spark.ui.killEnabled false
spark.master.rest.enabled false
CONF
# The daemons do little, so the quick compiler alone makes them start faster.
export SPARK_CONF_DIR="$shared/conf" SPARK_DAEMON_MEMORY=512m SPARK_DAEMON_JAVA_OPTS=-XX:TieredStopAtLevel=1
export PYSPARK_PYTHON=${PYSPARK_PYTHON:-$(command -v python)}

"$spark/bin/spark-class" org.apache.spark.deploy.master.Master \
    --host "$(hostname)" --port 0 --webui-port 0 >"$shared/master.log" 2>&1 &
master=$!
fail() {
    echo "spark-cluster: $1" >&2
    tail -n 20 "$shared"/*.log >&2
    exit 1
}
# Waits up to two minutes until a line appears in the master's log a number of times.
await() {
    for ((i = 0; i < 1200; i++)); do
        if (($(grep -c "$1" "$shared/master.log") >= $2)); then return; fi
        kill -0 "${!3}" 2>/dev/null || fail "the $3 stopped"
        sleep 0.1
    done
    fail "no $3 after two minutes"
}
await 'Starting Spark master at spark://' 1 master
url=$(sed -n 's/.*Starting Spark master at \(spark:.*\)/\1/p' "$shared/master.log")

# Workers keep their data on their own node. They stop when their input is closed, which the end of this script does.
# `--overlap`: the command may start Slurm steps of its own.
mkfifo "$shared/hold"
# shellcheck disable=SC2016 # These are for the shell on the node.
srun --nodes="$nodes" --ntasks="$nodes" --ntasks-per-node=1 --cpus-per-task="$cores" --mem=0 --overlap \
    --kill-on-bad-exit bash -c '
    work=$(mktemp -d "${TMPDIR:-/tmp}/spark-worker-XXXXXX")
    trap "rm -rf $work" EXIT
    export SPARK_LOCAL_DIRS=$work
    exec 3<&0
    "$1/bin/spark-class" org.apache.spark.deploy.worker.Worker --host "$(hostname)" --webui-port 0 \
        --cores "$2" --memory "$3m" --work-dir "$work" "$4" 3<&- &
    worker=$!
    { cat >/dev/null; kill "$worker"; } <&3 &
    wait "$worker"' \
    _ "$spark" "$cores" "$heap" "$url" <"$shared/hold" >"$shared/workers.log" 2>&1 &
workers=$!
exec 9>"$shared/hold"
await 'Registering worker' "$nodes" workers

echo "Spark runs at $url: $nodes workers of $cores cores and $memory MB" >&2
# Driver and workers exchange files here, so all of them must see it.
export TMPDIR="$shared/tmp"
options='{"master": "%s", "threads": %d, "memory_mb": %d}'
# shellcheck disable=SC2059 # The format is the line above.
RABBITHOLE_SPARK=$(printf "$options" "$url" $((nodes * cores)) $((memory / 4)))
export RABBITHOLE_SPARK
"$@" 9>&- &
command=$!
wait "$command"
