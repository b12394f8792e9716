"""Judge who foretells the next event: networks, their ensembles, counted baselines, and the oracle."""


rule next_event:
    input:
        checkpoints=checkpoints_of_seeds,
        windows="<results>/{dataset}/windows",
        manifest="<results>/{dataset}/windows.json",
    output:
        metrics="<results>/{dataset}/{model}/{seeds}/next_event.json",
    log:
        "<logs>/next_event/{dataset}-{model}-{seeds}.log",
    benchmark:
        "<benchmarks>/next_event/{dataset}-{model}-{seeds}.tsv"
    wildcard_constraints:
        seeds=r"seed-\d+|ensemble",
    conda:
        "../envs/jax.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=120,
        gpu=0,
    params:
        settings=score_settings,
        checkpoints=lambda wildcards: as_text(checkpoints_of_seeds(wildcards)),
        code=next_event_code,
    message:
        "Judging the next events of {wildcards.model} on {wildcards.dataset}, {wildcards.seeds}"
    shell:
        "python -m rabbithole next-event --settings {params.settings:q} "
        "--checkpoints {params.checkpoints:q} "
        "--windows {input.windows:q} --output {output.metrics:q} --threads {threads} > {log:q} 2>&1"


rule next_event_baselines:
    input:
        windows="<results>/{dataset}/windows",
        manifest="<results>/{dataset}/windows.json",
    output:
        most_frequent="<results>/{dataset}/most_frequent/next_event.json",
        markov="<results>/{dataset}/markov/next_event.json",
    log:
        "<logs>/next_event_baselines/{dataset}.log",
    benchmark:
        "<benchmarks>/next_event_baselines/{dataset}.tsv"
    conda:
        "../envs/report.yaml"
    threads: 1
    resources:
        mem_mb=3000,
        runtime=60,
    params:
        settings=score_settings,
        code=code("rabbithole.evaluation.next_event_baselines"),
    message:
        "Counting the next events of {wildcards.dataset}"
    shell:
        "python -m rabbithole next-event-baselines --settings {params.settings:q} --windows {input.windows:q} "
        "--most-frequent {output.most_frequent:q} --markov {output.markov:q} > {log:q} 2>&1"


rule next_event_oracle:
    input:
        sessions="<results>/{dataset}/sessions",
        manifest="<results>/{dataset}/sessions.json",
        raw="<results>/{dataset}/raw",
        windows="<results>/{dataset}/windows",
        windows_manifest="<results>/{dataset}/windows.json",
    output:
        metrics="<results>/{dataset}/oracle/next_event.json",
    log:
        "<logs>/next_event_oracle/{dataset}.log",
    benchmark:
        "<benchmarks>/next_event_oracle/{dataset}.tsv"
    conda:
        "../envs/report.yaml"
    threads: 1
    resources:
        mem_mb=3000,
        runtime=120,
    params:
        settings=oracle_settings,
        code=code("rabbithole.evaluation.next_event_oracle"),
    message:
        "Asking the oracle for the next events of {wildcards.dataset}"
    shell:
        "python -m rabbithole next-event-oracle --settings {params.settings:q} --sessions {input.sessions:q} "
        "--raw {input.raw:q} --windows {input.windows:q} --output {output.metrics:q} > {log:q} 2>&1"
