"""Runs a processing job: `python <this folder or zip> prepare|explore|evaluate|monitor --run_id ...`.

Each option may also come as an environment variable of the same name in capitals; an option wins.
"""

import argparse
import json
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

# Idle OpenMP threads spin by default and take the processor from those that work.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

OPTIONS = (
    "run_id",
    "train_start",
    "train_end",
    "validation_end",
    "holdout_end",
    "start",
    "end",
    "through",
    "endpoint",
)


def main(argv: Sequence[str], environment: Mapping[str, str]) -> None:
    parser = argparse.ArgumentParser(prog="sagemaker_jobs", allow_abbrev=False)
    parser.add_argument("job", choices=("prepare", "explore", "evaluate", "monitor"))
    for name in OPTIONS:
        parser.add_argument(f"--{name}", default=environment.get(name.upper()))
    plan = vars(parser.parse_args(list(argv)))
    root = Path(environment.get("ML_ROOT", "/opt/ml"))

    # Imported late: a typing error in the command should not wait for numpy.
    from tabular import failure

    with failure.as_exit_message(root):
        run(plan, root)


def run(plan: Mapping[str, str | None], root: Path) -> None:
    from tabular import contract

    agreed = contract.load()
    if plan["job"] == "prepare":
        import prepare

        prepare.run(agreed, plan, root)
        print(json.dumps({"job": "prepare", "run_id": plan["run_id"]}))
    elif plan["job"] == "explore":
        import explore

        report = explore.run(agreed, plan, explore.Places.below(root))
        print(json.dumps({name: report[name] for name in ("run_id", "rows", "findings")}))
    elif plan["job"] == "evaluate":
        import evaluate

        report = evaluate.run(agreed, plan, evaluate.Places.below(root))
        print(json.dumps({name: report[name] for name in ("run_id", "rows", "paired")}))
    else:
        import monitor

        report = monitor.run(agreed, plan, monitor.Places.below(root))
        print(json.dumps({name: report[name] for name in ("through", "captures", "labels")}))


if __name__ == "__main__":
    main(sys.argv[1:], os.environ)
