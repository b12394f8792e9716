"""What the purchase models lean on, and single sessions step by step."""


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
        settings=as_text({"seed": SETTINGS.seed}),
        code=explaining_code,
    message:
        "Explaining {wildcards.model} on {wildcards.dataset}, seed {wildcards.seed}"
    shell:
        "python -m rabbithole explain --settings {params.settings:q} --checkpoint {input.checkpoint:q} "
        "--history {input.history:q} --windows {input.windows:q} --output {output.explanation:q} "
        "--threads {threads} > {log:q} 2>&1"
