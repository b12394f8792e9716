"""Which fields and steps the models use, and single sessions step by step."""


rule explain:
    input:
        checkpoint="<results>/{dataset}/{model}/seed-{seed}/checkpoint",
        history="<results>/{dataset}/{model}/seed-{seed}/history.json",
        windows="<results>/{dataset}/windows",
        manifest="<results>/{dataset}/windows.json",
    output:
        explanation="<results>/{dataset}/{model}/seed-{seed}/explanation.json",
    log:
        "<logs>/explain/{dataset}-{model}-{seed}.log",
    benchmark:
        "<benchmarks>/explain/{dataset}-{model}-{seed}.tsv"
    conda:
        "../envs/jax.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=60,
        gpu=0,
    params:
        spec=SPECS.explain(),
        code=CODE.explain,
    message:
        "Explaining {wildcards.model} on {wildcards.dataset}, seed {wildcards.seed}"
    shell:
        "RABBITHOLE_PROGRESS={log:q}.progress "
        "python -m rabbithole step explain --spec {params.spec:q} --checkpoint {input.checkpoint:q} "
        "--history {input.history:q} --windows {input.windows:q} --output {output.explanation:q} "
        "--threads {threads} > {log:q} 2>&1"
