"""Spark turns events into sessions and sessions into windows. Leak checks and the oracle read them."""


rule sessions:
    input:
        events=INPUTS.events,
        manifest=INPUTS.events_manifest,
    output:
        folder=directory("<results>/{dataset}/sessions"),
        manifest="<results>/{dataset}/sessions.json",
    log:
        "<logs>/sessions/{dataset}.log",
    benchmark:
        "<benchmarks>/sessions/{dataset}.tsv"
    priority: 2
    conda:
        "../envs/spark.yaml"
    threads: PROJECT.settings.spark.threads
    resources:
        mem_mb=OPTIONS.spark_memory,
        runtime=240,
    params:
        spec=SPECS.sessions,
        code=code_digest(digests.SESSIONS),
        spark=OPTIONS.spark,
        storage=OPTIONS.storage,
        purpose=OPTIONS.purpose,
        launcher=OPTIONS.launcher,
    message:
        "Building the sessions of {wildcards.dataset}"
    shell:
        "RABBITHOLE_PROGRESS={log:q}.progress "
        "{params.launcher} python -m rabbithole step sessions --spec {params.spec:q} --spark {params.spark:q} "
        "--purpose {params.purpose:q} --events {input.events:q} --output {output.folder:q} "
        "{params.storage:q} > {log:q} 2>&1"


rule windows:
    input:
        sessions="<results>/{dataset}/sessions",
        manifest="<results>/{dataset}/sessions.json",
    output:
        folder=directory("<results>/{dataset}/windows"),
        manifest="<results>/{dataset}/windows.json",
    log:
        "<logs>/windows/{dataset}.log",
    benchmark:
        "<benchmarks>/windows/{dataset}.tsv"
    priority: 2
    conda:
        "../envs/spark.yaml"
    threads: PROJECT.settings.spark.threads
    resources:
        mem_mb=OPTIONS.spark_memory,
        runtime=240,
    params:
        spec=SPECS.windows,
        code=code_digest(digests.WINDOWS),
        spark=OPTIONS.spark,
        storage=OPTIONS.storage,
        launcher=OPTIONS.launcher,
    message:
        "Encoding the windows of {wildcards.dataset}"
    shell:
        "RABBITHOLE_PROGRESS={log:q}.progress "
        "{params.launcher} python -m rabbithole step windows --spec {params.spec:q} --spark {params.spark:q} "
        "--sessions {input.sessions:q} --output {output.folder:q} {params.storage:q} > {log:q} 2>&1"


rule check_leaks:
    input:
        events=INPUTS.events,
        events_manifest=INPUTS.events_manifest,
        sessions="<results>/{dataset}/sessions",
        sessions_manifest="<results>/{dataset}/sessions.json",
        windows="<results>/{dataset}/windows",
        windows_manifest="<results>/{dataset}/windows.json",
    output:
        checks="<results>/{dataset}/checks.json",
    log:
        "<logs>/check_leaks/{dataset}.log",
    benchmark:
        "<benchmarks>/check_leaks/{dataset}.tsv"
    conda:
        "../envs/spark.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=60,
    params:
        code=code_digest(digests.CHECK_LEAKS),
    message:
        "Checking {wildcards.dataset} for leaks"
    shell:
        "python -m rabbithole step check-leaks --events {input.events:q} --sessions {input.sessions:q} "
        "--windows {input.windows:q} --output {output.checks:q} > {log:q} 2>&1"


rule oracle:
    input:
        sessions="<results>/{dataset}/sessions",
        manifest="<results>/{dataset}/sessions.json",
        raw=INPUTS.raw,
    output:
        scores="<results>/{dataset}/oracle/scores.parquet",
        digest="<results>/{dataset}/oracle/scores.parquet.sha256",
    log:
        "<logs>/oracle/{dataset}.log",
    benchmark:
        "<benchmarks>/oracle/{dataset}.tsv"
    wildcard_constraints:
        dataset="|".join(PROJECT.encoded),
    conda:
        "../envs/spark.yaml"
    threads: 1
    resources:
        mem_mb=3000,
        runtime=120,
    params:
        spec=SPECS.oracle,
        storage=OPTIONS.storage,
        code=CODE.oracle,
    message:
        "Scoring {wildcards.dataset} with the oracle"
    shell:
        "RABBITHOLE_PROGRESS={log:q}.progress "
        "python -m rabbithole step oracle --spec {params.spec:q} --sessions {input.sessions:q} "
        "--raw {input.raw:q} --output {output.scores:q} {params.storage:q} > {log:q} 2>&1"
