"""Where raw data comes from: the user's files or the simulator."""


rule simulate:
    output:
        folder=directory("<results>/{dataset}/raw"),
    log:
        "<logs>/simulate/{dataset}.log",
    benchmark:
        "<benchmarks>/simulate/{dataset}.tsv"
    priority: 2
    conda:
        "../envs/spark.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=60,
    params:
        settings=simulate_settings,
        code=code("rabbithole.simulator.write"),
    message:
        "Simulating the raw log of {wildcards.dataset}"
    shell:
        "python -m rabbithole simulate --settings {params.settings:q} --output {output.folder:q} > {log:q} 2>&1"


rule events:
    input:
        raw_inputs,
    output:
        folder=directory("<results>/{dataset}/events"),
        rejected=directory("<results>/{dataset}/rejected"),
        manifest="<results>/{dataset}/events.json",
    log:
        "<logs>/events/{dataset}.log",
    benchmark:
        "<benchmarks>/events/{dataset}.tsv"
    priority: 2
    conda:
        "../envs/spark.yaml"
    threads: SETTINGS.spark.threads
    resources:
        mem_mb=spark_memory,
        runtime=240,
    params:
        settings=events_settings,
        content=raw_content,
        code=code("rabbithole.ingest.build"),
        spark=spark_options,
        launcher=launcher,
    message:
        "Reading the raw log of {wildcards.dataset}"
    shell:
        "{params.launcher} python -m rabbithole events --settings {params.settings:q} --spark {params.spark:q} "
        "--output {output.folder:q} --rejected {output.rejected:q} > {log:q} 2>&1"
