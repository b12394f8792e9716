"""The hunt for leaks, on demand: `snakemake audit`."""


rule audit:
    input:
        audits=expand("<results>/{dataset}/audit.json", dataset=DATASETS),
    output:
        tables="<results>/report/audit.md",
    log:
        "<logs>/audit.log",
    benchmark:
        "<benchmarks>/audit.tsv"
    localrule: True
    conda:
        "../envs/report.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=20,
    params:
        audits=as_text({name: results(f"{name}/audit.json") for name in DATASETS}),
        code=code("rabbithole.studies.leak_report"),
    message:
        "Writing down what the audit found"
    shell:
        "python -m rabbithole audit --audits {params.audits:q} --output {output.tables:q} 2>&1 | tee {log:q}"


rule probe:
    input:
        windows="<results>/{dataset}/windows",
        manifest="<results>/{dataset}/windows.json",
    output:
        audit="<results>/{dataset}/audit.json",
    log:
        "<logs>/probe/{dataset}.log",
    benchmark:
        "<benchmarks>/probe/{dataset}.tsv"
    conda:
        "../envs/jax.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=240,
        gpu=0,
    params:
        settings=probe_settings,
        code=code("rabbithole.studies.leak_probe", "rabbithole.models.gru"),
    message:
        "Hunting for leaks in {wildcards.dataset}"
    shell:
        "python -m rabbithole probe --settings {params.settings:q} --windows {input.windows:q} "
        "--output {output.audit:q} --threads {threads} > {log:q} 2>&1"
