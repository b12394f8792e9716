"""Train, score and evaluate the purchase models."""


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
    wildcard_constraints:
        model="|".join(PROJECT.members),
    # After the jobs that the long ones wait for (2), before all others (0): no core is idle at the end.
    priority: 1
    conda:
        "../envs/jax.yaml"
    threads: 1
    resources:
        mem_mb=OPTIONS.train_memory,
        runtime=600,
        gpu=0,
    params:
        spec=SPECS.train,
        code=CODE.train,
        resume=OPTIONS.resume,
        model_file=OPTIONS.model_file,
        launcher=OPTIONS.launcher,
    message:
        "Training {wildcards.model} on {wildcards.dataset}, seed {wildcards.seed}"
    shell:
        "RABBITHOLE_PROGRESS={log:q}.progress "
        "{params.launcher} python -m rabbithole step train --spec {params.spec:q} --code {params.code:q} "
        "--resume {params.resume:q} --windows {input.windows:q} --output {output.checkpoint:q} "
        "--history {output.history:q} {params.model_file:q} --threads {threads} > {log:q} 2>&1"


rule blend:
    input:
        INPUTS.members,
        windows="<results>/{dataset}/windows",
        manifest="<results>/{dataset}/windows.json",
    output:
        checkpoint=directory("<results>/{dataset}/{model}/seed-{seed}/checkpoint"),
        history="<results>/{dataset}/{model}/seed-{seed}/history.json",
    log:
        "<logs>/blend/{dataset}-{model}-{seed}.log",
    benchmark:
        "<benchmarks>/blend/{dataset}-{model}-{seed}.tsv"
    wildcard_constraints:
        model="|".join(PROJECT.combinations) or "none",
    conda:
        "../envs/jax.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=120,
        gpu=0,
    params:
        spec=SPECS.blend,
        members=INPUTS.members_json,
        code=CODE.blend,
    message:
        "Training {wildcards.model} on {wildcards.dataset}, seed {wildcards.seed}"
    shell:
        "python -m rabbithole step blend --spec {params.spec:q} --members {params.members:q} "
        "--windows {input.windows:q} --output {output.checkpoint:q} --history {output.history:q} "
        "--threads {threads} > {log:q} 2>&1"


rule score:
    input:
        INPUTS.visitors,
        checkpoint="<results>/{dataset}/{model}/seed-{seed}/checkpoint",
        windows="<results>/{dataset}/windows",
        manifest="<results>/{dataset}/windows.json",
    output:
        scores="<results>/{dataset}/{model}/seed-{seed}/scores.parquet",
        digest="<results>/{dataset}/{model}/seed-{seed}/scores.parquet.sha256",
        carts="<results>/{dataset}/{model}/seed-{seed}/cart_scores.parquet",
        carts_digest="<results>/{dataset}/{model}/seed-{seed}/cart_scores.parquet.sha256",
    log:
        "<logs>/score/{dataset}-{model}-{seed}.log",
    benchmark:
        "<benchmarks>/score/{dataset}-{model}-{seed}.tsv"
    wildcard_constraints:
        dataset="|".join(PROJECT.encoded),
    conda:
        "../envs/jax.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=120,
        gpu=0,
    params:
        spec=SPECS.score,
        sessions=INPUTS.visitors_option,
        storage=OPTIONS.storage,
        code=CODE.score,
    message:
        "Scoring {wildcards.dataset} with {wildcards.model}, seed {wildcards.seed}"
    shell:
        "RABBITHOLE_PROGRESS={log:q}.progress "
        "python -m rabbithole step score --spec {params.spec:q} --checkpoint {input.checkpoint:q} "
        "--windows {input.windows:q} {params.sessions:q} --output {output.scores:q} --carts {output.carts:q} "
        "--threads {threads} {params.storage:q} > {log:q} 2>&1"


rule join_folds:
    input:
        INPUTS.fold_scores,
        sessions=INPUTS.first_sessions,
        manifest=INPUTS.first_sessions_manifest,
    output:
        scores="<results>/{dataset}/{run}/{scores}.parquet",
        digest="<results>/{dataset}/{run}/{scores}.parquet.sha256",
    log:
        "<logs>/join_folds/{dataset}/{run}-{scores}.log",
    benchmark:
        "<benchmarks>/join_folds/{dataset}/{run}-{scores}.tsv"
    wildcard_constraints:
        dataset="|".join(PROJECT.folded) or "none",
        run=r"oracle|\w+/seed-\d+",
        scores="scores|cart_scores",
    conda:
        "../envs/report.yaml"
    threads: 1
    resources:
        mem_mb=3000,
        runtime=60,
    params:
        scores=as_json(INPUTS.fold_scores),
        storage=OPTIONS.storage,
        code=code_digest(digests.JOIN_FOLDS),
    message:
        "Joining the folds of {wildcards.dataset}: {wildcards.scores} of {wildcards.run}"
    shell:
        "python -m rabbithole step join-folds --scores {params.scores:q} --sessions {input.sessions:q} "
        "--output {output.scores:q} {params.storage:q} > {log:q} 2>&1"


rule ensemble:
    input:
        INPUTS.seed_scores,
        INPUTS.seed_carts,
    output:
        scores="<results>/{dataset}/{model}/ensemble/scores.parquet",
        digest="<results>/{dataset}/{model}/ensemble/scores.parquet.sha256",
        carts="<results>/{dataset}/{model}/ensemble/cart_scores.parquet",
        carts_digest="<results>/{dataset}/{model}/ensemble/cart_scores.parquet.sha256",
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
        scores=as_json(INPUTS.seed_scores),
        cart_scores=as_json(INPUTS.seed_carts),
        storage=OPTIONS.storage,
        code=code_digest(digests.ENSEMBLE),
    message:
        "Averaging the seeds of {wildcards.model} on {wildcards.dataset}"
    shell:
        "python -m rabbithole step ensemble --scores {params.scores:q} --output {output.scores:q} "
        "--cart-scores {params.cart_scores:q} --carts {output.carts:q} {params.storage:q} > {log:q} 2>&1"


rule evaluate:
    input:
        scores="<results>/{dataset}/{run}/scores.parquet",
        carts=INPUTS.carts,
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
        spec=SPECS.evaluate(),
        carts=INPUTS.carts_option,
        code=code_digest(digests.EVALUATE),
    message:
        "Evaluating {wildcards.run} on {wildcards.dataset}"
    shell:
        "python -m rabbithole step evaluate --spec {params.spec:q} --scores {input.scores:q} {params.carts:q} "
        "--output {output.metrics:q} > {log:q} 2>&1"


rule compare_models:
    input:
        INPUTS.scores,
    output:
        comparison="<results>/{dataset}/comparison.json",
    log:
        "<logs>/compare_models/{dataset}.log",
    benchmark:
        "<benchmarks>/compare_models/{dataset}.tsv"
    conda:
        "../envs/report.yaml"
    threads: 1
    resources:
        mem_mb=3000,
        runtime=60,
    params:
        scores=INPUTS.named_scores,
        code=code_digest(digests.COMPARE_MODELS),
    message:
        "Comparing the models on {wildcards.dataset}"
    shell:
        "python -m rabbithole step compare-models --scores {params.scores:q} --output {output.comparison:q} > {log:q} 2>&1"
