"""Studies on demand: `snakemake leak_report`, `ablation_report`, `oracle_gap`."""


rule leak_report:
    input:
        expand("<results>/{dataset}/leak_probes.json", dataset=PROJECT.first_folds),
    output:
        tables="<results>/report/leaks.md",
    log:
        "<logs>/leak_report.log",
    benchmark:
        "<benchmarks>/leak_report.tsv"
    localrule: True
    conda:
        "../envs/report.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=20,
    params:
        probes=INPUTS.leak_probes(),
        code=code_digest(digests.STUDY_TABLES),
    message:
        "Writing the leak report"
    shell:
        "python -m rabbithole step leak-report --probes {params.probes:q} --output {output.tables:q} > {log:q} 2>&1"


rule leak_probe:
    input:
        windows="<results>/{dataset}/windows",
        manifest="<results>/{dataset}/windows.json",
    output:
        probes="<results>/{dataset}/leak_probes.json",
    log:
        "<logs>/leak_probe/{dataset}.log",
    benchmark:
        "<benchmarks>/leak_probe/{dataset}.tsv"
    conda:
        "../envs/jax.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=240,
        gpu=0,
    params:
        spec=SPECS.leak_probe(),
        code=CODE.leak_probe(),
    message:
        "Probing {wildcards.dataset} for leaks"
    shell:
        "RABBITHOLE_PROGRESS={log:q}.progress "
        "python -m rabbithole step leak-probe --spec {params.spec:q} --windows {input.windows:q} "
        "--output {output.probes:q} --threads {threads} > {log:q} 2>&1"


rule oracle_gap:
    input:
        INPUTS.oracle_gap(),
    output:
        tables="<results>/report/oracle_gap.md",
    log:
        "<logs>/oracle_gap.log",
    benchmark:
        "<benchmarks>/oracle_gap.tsv"
    localrule: True
    conda:
        "../envs/report.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=20,
    params:
        datasets=INPUTS.oracle_gap_json(),
        code=code_digest(digests.STUDY_TABLES),
    message:
        "Writing the distance of the models to the oracle"
    shell:
        "python -m rabbithole step oracle-gap --datasets {params.datasets:q} --output {output.tables:q} > {log:q} 2>&1"


rule ablation_report:
    input:
        INPUTS.ablations(),
    output:
        tables="<results>/report/ablation.md",
    log:
        "<logs>/ablation_report.log",
    benchmark:
        "<benchmarks>/ablation_report.tsv"
    localrule: True
    conda:
        "../envs/report.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=20,
    params:
        ablations=INPUTS.ablations_json(),
        code=code_digest(digests.STUDY_TABLES),
    message:
        "Writing the ablation report"
    shell:
        "python -m rabbithole step ablation-report --ablations {params.ablations:q} --output {output.tables:q} > {log:q} 2>&1"


rule ablation:
    input:
        windows="<results>/{dataset}/windows",
        manifest="<results>/{dataset}/windows.json",
        oracle=INPUTS.oracle_scores,
    output:
        ablation="<results>/{dataset}/{model}/ablation.json",
    log:
        "<logs>/ablation/{dataset}-{model}.log",
    benchmark:
        "<benchmarks>/ablation/{dataset}-{model}.tsv"
    conda:
        "../envs/jax.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=600,
        gpu=0,
    params:
        spec=SPECS.ablation,
        oracle=INPUTS.oracle_option,
        model_file=OPTIONS.model_file,
        code=CODE.ablation,
    message:
        "Running the ablation of {wildcards.model} on {wildcards.dataset}"
    shell:
        "RABBITHOLE_PROGRESS={log:q}.progress "
        "python -m rabbithole step ablation --spec {params.spec:q} --windows {input.windows:q} "
        "{params.oracle:q} {params.model_file:q} --output {output.ablation:q} --threads {threads} > {log:q} 2>&1"
