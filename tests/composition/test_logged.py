"""The lines of Hydra on the terminal."""

import logging
from logging.config import dictConfig

from omegaconf import OmegaConf

from configurations import CONF
from plainmlp.composition.compose import quote


def test_lines_of_jobs_hold_the_users_overrides_alone(capsys):
    settings = OmegaConf.to_container(OmegaConf.load(CONF / "hydra" / "hydra_logging" / "plain.yaml"))
    handed = " ".join(
        f"+hydra.job.env_set.PLAINMLP_{name}={quote(value)}"
        for name, value in (("PARENT", "3f2a"), ("NAME", "it's s0"))
    )
    before = logging.root.handlers[:], logging.root.level
    try:
        dictConfig(settings)
        logging.getLogger("hydra").info("\t#0 : seed=0 training.epochs=1 %s", handed)
    finally:
        logging.root.handlers[:] = before[0]
        logging.root.setLevel(before[1])
    assert capsys.readouterr().out == "\t#0 : seed=0 training.epochs=1\n"
