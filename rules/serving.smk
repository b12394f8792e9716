"""Package the best model of each data set, score further logs with it, and watch it with later ones."""


rule package_model:
    input:
        SERVING_INPUTS.packaged,
        events=INPUTS.events,
        events_manifest=INPUTS.events_manifest,
        sessions=INPUTS.first_sessions,
        sessions_manifest=INPUTS.first_sessions_manifest,
        windows=INPUTS.first_windows,
        windows_manifest=INPUTS.first_windows_manifest,
    output:
        folder=directory("<results>/{dataset}/model"),
    log:
        "<logs>/package_model/{dataset}.log",
    benchmark:
        "<benchmarks>/package_model/{dataset}.tsv"
    conda:
        "../envs/predict.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        spec=SPECS.package_model,
        checkpoints=SERVING_INPUTS.packaged_checkpoints,
        scores=SERVING_INPUTS.packaged_scores,
        metrics=SERVING_INPUTS.packaged_metrics,
        pooled=SERVING_INPUTS.pooled_option,
        code=CODE.package_model(),
    message:
        "Packaging the best model of {wildcards.dataset}"
    shell:
        "python -m rabbithole step package-model --spec {params.spec:q} --checkpoints {params.checkpoints:q} "
        "--scores {params.scores:q} --metrics {params.metrics:q} {params.pooled:q} --events {input.events:q} "
        "--sessions {input.sessions:q} --windows {input.windows:q} --output {output.folder:q} > {log:q} 2>&1"


rule predict:
    input:
        model=SERVING_INPUTS.prediction_model,
        # Whatever their age: their content is compared.
        files=ancient(SERVING_INPUTS.prediction_files),
    output:
        scores="<results>/predict/{prediction}/scores.parquet",
        summary="<results>/predict/{prediction}/scores.parquet.json",
    log:
        "<logs>/predict/{prediction}.log",
    benchmark:
        "<benchmarks>/predict/{prediction}.tsv"
    conda:
        "../envs/predict.yaml"
    threads: PROJECT.settings.spark.threads
    resources:
        mem_mb=OPTIONS.spark_memory,
        runtime=240,
    params:
        spec=SPECS.predict,
        content=SERVING_INPUTS.prediction_content,
        code=CODE.predict,
        spark=OPTIONS.spark,
        launcher=OPTIONS.launcher,
    message:
        "Scoring the log {wildcards.prediction}"
    shell:
        "RABBITHOLE_PROGRESS={log:q}.progress "
        "{params.launcher} python -m rabbithole step predict --spec {params.spec:q} --spark {params.spark:q} "
        "--model {input.model:q} --output {output.scores:q} --threads {threads} > {log:q} 2>&1"


rule monitor:
    input:
        SERVING_INPUTS.monitored_scores,
        model=SERVING_INPUTS.monitored_model,
        # Whatever their age: their content is compared.
        files=ancient(SERVING_INPUTS.monitored_files),
    output:
        page="<results>/monitor/{monitored}/index.html",
        report="<results>/monitor/{monitored}/index.html.json",
    log:
        "<logs>/monitor/{monitored}.log",
    benchmark:
        "<benchmarks>/monitor/{monitored}.tsv"
    conda:
        "../envs/predict.yaml"
    threads: PROJECT.settings.spark.threads
    resources:
        mem_mb=OPTIONS.spark_memory,
        runtime=240,
    params:
        spec=SPECS.monitor,
        scores=as_json(SERVING_INPUTS.monitored_scores),
        content=SERVING_INPUTS.monitored_content,
        code=CODE.monitor,
        spark=OPTIONS.spark,
        launcher=OPTIONS.launcher,
    message:
        "Watching a model with the log {wildcards.monitored}"
    shell:
        "RABBITHOLE_PROGRESS={log:q}.progress "
        "{params.launcher} python -m rabbithole step monitor --spec {params.spec:q} --spark {params.spark:q} "
        "--model {input.model:q} --scores {params.scores:q} --output {output.page:q} --threads {threads} "
        "> {log:q} 2>&1"
