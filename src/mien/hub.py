"""Bundles on the Hugging Face hub: fetch one by ``hf:OWNER/NAME``, and publish one with its card.

Needs ``pip install 'mien[hub]'``. The hub's address is ``HF_ENDPOINT``, and the token of whoever
publishes ``HF_TOKEN`` or that of ``hf auth login``, as for everything on the hub.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mien.bundle import CARD, GRAPH, WEIGHTS, Bundle, BundleError

PREFIX = "hf:"
README = "README.md"
_NAME = re.compile(r"[\w.-]+/[\w.-]+")


class HubError(BundleError):
    """The hub cannot be reached, or it refuses; the message says which, and what to do."""


def is_address(source: str) -> bool:
    """Whether a source names a model on the hub."""
    return source.startswith(PREFIX)


def fetch(address: str, into: Path) -> Path:
    """Download a bundle's files.

    Args:
        address: ``hf:OWNER/NAME``, or ``hf:OWNER/NAME@REVISION`` for a branch, tag or commit.
        into: an empty folder that receives the files.

    Returns:
        The folder; verify it with ``bundle.load`` before use.

    Raises:
        HubError: a malformed address, no such model, no bundle in it, or no connection.
    """
    from huggingface_hub import HfApi

    name, revision = _parsed(address)
    api = HfApi(endpoint=os.environ.get("HF_ENDPOINT"), library_name="mien")
    with _explained(address):
        # asked once, so that all files are of one commit, and an absent hub is known at once
        found = api.model_info(name, revision=revision)
        there = {file.rfilename for file in found.siblings or ()}
        for file in (CARD, GRAPH, WEIGHTS):
            if file in there:
                api.hf_hub_download(name, file, revision=found.sha, local_dir=into)
            elif file != WEIGHTS:  # not every bundle carries weights to train on from
                raise HubError(f"{address}: holds no {file}, so it is not a mien model")
    return into


def push(bundle: Bundle, address: str, *, private: bool = False) -> str:
    """Publish a bundle, with a model card made from its ``card.json``.

    Args:
        bundle: a verified bundle.
        address: ``hf:OWNER/NAME``; the repository is created where it is missing.
        private: whether a repository that is created can be seen by its owner alone.

    Returns:
        The address of the commit.

    Raises:
        HubError: a malformed address, no permission, or no connection.
    """
    from huggingface_hub import CommitOperationAdd, HfApi

    name, revision = _parsed(address)
    operations = [
        CommitOperationAdd(file, str(bundle.path / file))
        for file in (GRAPH, CARD, WEIGHTS)
        if (bundle.path / file).is_file()
    ]
    operations.append(CommitOperationAdd(README, model_card(bundle, name).encode()))
    api = HfApi(endpoint=os.environ.get("HF_ENDPOINT"), library_name="mien")
    with _explained(address):
        api.create_repo(name, private=private, exist_ok=True)
        done = api.create_commit(
            name,
            operations,
            commit_message=f"mien bundle {bundle.card.name} {bundle.card.sha256[:12]}",
            revision=revision,
        )
    return str(done.commit_url)


def _parsed(address: str) -> tuple[str, str | None]:
    name, _, revision = address.removeprefix(PREFIX).partition("@")
    if not is_address(address) or not _NAME.fullmatch(name):
        raise HubError(f"{address!r}: not a model on the hub; write hf:OWNER/NAME")
    return name, revision or None


@contextmanager
def _explained(address: str) -> Iterator[None]:
    """Turn what the hub's library raises into one sentence."""
    from huggingface_hub.errors import (
        HfHubHTTPError,
        HTTPError,
        LocalEntryNotFoundError,
        LocalTokenNotFoundError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    unreachable = (
        f"{address}: the hub cannot be reached; check the network or HF_ENDPOINT, or fetch the "
        "model elsewhere and give its folder or .zip"
    )
    try:
        yield
    except RevisionNotFoundError:
        raise HubError(f"{address}: no such branch, tag or commit") from None
    except RepositoryNotFoundError:
        raise HubError(
            f"{address}: no such model, or it is private; check the name, or log in with: "
            "hf auth login"
        ) from None
    except LocalTokenNotFoundError:
        raise HubError(f"{address}: needs a token; run hf auth login, or set HF_TOKEN") from None
    except HfHubHTTPError as error:
        code = error.response.status_code if error.response is not None else None
        if code in (401, 403):
            raise HubError(
                f"{address}: the hub refuses; run hf auth login with a token that may write"
            ) from None
        raise HubError(f"{address}: the hub answered with an error ({code}); retry later") from None
    except (HTTPError, LocalEntryNotFoundError, ConnectionError, TimeoutError):
        raise HubError(unreachable) from None


def model_card(bundle: Bundle, repository: str) -> str:
    """The hub's README for a bundle, from its card: front matter, figures, start, data, limits.

    Args:
        bundle: what is published.
        repository: ``OWNER/NAME``, for the command that fetches it.
    """
    card = bundle.card
    front = {
        "license": "other",
        "license_name": card.licence,
        "library_name": "mien",
        "pipeline_tag": "image-classification",
        "tags": ["facial-expression-recognition", "fer2013", "ferplus", "onnx", "mien"],
    }
    # JSON is YAML too, and quotes whatever a card may hold
    lines = ["---", *(f"{k}: {json.dumps(v, ensure_ascii=False)}" for k, v in front.items()), "---"]
    lines += ["", f"# {card.name}", ""]
    lines += ["A facial expression model for [mien](https://pypi.org/project/mien/): seven "
              "expressions, and how ten annotators would vote.", "", "```sh",
              f"pip install 'mien[hub]'\nmien models add hf:{repository}",
              f"mien predict --model {card.name} photo.jpg", "```", ""]  # fmt: skip
    if rows := list(_figures(card.metrics)):
        split = card.metrics.get("split", "an unnamed split")
        lines += [f"## Results on {split}", "", "| metric | value | 95 % interval |",
                  "| --- | --- | --- |", *rows, ""]  # fmt: skip
    if fitted := card.calibration.get("fitted_on"):
        lines += [f"Its scores are calibrated on: {fitted}. Figures on those pictures are "
                  "slightly optimistic.", ""]  # fmt: skip
    lines += [
        "## Training",
        "",
        f"- Data: {card.data.get('trained_on', 'not stated')}",
        f"- Starting weights: {card.start or 'not stated'}",
        f"- Licence: {card.licence}",
        f"- SHA-256 of `{GRAPH}`: `{card.sha256}`",
        "",
        "## Intended use",
        "",
        "It describes the expression that a face shows, not what a person feels. Not for inferring "
        "emotions at work or in education (EU AI Act, Art. 5(1)(f)), nor for decisions about "
        "people. Accuracy by demographic group is unmeasured.",
        "",
    ]
    return "\n".join(lines)


def _figures(metrics: dict[str, Any]) -> Iterator[str]:
    for section, values in metrics.items():
        if not isinstance(values, dict):
            continue
        for name, found in values.items():
            if isinstance(found, dict) and found.get("value") is not None:
                low, high = found.get("low"), found.get("high")
                span = "" if low is None or high is None else f"{low:.3f}–{high:.3f}"
                title = f"{section}: {name}".replace("_", " ")
                yield f"| {title} | {found['value']:.3f} | {span} |"
