"""`python -m deployment.deployed --profile <profile>`: the templates as they are deployed, into a folder.

What a change is compared with before it is approved: not the commit before it, which may never have been
deployed. Exit status: 0 they are written, 2 they could not be read, or there are none.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from pathlib import Path

from botocore.exceptions import BotoCoreError, ClientError

from deployment import assembly, place, stacks
from deployment.errors import RefusedError, explained
from deployment.names import DELIVERING, names_for
from deployment.place import Place

DONE, REFUSED = 0, 2


def main(arguments: list[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    try:
        site = place.here()
        if options.delivery:
            site = place.taking_on(site, assembly.lookup_role(options.app, site))
        for written in write(site, options.profile, options.app, options.output):
            print(written)
    except (BotoCoreError, ClientError) as error:
        print(f"refused: {explained(error)}", file=sys.stderr)
        return REFUSED
    except RefusedError as error:
        print(f"refused: {error}", file=sys.stderr)
        return REFUSED
    return DONE


def write(site: Place, profile: str, app: Path, output: Path) -> list[Path]:
    """A file for each stack, named as the assembly names it; nothing else is left in the folder."""
    names = names_for(profile, stacks.all_names(site))
    delivering = {names.stack(group) for group in DELIVERING}
    ids = {stack.name: stack.id for stack in assembly.wanted(app, names) if stack.name not in delivering}
    found = [stack for stack in stacks.present(site, names) if stack.name in ids]
    if not found:
        raise RefusedError(
            f"nothing of profile {profile} is deployed in {site.region} of account {site.account}; "
            f"fix: its first deployment is a person's: make deploy PROFILE={profile}"
        )
    shutil.rmtree(output, ignore_errors=True)
    output.mkdir(parents=True)
    written = []
    for stack in found:
        path = output / f"{ids[stack.name]}.template.json"
        path.write_text(json.dumps(_template(site, stack.id), indent=1), encoding="utf-8")
        written.append(path)
    return written


def _template(site: Place, stack_id: str) -> object:
    """As it was given to CloudFormation, which has read JSON already."""
    answer = site.client("cloudformation").get_template(StackName=stack_id, TemplateStage="Original")
    body = answer["TemplateBody"]
    return json.loads(body) if isinstance(body, str) else body


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m deployment.deployed", description=__doc__)
    parser.add_argument("app", type=Path, help="a synthesised assembly (cdk.out) of the profile")
    parser.add_argument("--profile", required=True, help="as in settings.py; not the AWS CLI's profile")
    parser.add_argument("--output", type=Path, required=True, help="folder, which is made anew")
    parser.add_argument("--delivery", action="store_true", help="look with the bootstrap's role for that")
    return parser


if __name__ == "__main__":
    sys.exit(main())
