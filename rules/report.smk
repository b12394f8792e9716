"""Figures and the page."""


rule figure:
    input:
        INPUTS.figure,
    output:
        report(
            "<results>/report/figures/{dataset}-{figure}.svg",
            caption="../workflow/report/figure.rst",
            category="{dataset}",
            labels={"figure": "{figure}"},
        ),
    log:
        "<logs>/figure/{dataset}-{figure}.log",
    benchmark:
        "<benchmarks>/figure/{dataset}-{figure}.tsv"
    localrule: True
    conda:
        "../envs/report.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=20,
    params:
        sources=INPUTS.figure_json,
        style=SPECS.style(),
        code=CODE.figure,
    message:
        "Drawing {wildcards.figure} of {wildcards.dataset}"
    shell:
        "python -m rabbithole step figure {wildcards.figure} --sources {params.sources:q} "
        "--style {params.style:q} --output {output:q} > {log:q} 2>&1"


rule figure_of_alice:
    input:
        expand("<results>/alice/{text_model}/history.json", text_model=TEXT_MODELS),
    output:
        report(
            "<results>/report/figures/alice_learning.svg",
            caption="../workflow/report/alice.rst",
            category="alice",
            labels={"figure": "learning"},
        ),
    log:
        "<logs>/figure_of_alice.log",
    benchmark:
        "<benchmarks>/figure_of_alice.tsv"
    localrule: True
    conda:
        "../envs/report.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=20,
    params:
        sources=INPUTS.alice_histories(),
        style=SPECS.style(),
        code=code_digest(module_name("figure", "alice_learning")),
    message:
        "Drawing the learning curves of Alice"
    shell:
        "python -m rabbithole step figure alice_learning --sources {params.sources:q} "
        "--style {params.style:q} --output {output:q} > {log:q} 2>&1"


rule page:
    input:
        INPUTS.page(),
    output:
        page=report(
            "<results>/report/index.html",
            caption="../workflow/report/page.rst",
            category="report",
        ),
        summary="<results>/report/summary.txt",
    log:
        "<logs>/page.log",
    benchmark:
        "<benchmarks>/page.tsv"
    localrule: True
    conda:
        "../envs/report.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=20,
    params:
        spec=SPECS.page(),
        benchmarks=PROJECT.path("benchmarks"),
        code=CODE.page(),
    message:
        "Writing the report"
    shell:
        "python -m rabbithole step page --spec {params.spec:q} --benchmarks {params.benchmarks:q} "
        "--output {output.page:q} --summary {output.summary:q} > {log:q} 2>&1"
