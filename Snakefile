"""From raw click logs to a report on who will buy, and from Alice to more text like it."""

from snakemake.utils import min_version

min_version("9.25")


configfile: str(Path(workflow.current_basedir, "config.yaml"))


pathvars:
    logs="<results>/logs",
    benchmarks="<results>/benchmarks",


report: "workflow/report/overview.rst"


include: "rules/common.smk"
include: "rules/events.smk"
include: "rules/sessions.smk"
include: "rules/models.smk"
include: "rules/explain.smk"
include: "rules/serving.smk"
include: "rules/next_event.smk"
include: "rules/report.smk"
include: "rules/studies.smk"


if PROJECT.settings.alice:

    include: "rules/alice.smk"


rule all:
    default_target: True
    input:
        "<results>/report/index.html",
        SERVING_INPUTS.model_folders(),
        SERVING_INPUTS.predictions(),
        SERVING_INPUTS.monitor_pages(),


onstart:
    ask_squeue_without_accounting(workflow)
    note_folds(PROJECT)
    note_retraining(PROJECT, workflow)


onsuccess:
    finish_run(PROJECT, workflow, STARTED)
    print_summary(PROJECT, workflow)
