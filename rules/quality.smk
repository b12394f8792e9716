"""How good the models are, on demand: `snakemake limit`, `snakemake compare`."""


rule limit:
    input:
        limit_inputs,
    output:
        tables="<results>/report/limit.md",
    log:
        "<logs>/limit.log",
    benchmark:
        "<benchmarks>/limit.tsv"
    localrule: True
    conda:
        "../envs/report.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=20,
    params:
        datasets=limit_sources(),
        code=code("rabbithole.studies.oracle_gap"),
    message:
        "Writing down how near the models come to the best possible score"
    shell:
        "python -m rabbithole limit --datasets {params.datasets:q} --output {output.tables:q} 2>&1 | tee {log:q}"


rule compare:
    input:
        expand(
            "<results>/{dataset}/{network}/trials.json",
            dataset=aiming_at("buyer"),
            network=NETWORKS,
        ),
    output:
        tables="<results>/report/compare.md",
    log:
        "<logs>/compare.log",
    benchmark:
        "<benchmarks>/compare.tsv"
    localrule: True
    conda:
        "../envs/report.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=20,
    params:
        trials=trials(),
        code=code("rabbithole.studies.ablation_report"),
    message:
        "Writing down how the ways to train compare"
    shell:
        "python -m rabbithole compare --trials {params.trials:q} --output {output.tables:q} 2>&1 | tee {log:q}"


rule trial:
    input:
        windows="<results>/{dataset}/windows",
        manifest="<results>/{dataset}/windows.json",
        oracle=oracle_of_trial,
    output:
        trials="<results>/{dataset}/{model}/trials.json",
    log:
        "<logs>/trial/{dataset}-{model}.log",
    benchmark:
        "<benchmarks>/trial/{dataset}-{model}.tsv"
    conda:
        "../envs/jax.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=600,
        gpu=0,
    params:
        settings=trial_settings,
        oracle=oracle_argument,
        code=trial_code,
    message:
        "Trying ways to train {wildcards.model} on {wildcards.dataset}"
    shell:
        "python -m rabbithole trial --settings {params.settings:q} --windows {input.windows:q} "
        "{params.oracle:q} --output {output.trials:q} --threads {threads} > {log:q} 2>&1"
