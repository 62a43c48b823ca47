"""The person who runs the loop: starts what is started by hand, and reads what the executions did and why."""

from __future__ import annotations

import json
from typing import Any

from demo.actors import ActorError, Site


class Operator:
    def __init__(self, site: Site, outputs: dict[str, str]) -> None:
        self._states = site.client("stepfunctions")
        self._ledger = site.client("dynamodb")
        self._parameters = site.client("ssm")
        self._alarms = site.client("cloudwatch")
        self._sagemaker = site.client("sagemaker")
        self._outputs = outputs
        self._ended: dict[str, dict[str, Any]] = {}  # executions that nothing changes any more, by ARN
        self.machines = {
            "retraining": outputs["RetrainStateMachineArn"],
            "monitoring": outputs["MonitorStateMachineArn"],
            "bulk scoring": outputs["BulkScoreStateMachineArn"],
        }

    def start(self, machine: str, payload: dict[str, Any]) -> str:
        answer = self._states.start_execution(
            stateMachineArn=self.machines[machine], input=json.dumps(payload)
        )
        return str(answer["executionArn"])

    def executions(self) -> list[dict[str, Any]]:
        """Every execution of the three state machines, oldest first, with input and output parsed."""
        found = []
        for machine, arn in self.machines.items():
            pages = self._states.get_paginator("list_executions").paginate(stateMachineArn=arn)
            for page in pages:
                for entry in page["executions"]:
                    execution = self._ended.get(entry["executionArn"]) or self._described(machine, entry)
                    if execution["stopped"]:
                        self._ended[execution["arn"]] = execution
                    found.append(execution)
        return sorted(found, key=lambda each: each["started"])

    def _described(self, machine: str, entry: dict[str, Any]) -> dict[str, Any]:
        told = self._states.describe_execution(executionArn=entry["executionArn"])
        return {
            "machine": machine,
            "arn": entry["executionArn"],
            "name": entry["name"],
            "status": told["status"],
            "started": told["startDate"],
            "stopped": told.get("stopDate"),
            "input": json.loads(told.get("input") or "{}"),
            "error": told.get("error"),
            "cause": told.get("cause"),
        }

    def is_running(self, machine: str) -> bool:
        """Also while a challenger bakes."""
        arn = self.machines[machine]
        return bool(self._states.list_executions(stateMachineArn=arn, statusFilter="RUNNING")["executions"])

    def output(self, arn: str) -> dict[str, Any]:
        """What an execution that succeeded returned; else an error of the story, with the cause."""
        told = self._states.describe_execution(executionArn=arn)
        if told["status"] != "SUCCEEDED":
            raise ActorError(
                f"{arn.rsplit(':', 1)[-1]} is {told['status']}: {told.get('error')}: {told.get('cause')}"
            )
        found: dict[str, Any] = json.loads(told["output"])
        return found

    def path(self, arn: str) -> list[str]:
        """Names of the states entered, in order, a repetition once with its count."""
        entered: list[str] = []
        for page in self._states.get_paginator("get_execution_history").paginate(executionArn=arn):
            for event in page["events"]:
                details = event.get("stateEnteredEventDetails")
                if details:
                    entered.append(details["name"])
        return entered

    def retries(self, arn: str) -> list[str]:
        """Causes of the tasks that failed and were tried again or caught."""
        causes = []
        for page in self._states.get_paginator("get_execution_history").paginate(executionArn=arn):
            for event in page["events"]:
                details = event.get("taskFailedEventDetails") or event.get("taskTimedOutEventDetails")
                if details:
                    causes.append(f"{details.get('error')}: {details.get('cause', '')[:200]}")
        return causes

    def training(self) -> list[dict[str, Any]]:
        """Every training job with the number of times its Spot instance was taken away, oldest first."""
        jobs = []
        for page in self._sagemaker.get_paginator("list_training_jobs").paginate():
            for entry in page["TrainingJobSummaries"]:
                told = self._sagemaker.describe_training_job(TrainingJobName=entry["TrainingJobName"])
                steps = [step["Status"] for step in told.get("SecondaryStatusTransitions", [])]
                jobs.append(
                    {
                        "name": told["TrainingJobName"],
                        "status": told["TrainingJobStatus"],
                        "interruptions": steps.count("Interrupted"),
                        "created": told["CreationTime"].isoformat(),
                    }
                )
        return sorted(jobs, key=lambda job: job["created"])

    def packages(self) -> list[dict[str, Any]]:
        """Every registered model of all groups, oldest first."""
        found = []
        groups = self._sagemaker.list_model_package_groups()["ModelPackageGroupSummaryList"]
        for group in groups:
            pages = self._sagemaker.get_paginator("list_model_packages")
            for page in pages.paginate(ModelPackageGroupName=group["ModelPackageGroupName"]):
                found += page["ModelPackageSummaryList"]
        return sorted(found, key=lambda package: package["ModelPackageVersion"])

    def runs(self) -> list[dict[str, str]]:
        """The ledger's rows of runs, oldest first."""
        rows = []
        for page in self._ledger.get_paginator("scan").paginate(TableName=self._outputs["LedgerTableName"]):
            for item in page["Items"]:
                if item["id"]["S"].startswith("run#"):
                    rows.append({name: next(iter(value.values())) for name, value in item.items()})
        return sorted(rows, key=lambda row: row["started_at"])

    def champion(self) -> dict[str, Any] | None:
        """What the parameter names; None while the rule baseline is the champion."""
        value = self._parameters.get_parameter(Name=self._outputs["ChampionParameterName"])["Parameter"][
            "Value"
        ]
        return None if value == "baseline" else json.loads(value)

    def ringing(self) -> dict[str, str]:
        """Name -> reason of the alarms that ring now."""
        pages = self._alarms.get_paginator("describe_alarms").paginate(StateValue="ALARM")
        return {
            alarm["AlarmName"]: alarm.get("StateReason", "")
            for page in pages
            for kind in ("MetricAlarms", "CompositeAlarms")
            for alarm in page.get(kind, [])
        }
