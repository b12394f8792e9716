"""Spark: events become sessions, sessions become windows; the oracle reads the sessions."""


rule sessions:
    input:
        events="<results>/{dataset}/events",
        manifest="<results>/{dataset}/events.json",
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
    threads: SETTINGS.spark.threads
    resources:
        mem_mb=spark_memory,
        runtime=240,
    params:
        settings=sessions_settings,
        code=code("rabbithole.sessions.build"),
        spark=spark_options,
        launcher=launcher,
    message:
        "Gathering the sessions of {wildcards.dataset}"
    shell:
        "{params.launcher} python -m rabbithole sessions --settings {params.settings:q} --spark {params.spark:q} "
        "--events {input.events:q} --output {output.folder:q} > {log:q} 2>&1"


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
    threads: SETTINGS.spark.threads
    resources:
        mem_mb=spark_memory,
        runtime=240,
    params:
        settings=windows_settings,
        code=code("rabbithole.windows.build"),
        spark=spark_options,
        launcher=launcher,
    message:
        "Encoding the windows of {wildcards.dataset}"
    shell:
        "{params.launcher} python -m rabbithole windows --settings {params.settings:q} --spark {params.spark:q} "
        "--sessions {input.sessions:q} --output {output.folder:q} > {log:q} 2>&1"


rule check:
    input:
        events="<results>/{dataset}/events",
        events_manifest="<results>/{dataset}/events.json",
        sessions="<results>/{dataset}/sessions",
        sessions_manifest="<results>/{dataset}/sessions.json",
        windows="<results>/{dataset}/windows",
        windows_manifest="<results>/{dataset}/windows.json",
    output:
        checks="<results>/{dataset}/checks.json",
    log:
        "<logs>/check/{dataset}.log",
    benchmark:
        "<benchmarks>/check/{dataset}.tsv"
    conda:
        "../envs/spark.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=60,
    params:
        code=code("rabbithole.checks.leak_checks"),
    message:
        "Checking {wildcards.dataset} for leaks"
    shell:
        "python -m rabbithole check --events {input.events:q} --sessions {input.sessions:q} "
        "--windows {input.windows:q} --output {output.checks:q} > {log:q} 2>&1"


rule oracle:
    input:
        sessions="<results>/{dataset}/sessions",
        manifest="<results>/{dataset}/sessions.json",
        raw="<results>/{dataset}/raw",
    output:
        scores="<results>/{dataset}/oracle/scores.parquet",
    log:
        "<logs>/oracle/{dataset}.log",
    benchmark:
        "<benchmarks>/oracle/{dataset}.tsv"
    conda:
        "../envs/spark.yaml"
    threads: 1
    resources:
        mem_mb=3000,
        runtime=120,
    params:
        settings=oracle_settings,
        code=code("rabbithole.simulator.oracle"),
    message:
        "Asking the oracle about {wildcards.dataset}"
    shell:
        "python -m rabbithole oracle --settings {params.settings:q} --sessions {input.sessions:q} "
        "--raw {input.raw:q} --output {output.scores:q} > {log:q} 2>&1"
