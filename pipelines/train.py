"""Stage `train`: data/split becomes a model and its history, while its run in MLflow grows."""

from _checkout import ROOT
from plainmlp.command import run_stage


def main() -> None:
    """Read the parts, train, write, publish."""
    from plainmlp.canonical import read_parameters
    from plainmlp.checkpoints import FOLDER, Checkpoints
    from plainmlp.history import write_history
    from plainmlp.inputs import INPUTS, linked_inputs
    from plainmlp.places import Places
    from plainmlp.provenance.usage import process_usage
    from plainmlp.recording.training import publish_training, remember_run, start_run
    from plainmlp.stages.train import train
    from plainmlp.storage import read_splits
    from plainmlp.terminal import watch_training

    config = linked_inputs(read_parameters(ROOT / "params.yaml"), ROOT / INPUTS)
    splits = read_splits(ROOT / "data" / "split")
    places = Places(ROOT)
    with start_run(config, splits, ROOT).closing() as run:
        checkpoints = Checkpoints(ROOT / FOLDER, run.point_id)
        with watch_training(config.training.epochs) as show:
            trained = train(
                splits,
                config.seed,
                config.model,
                config.optimizer,
                config.training,
                watchers=[show, run.log_epoch],
                checkpoint=checkpoints,
            )
        trained.model.save(places.model, run.point_id)
        write_history(places.history, trained.history, trained.digests)
        publish_training(run, places, trained.model)
        run.log_results(process_usage(), {})
    remember_run(run, ROOT)
    checkpoints.clear()


if __name__ == "__main__":
    run_stage(
        main, "Train the network of params.yaml on data/split; writes models/model.safetensors and reports/history.csv."
    )
