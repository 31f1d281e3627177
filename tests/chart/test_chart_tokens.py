"""The tokens by which services call each other, in a cluster."""

from typing import Any

import pytest
from chart_values import FILES, Objects, Render

from chassis.auth import SERVICE_TOKEN_SECONDS
from chassis.settings import IdentitySettings

OF_CLUSTER = {"serviceTokens": {"issuer": "https://cluster.example", "jwksUrl": "https://cluster.example/keys"}}


def callers(objects: Objects) -> dict[str, tuple[dict[str, Any], dict[str, str]]]:
    """The volume of the token, and the plain settings, of each Deployment that has such a volume."""
    return {
        one["metadata"]["name"]: (volume, {name["name"]: name["value"] for name in pod["containers"][0]["env"]})
        for one in objects
        if one["kind"] == "Deployment"
        for pod in [one["spec"]["template"]["spec"]]
        for volume in pod["volumes"]
        if volume["name"] == "token"
    }


def test_a_cluster_projects_tokens_that_live_an_hour_for_the_internal_audience_alone(render: Render) -> None:
    found = callers(render(OF_CLUSTER))
    assert {"np-upload", "np-catalog", "np-notify"} <= set(found)
    for name, (volume, settings) in found.items():
        (source,) = volume["projected"]["sources"]
        token = source["serviceAccountToken"]
        assert token["audience"] == IdentitySettings.model_fields["service_audience"].default, name
        assert token["expirationSeconds"] <= SERVICE_TOKEN_SECONDS, name
        assert settings["NEXTPLAY_SERVICE_TOKEN_FILE"] == f"/var/run/nextplay/{token['path']}", name
        assert settings["NEXTPLAY_IDENTITY_SERVICE_ISSUER"] == "https://cluster.example", name
        assert settings["NEXTPLAY_IDENTITY_SERVICE_JWKS_URL"] == "https://cluster.example/keys", name


def test_the_name_of_a_service_is_what_is_left_of_its_accounts_name(render: Render) -> None:
    objects = render(OF_CLUSTER)
    for name, (_, settings) in callers(objects).items():
        (account,) = (
            one["spec"]["template"]["spec"]["serviceAccountName"]
            for one in objects
            if one["kind"] == "Deployment" and one["metadata"]["name"] == name
        )
        subject = f"system:serviceaccount:video:{account}"
        context = subject.removeprefix(settings["NEXTPLAY_IDENTITY_SERVICE_SUBJECT"])
        assert context in ("upload", "media", "catalog", "notify"), subject


def test_no_secret_holds_a_token_where_the_cluster_makes_them(render: Render) -> None:
    everything = FILES["everything"]
    kept = [one["metadata"]["name"] for one in render(everything) if one["kind"] == "ExternalSecret"]
    made = [one["metadata"]["name"] for one in render(everything | OF_CLUSTER) if one["kind"] == "ExternalSecret"]
    assert set(kept) - set(made) == {f"np-{context}-token" for context in ("upload", "media", "catalog", "notify")}


@pytest.mark.parametrize("values", ["values.yaml", "everything"])
def test_without_a_cluster_that_makes_them_a_secret_holds_each_token(render: Render, values: str) -> None:
    for name, (volume, settings) in callers(render(FILES[values])).items():
        assert volume["secret"]["secretName"].endswith("-token"), name
        assert not [one for one in settings if one.startswith("NEXTPLAY_IDENTITY_SERVICE_")], name
