"""Fetch the book, train the text models, and sample from them."""


rule book:
    input:
        ancient(PROJECT.book.paths),
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
        spec=SPECS.book(),
        content=PROJECT.book.content,
        code=code_digest(digests.BOOK),
    message:
        "Fetching Alice's Adventures in Wonderland"
    shell:
        "RABBITHOLE_PROGRESS={log:q}.progress "
        "python -m rabbithole step book --spec {params.spec:q} --output {output.text:q} > {log:q} 2>&1"


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
        spec=SPECS.train_text,
        code=code_digest(digests.TRAIN_TEXT),
        resume=OPTIONS.text_resume,
    message:
        "Training {wildcards.text_model} on Alice"
    shell:
        "RABBITHOLE_PROGRESS={log:q}.progress "
        "python -m rabbithole step train-text --spec {params.spec:q} --code {params.code:q} "
        "--resume {params.resume:q} --text {input.text:q} --output {output.checkpoint:q} "
        "--history {output.history:q} --metrics {output.metrics:q} --threads {threads} > {log:q} 2>&1"


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
        spec=SPECS.sample_text(),
        code=code_digest(digests.SAMPLE_TEXT),
    message:
        "Sampling text with {wildcards.text_model}"
    shell:
        "python -m rabbithole step sample-text --spec {params.spec:q} --checkpoint {input.checkpoint:q} "
        "--text {input.text:q} --output {output.samples:q} --threads {threads} > {log:q} 2>&1"
