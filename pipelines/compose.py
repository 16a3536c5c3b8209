"""Stage `compose`: conf/ under the overrides of overrides.yaml becomes params.yaml, which all other stages read.

It also writes a digest of each part of the code, so that a stage runs again if its code has changed.
"""

import json
import os

from _checkout import ROOT
from plainmlp.system.command import run_stage
from plainmlp.system.errors import InputError

HEADER = "# made by pipelines/compose.py; change conf/ or overrides.yaml instead\n"
HELP = """Compose conf/ under the overrides of overrides.yaml, check the result and write it to params.yaml.

overrides.yaml holds a list, each item as on the command line of pipelines/run.py:

  overrides: [experiment=mnist, optimizer.learning_rate=0.002]

python pipelines/run.py --help lists what can be set."""
PARAMS = ROOT / "params.yaml"
OVERRIDES = ROOT / "overrides.yaml"


def main() -> None:
    """Compose, apply the changes of an experiment, check, link the inputs, write."""
    from plainmlp.composition.compose import compose, parse
    from plainmlp.composition.overrides import marks_line, read_overrides, with_edits, write_overrides
    from plainmlp.config.canonical import canonical, dump_values
    from plainmlp.config.code import SECTION, digest_checkout
    from plainmlp.config.inputs import INPUTS, link_input, named_inputs
    from plainmlp.config.places import kept_checkout
    from plainmlp.system.files import write_text

    overrides = read_overrides(OVERRIDES)
    config = parse(compose(ROOT / "conf", overrides))
    edits = edits_of_experiment()
    if edits:
        overrides = with_edits(overrides, edits)
        config = parse(compose(ROOT / "conf", overrides))
    kept = kept_checkout(ROOT)
    for key, path in named_inputs(config).items():
        link_input(ROOT / INPUTS, key, path, kept)
    if edits:
        write_overrides(OVERRIDES, overrides)
        print(f"overrides.yaml: added from -S: {', '.join(edits)}")
    params = {**canonical(config), SECTION: digest_checkout(ROOT)}
    write_text(PARAMS, HEADER + marks_line(params) + dump_values(params))


def edits_of_experiment() -> list[str]:
    """Return the changes of `dvc exp run -S` as overrides; changes of params.yaml by hand are only reported."""
    from plainmlp.composition.compose import parse
    from plainmlp.composition.overrides import edited_sections, overrides_of
    from plainmlp.config.canonical import canonical, read_yaml

    if not PARAMS.exists():
        return []
    text, found = PARAMS.read_text(encoding="utf-8"), read_yaml(PARAMS)
    is_experiment = "DVC_EXP_NAME" in os.environ
    if is_experiment and "overrides" in found:  # DVC composed conf/, under those and each -S
        base = json.loads(found.pop("overrides"))
        return overrides_of(canonical(parse(found)), ROOT / "conf", "-S", base)
    sections = edited_sections(text, found)
    if sections and is_experiment:
        message = f"params.yaml: {', '.join(sections)} changed in that file alone; run `dvc exp run` without --no-hydra"
        raise InputError(message)
    if sections:
        how = "left by an experiment" if "overrides" in found else f"changed by hand ({', '.join(sections)})"
        print(f"params.yaml was {how}; rebuilt from conf/ and overrides.yaml")
    return []


if __name__ == "__main__":
    run_stage(main, HELP)
