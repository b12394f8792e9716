"""Train, score and judge the purchase models: one rule for all of them."""


rule train:
    input:
        windows="<results>/{dataset}/windows",
        manifest="<results>/{dataset}/windows.json",
    output:
        checkpoint=directory("<results>/{dataset}/{model}/seed-{seed}/checkpoint"),
        history="<results>/{dataset}/{model}/seed-{seed}/history.json",
    log:
        "<logs>/train/{dataset}-{model}-{seed}.log",
    benchmark:
        "<benchmarks>/train/{dataset}-{model}-{seed}.tsv"
    # Next after what the long jobs wait for (2), before all the rest (0): no core stays idle at the end.
    priority: 1
    conda:
        "../envs/jax.yaml"
    threads: 1
    resources:
        # The baseline summarises a million sessions and their beginnings at once.
        mem_mb=lambda wildcards: 4000 if wildcards.model in NETWORKS else 8000,
        runtime=600,
        gpu=0,
    params:
        settings=train_settings,
        code=model_code,
        resume=resume_options,
        launcher=launcher,
    message:
        "Training {wildcards.model} on {wildcards.dataset}, seed {wildcards.seed}"
    shell:
        "{params.launcher} python -m rabbithole train --settings {params.settings:q} --code {params.code:q} "
        "--resume {params.resume:q} --windows {input.windows:q} --output {output.checkpoint:q} "
        "--history {output.history:q} --threads {threads} 2>&1 | tee {log:q}"


rule score:
    input:
        checkpoint="<results>/{dataset}/{model}/seed-{seed}/checkpoint",
        windows="<results>/{dataset}/windows",
        manifest="<results>/{dataset}/windows.json",
    output:
        scores="<results>/{dataset}/{model}/seed-{seed}/scores.parquet",
    log:
        "<logs>/score/{dataset}-{model}-{seed}.log",
    benchmark:
        "<benchmarks>/score/{dataset}-{model}-{seed}.tsv"
    conda:
        "../envs/jax.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=120,
        gpu=0,
    params:
        settings=score_settings,
        code=scoring_code,
    message:
        "Scoring {wildcards.dataset} with {wildcards.model}, seed {wildcards.seed}"
    shell:
        "python -m rabbithole score --settings {params.settings:q} --checkpoint {input.checkpoint:q} "
        "--windows {input.windows:q} --output {output.scores:q} --threads {threads} > {log:q} 2>&1"


rule ensemble:
    input:
        scores=scores_of_seeds,
    output:
        scores="<results>/{dataset}/{model}/ensemble/scores.parquet",
    log:
        "<logs>/ensemble/{dataset}-{model}.log",
    benchmark:
        "<benchmarks>/ensemble/{dataset}-{model}.tsv"
    conda:
        "../envs/report.yaml"
    threads: 1
    resources:
        mem_mb=3000,
        runtime=60,
    params:
        scores=lambda wildcards: as_text(scores_of_seeds(wildcards)),
        code=code("rabbithole.evaluation.ensemble"),
    message:
        "Asking all seeds of {wildcards.model} on {wildcards.dataset}"
    shell:
        "python -m rabbithole ensemble --scores {params.scores:q} --output {output.scores:q} > {log:q} 2>&1"


rule evaluate:
    input:
        scores="<results>/{dataset}/{run}/scores.parquet",
    output:
        metrics="<results>/{dataset}/{run}/metrics.json",
    log:
        "<logs>/evaluate/{dataset}/{run}.log",
    benchmark:
        "<benchmarks>/evaluate/{dataset}/{run}.tsv"
    wildcard_constraints:
        run=r"oracle|\w+/(seed-\d+|ensemble)",
    conda:
        "../envs/report.yaml"
    threads: 1
    resources:
        mem_mb=3000,
        runtime=60,
    params:
        settings=evaluate_settings(),
        code=code("rabbithole.evaluation.evaluate"),
    message:
        "Judging {wildcards.run} on {wildcards.dataset}"
    shell:
        "python -m rabbithole evaluate --settings {params.settings:q} --scores {input.scores:q} "
        "--output {output.metrics:q} > {log:q} 2>&1"


rule rank:
    input:
        scores_of_all,
    output:
        comparison="<results>/{dataset}/comparison.json",
    log:
        "<logs>/rank/{dataset}.log",
    benchmark:
        "<benchmarks>/rank/{dataset}.tsv"
    conda:
        "../envs/report.yaml"
    threads: 1
    resources:
        mem_mb=3000,
        runtime=60,
    params:
        scores=named_scores,
        code=code("rabbithole.evaluation.compare_models"),
    message:
        "Ranking the models on {wildcards.dataset}"
    shell:
        "python -m rabbithole rank --scores {params.scores:q} --output {output.comparison:q} > {log:q} 2>&1"
