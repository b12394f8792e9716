"""Raw logs, the user's or simulated ones, become events."""


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
        spec=SPECS.simulate,
        code=CODE.simulate,
    message:
        "Simulating the raw log of {wildcards.dataset}"
    shell:
        "RABBITHOLE_PROGRESS={log:q}.progress "
        "python -m rabbithole step simulate --spec {params.spec:q} --output {output.folder:q} > {log:q} 2>&1"


rule events:
    input:
        simulated=INPUTS.simulated_log,
        # Whatever their age: their content is compared.
        files=ancient(INPUTS.raw_files),
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
    threads: PROJECT.settings.spark.threads
    resources:
        mem_mb=OPTIONS.spark_memory,
        runtime=240,
    params:
        spec=SPECS.events,
        content=INPUTS.raw_content,
        code=CODE.events,
        spark=OPTIONS.spark,
        storage=OPTIONS.storage,
        launcher=OPTIONS.launcher,
    message:
        "Reading the raw log of {wildcards.dataset}"
    shell:
        "RABBITHOLE_PROGRESS={log:q}.progress "
        "{params.launcher} python -m rabbithole step events --spec {params.spec:q} --spark {params.spark:q} "
        "--output {output.folder:q} --rejected {output.rejected:q} {params.storage:q} > {log:q} 2>&1"
