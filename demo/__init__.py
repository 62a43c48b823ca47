"""The main job, end to end: a year of real data through the deployed stacks in the embedded account."""

import sys
from pathlib import Path

# The report measures frozen models with the code that the jobs run, and epochs are those of the door; neither
# root is a package of ours.
sys.path += [str(Path(__file__).resolve().parents[1] / root) for root in ("sagemaker_jobs", "lambda")]
