"""Would a deployment come through? Each thing in its way, with the command that mends it.

Stands apart, since it reads templates with the audit: taking a deployment away needs nothing of that.
"""

from deployment.preflight.findings import Severity as Severity
from deployment.preflight.findings import summary as summary
from deployment.preflight.findings import told as told
from deployment.preflight.look import of_assembly as of_assembly
from deployment.preflight.look import offline as offline
from deployment.preflight.look import problems as problems
