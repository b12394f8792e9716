"""Evaluate predictions of the next event: networks, ensembles, counting baselines, and the oracle."""


rule next_event:
    input:
        checkpoints=INPUTS.checkpoints,
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
        spec=SPECS.score,
        checkpoints=as_json(INPUTS.checkpoints),
        code=CODE.next_event,
    message:
        "Evaluating the next events of {wildcards.model} on {wildcards.dataset}, {wildcards.seeds}"
    shell:
        "python -m rabbithole step next-event --spec {params.spec:q} "
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
        spec=SPECS.score,
        code=code_digest(digests.NEXT_EVENT_BASELINES),
    message:
        "Evaluating the next-event baselines on {wildcards.dataset}"
    shell:
        "python -m rabbithole step next-event-baselines --spec {params.spec:q} --windows {input.windows:q} "
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
        spec=SPECS.oracle,
        code=code_digest(digests.NEXT_EVENT_ORACLE),
    message:
        "Evaluating the oracle's next events on {wildcards.dataset}"
    shell:
        "python -m rabbithole step next-event-oracle --spec {params.spec:q} --sessions {input.sessions:q} "
        "--raw {input.raw:q} --windows {input.windows:q} --output {output.metrics:q} > {log:q} 2>&1"
