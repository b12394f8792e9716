"""Fetch the book, learn it letter by letter, write on from it."""


rule book:
    input:
        BOOK,
    output:
        text="<results>/alice/book.txt",
        origin="<results>/alice/book.json",
    log:
        "<logs>/book.log",
    benchmark:
        "<benchmarks>/book.tsv"
    priority: 2
    retries: 2
    localrule: True
    conda:
        "../envs/jax.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=20,
    params:
        settings=as_text(
            SETTINGS.alice.model_dump(include={"source", "sha256", "package"})
        ),
        content=BOOK_CONTENT,
        code=code("rabbithole.text.fetch"),
    message:
        "Fetching Alice's Adventures in Wonderland"
    shell:
        "python -m rabbithole book --settings {params.settings:q} --output {output.text:q} 2>&1 | tee {log:q}"


rule train_text:
    input:
        text="<results>/alice/book.txt",
    output:
        checkpoint=directory("<results>/alice/{text_model}/checkpoint"),
        history="<results>/alice/{text_model}/history.json",
        metrics="<results>/alice/{text_model}/metrics.json",
    log:
        "<logs>/train_text/{text_model}.log",
    benchmark:
        "<benchmarks>/train_text/{text_model}.tsv"
    priority: 1
    conda:
        "../envs/jax.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=120,
        gpu=0,
    params:
        settings=text_settings,
        code=code("rabbithole.text.train"),
        resume=text_resume_options,
    message:
        "Learning Alice with {wildcards.text_model}"
    shell:
        "python -m rabbithole train-text --settings {params.settings:q} --code {params.code:q} "
        "--resume {params.resume:q} --text {input.text:q} --output {output.checkpoint:q} "
        "--history {output.history:q} --metrics {output.metrics:q} --threads {threads} 2>&1 | tee {log:q}"


rule sample_text:
    input:
        checkpoint="<results>/alice/{text_model}/checkpoint",
        text="<results>/alice/book.txt",
    output:
        samples="<results>/alice/{text_model}/samples.json",
    log:
        "<logs>/sample_text/{text_model}.log",
    benchmark:
        "<benchmarks>/sample_text/{text_model}.tsv"
    conda:
        "../envs/jax.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=30,
        gpu=0,
    params:
        settings=as_text(
            SETTINGS.alice.model_dump(include={"seed_text", "temperatures", "length"})
            | {"seed": SETTINGS.seed}
        ),
        code=code("rabbithole.text.sample"),
    message:
        "Writing on from Alice with {wildcards.text_model}"
    shell:
        "python -m rabbithole sample-text --settings {params.settings:q} --checkpoint {input.checkpoint:q} "
        "--text {input.text:q} --output {output.samples:q} --threads {threads} > {log:q} 2>&1"
