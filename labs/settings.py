"""The settings file: which provider, cluster and profile a person wants without typing it every time.

`settings.toml` in the user's configuration folder (`LABS_SETTINGS` names another file). Read by
`labs.commands.session`; the command line wins over it. There need not be one.
"""

from __future__ import annotations

import os
import tomllib
from dataclasses import dataclass, fields
from pathlib import Path

import platformdirs

from labs.errors import DataError
from labs.paths import APP


@dataclass(frozen=True, slots=True)
class Settings:
    """What the file may say.

    Attributes:
        provider: `auto`, `engine` or `kind`.
        cluster: Name of the cluster.
        profile: Topology of a new cluster, empty for the default.
    """

    provider: str = "auto"
    cluster: str = "lab"
    profile: str = ""


def path() -> Path:
    """Return where the file lies, or would."""
    override = os.environ.get("LABS_SETTINGS")
    return Path(override) if override else platformdirs.user_config_path(APP) / "settings.toml"


def load() -> Settings:
    """Return the settings.

    Raises:
        DataError: The file is malformed, or says something unknown.
    """
    file = path()
    try:
        said = tomllib.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return Settings()
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise DataError(
            f"is not TOML: {error}", where=str(file), hint='one line for each: provider = "kind"'
        ) from error
    known = [field.name for field in fields(Settings)]
    for key, value in said.items():
        if key not in known or not isinstance(value, str):
            raise DataError(f"`{key}` is no setting, or not a text", where=str(file), hint=f"known: {', '.join(known)}")
    return Settings(**said)
