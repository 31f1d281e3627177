"""Who may do what on the local S3: the services by their policies for AWS, read from deploy/aws/permissions.yaml.

So what a service may not do there, it may not do here either, and whatever it needs has been tried.
"""

import json
from typing import Any

import yaml

from deploy.local.home import ROOT, Home

BUCKET = "nextplay"
PERMISSIONS = ROOT / "deploy" / "aws" / "permissions.yaml"
POLICIES = {"upload": "UploadPolicy", "media": "MediaPolicy", "catalog": "CatalogPolicy"}
"""The resource that holds the policy of each context; one that is not here has no key. The bucket's rules are kept
by the local platform itself, so upload has no right to them here."""

_EVERYTHING = ("Read", "Write", "List", "Tagging")
_ACTIONS = {
    "admin": ["Admin"],
    "kafka": [f"{action}:kafka" for action in _EVERYTHING],
    "nextplay": [f"{action}:{BUCKET}" for action in _EVERYTHING],
}
"""Of those that are no service. `nextplay` is the developer's."""


def identities(home: Home) -> dict[str, Any]:
    """What SeaweedFS reads at its start."""
    rights = {name: {"actions": actions} for name, actions in _ACTIONS.items()}
    rights |= {context: {"policyNames": [context]} for context in POLICIES}
    keys = {
        name: {"accessKey": home.keys[f"s3:{name}:access"], "secretKey": home.keys[f"s3:{name}:secret"]}
        for name in rights
    }
    return {
        "identities": [
            {
                "name": name,
                "credentials": [
                    keys[name],
                ],
                **given,
            }
            for name, given in rights.items()
        ],
        "policies": [{"name": name, "content": json.dumps(policy)} for name, policy in policies().items()],
    }


def policies() -> dict[str, Any]:
    """The policy document of each context, for the local bucket."""
    resources = yaml.load(PERMISSIONS.read_text(), _CloudFormation)["Resources"]  # noqa: S506 - a SafeLoader
    return {context: resources[name]["Properties"]["PolicyDocument"] for context, name in POLICIES.items()}


class _CloudFormation(yaml.SafeLoader):
    """Reads CloudFormation's short functions: `!Sub` with the values of here, the others as nothing."""


def _value(loader: _CloudFormation, name: str, node: yaml.Node) -> str | None:
    if name == "Sub" and isinstance(node, yaml.ScalarNode):
        return loader.construct_scalar(node).replace("${AWS::Partition}", "aws").replace("${BucketName}", BUCKET)
    return None


_CloudFormation.add_multi_constructor("!", _value)
