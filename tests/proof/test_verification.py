"""What the verifier measures of a model that some code has trained."""

import shutil
from pathlib import Path

import pytest

from checkouts import ROOT
from plainmlp.composition.compose import parse
from plainmlp.config.canonical import read_yaml
from plainmlp.config.places import Places
from plainmlp.proof.rebuilding import Source
from plainmlp.proof.verification import DIGESTING, measure_again
from planted import Subject


@pytest.mark.slow
@pytest.mark.parametrize("digests", ["as here", "otherwise", "not at all"])
def test_code_that_digests_itself_in_another_way_has_no_digest(
    classified: Subject, tmp_path: Path, digests: str
) -> None:
    code = Source(ROOT if digests == "as here" else tmp_path / "code", "test")
    if digests == "otherwise":
        for name in DIGESTING:
            (code.package / name).parent.mkdir(parents=True)
            (code.package / name).write_text("DIGESTS = {}\n")
    model = Places(tmp_path / "results").model
    model.parent.mkdir(parents=True)
    shutil.copyfile(classified.target.artifacts / "model.safetensors", model)
    config = parse(read_yaml(classified.target.artifacts / "config.yaml"))
    found = measure_again(config, code, tmp_path / "results")
    assert ("code_digest" in found.tags) == ("point_id" in found.tags) == (digests == "as here")
    assert found.metrics["n_parameters"] == len(classified.again.model.parameters)
