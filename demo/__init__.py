"""The main job, end to end: a year of real data through the deployed stacks in the embedded account."""

import sys
from pathlib import Path

# The report measures frozen models with the code that the jobs run; its root is not a package of ours.
sys.path.append(str(Path(__file__).resolve().parents[1] / "sagemaker_jobs"))
