"""What the rules share: the checked settings, and the objects that answer for them."""

import sys
import time
from pathlib import Path

from snakemake.settings.types import DeploymentMethod

CHECKOUT = Path(workflow.current_basedir).parent
SOURCE = CHECKOUT / "src"
# The package need not be installed where Snakemake runs, and an installed copy must not win.
sys.path.insert(0, str(SOURCE))

from rabbithole.registry import module_name
from rabbithole.workflow import digests
from rabbithole.workflow.digests import CodeDigests, code_digest
from rabbithole.workflow.inputs import RuleInputs, as_json
from rabbithole.workflow.project import FIGURES, TEXT_MODELS, load_project
from rabbithole.workflow.job_options import JobOptions, shell_prefix
from rabbithole.workflow.run_handlers import (
    ask_squeue_without_accounting,
    finish_run,
    note_folds,
    note_retraining,
    print_summary,
)
from rabbithole.workflow.serving_inputs import ServingInputs
from rabbithole.workflow.step_specs import StepSpecs

CONDA = DeploymentMethod.CONDA in workflow.deployment_settings.deployment_method
shell.prefix(shell_prefix(SOURCE, conda=CONDA))

# Resolved while the rules are read: a workflow that imports these as a module may set another folder.
PROJECT = load_project(
    config,
    workflow.pathvars.apply("<results>"),
    overlay=workflow.config_settings.overwrite_config,
    words=workflow.config_settings.config,
    files=workflow.configfiles,
)
SPECS = StepSpecs(PROJECT)
INPUTS = RuleInputs(PROJECT)
SERVING_INPUTS = ServingInputs(PROJECT)
OPTIONS = JobOptions(PROJECT, CHECKOUT)
CODE = CodeDigests(PROJECT)
STARTED = time.time()


wildcard_constraints:
    dataset="|".join(dict.fromkeys([*PROJECT.datasets, *PROJECT.encoded])),
    model="|".join(PROJECT.models),
    seed="|".join(map(str, PROJECT.seeds)),
    text_model="|".join(TEXT_MODELS),
    prediction="|".join(PROJECT.to_score) or "none",
    monitored="|".join(PROJECT.to_monitor) or "none",
    figure="|".join(FIGURES),
