"""A job of a sweep as Hydra runs it: its folder, its files, its environment, its callbacks."""

import logging
import pickle
from functools import lru_cache
from pathlib import Path
from typing import Any, cast

import yaml  # type: ignore[import-untyped]
from hydra.core.hydra_config import HydraConfig
from hydra.core.utils import JobReturn, JobRuntime, JobStatus, configure_log, env_override, run_job
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, ListConfig, OmegaConf, open_dict, read_write
from omegaconf._utils import get_omega_conf_dumper

ENTRIES = 1024  # of configurations, whose YAML is remembered


def replay(config: DictConfig, task_function: TaskFunction, context: HydraContext) -> JobReturn:
    """Run a job of a sweep as `hydra.core.utils.run_job` does, in a third of the time.

    Parameters
    ----------
    config : DictConfig
        The job's, with its node `hydra`.
    task_function : callable (config)
    context : HydraContext

    Returns
    -------
    JobReturn
        Without the job's configurations: they are in its folder, and thousands of them would fill the memory.

    Notes
    -----
    Hydra's own function copies the whole configuration four times. A job that wants another current folder is left to it.
    """
    if config.hydra.job.chdir:
        result = run_job(task_function, config, "hydra.sweep.dir", "hydra.sweep.subdir", context)
    else:
        result = _run(config, task_function, context)
    result.cfg = result.hydra_cfg = None
    return result


def _run(config: DictConfig, task_function: TaskFunction, context: HydraContext) -> JobReturn:
    singleton = HydraConfig.instance()
    before = singleton.cfg
    try:
        singleton.cfg = _hydra_of(config)
        result = _prepare(config)
        configure_log(config.hydra.job_logging, config.hydra.verbose)
        with env_override(config.hydra.job.env_set):
            context.callbacks.on_job_start(config=config, task_function=task_function)
            _call(task_function, result)
        result.task_name = JobRuntime.instance().get("name")
        for handler in logging.getLogger().handlers:
            handler.flush()
        context.callbacks.on_job_end(config=config, job_return=result)
        return result
    finally:
        singleton.cfg = before


def _hydra_of(config: DictConfig) -> Any:
    """Return the node `hydra` by itself, as `HydraConfig.set_config` keeps a copy of it."""
    OmegaConf.set_readonly(config.hydra, True)
    alone = OmegaConf.create({})
    vars(alone)["_content"]["hydra"] = config.hydra  # whose interpolations still lead into the whole configuration
    return alone


def _prepare(config: DictConfig) -> JobReturn:
    """Make the job's folder with the files that say what it is."""
    folder = Path(config.hydra.sweep.dir, str(config.hydra.sweep.subdir)).absolute()
    folder.mkdir(parents=True, exist_ok=True)
    of_job = cast("DictConfig", HydraConfig.instance().cfg)
    runtime = config.hydra.runtime
    with read_write(runtime), open_dict(runtime):
        runtime.output_dir = str(folder)
    task = _without_hydra(config)
    overrides = config.hydra.overrides.task
    if config.hydra.output_subdir is not None:
        files = {"config": task, "hydra": of_job, "overrides": overrides}
        (folder / config.hydra.output_subdir).mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            path = folder / config.hydra.output_subdir / f"{name}.yaml"
            path.write_text(_to_yaml(content), encoding="utf-8")
    return JobReturn(cast("list[str]", OmegaConf.to_container(overrides)), task, of_job, str(Path.cwd()))


def _to_yaml(config: DictConfig | ListConfig) -> str:
    """Return what `OmegaConf.to_yaml` does; what jobs have in common, most of Hydra's settings, is written once."""
    content = OmegaConf.to_container(config, enum_to_str=True)
    if not isinstance(content, dict):
        return OmegaConf.to_yaml(config)
    if list(content) != ["hydra"]:
        return "".join(_entry(pickle.dumps({key: value})) for key, value in content.items())
    entries = (_entry(pickle.dumps({"hydra": {key: value}})) for key, value in content["hydra"].items())
    return "".join(["hydra:\n", *(entry.removeprefix("hydra:\n") for entry in entries)])


@lru_cache(ENTRIES)
def _entry(pickled: bytes) -> str:
    """Return the YAML of a mapping, given as what can be remembered."""
    content, dumper = pickle.loads(pickled), get_omega_conf_dumper()  # noqa: S301 - our own
    return str(yaml.dump(content, Dumper=dumper, default_flow_style=False, allow_unicode=True, sort_keys=False))


def _without_hydra(config: DictConfig) -> DictConfig:
    """Return a copy without the node `hydra`; a value that was resolved once, such as a time, stays what it was."""
    task = OmegaConf.masked_copy(config, [str(key) for key in config if key != "hydra"])
    OmegaConf.set_struct(task, OmegaConf.is_struct(config))
    OmegaConf.set_readonly(task, OmegaConf.is_readonly(config))
    OmegaConf.copy_cache(config, task)
    return task


def _call(task_function: TaskFunction, result: JobReturn) -> None:
    try:
        result.return_value = task_function(result.cfg)
        result.status = JobStatus.COMPLETED
    except Exception as error:  # noqa: BLE001 - Hydra's sweepers raise it, once the other jobs have run
        result.return_value = error
        result.status = JobStatus.FAILED
