"""What the lab's images are: `cluster-config/images/<name>/{Containerfile,image.yaml}`, read as typed values.

Called by the builder and by `labs doctor`. A recipe knows everything that decides the image, so its content tag is
known before anything is built: the Containerfile, the files of its context, the identity of its base and, for binaries
of the engine, their cache key (version and digest of the build's inputs) in place of their bytes.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from labs import paths
from labs.errors import DataError
from labs.providers.engine import catalog

PUBLIC_HOST = "registry.lab"
PRIVATE_HOST = "private.registry.lab"
_IGNORED = {"__pycache__", ".mypy_cache", ".ruff_cache", ".pytest_cache"}
_Tag = Annotated[str, Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$")]


class _Alias(BaseModel):
    """Another name of an image."""

    model_config = ConfigDict(extra="forbid")

    repository: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9./-]*$")] | None = None
    tag: _Tag | None = None
    private: bool = False


class _File(BaseModel):
    """The schema of `image.yaml`."""

    model_config = ConfigDict(extra="forbid")

    apiVersion: Literal["labs/v1"]  # noqa: N815 - as Kubernetes spells it
    tag: _Tag
    aliases: list[_Alias] = []
    components: list[str] = []
    files: list[str] = []
    checkout: list[str] = []
    wheels: str = ""
    packages: list[Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9.+-]+$")]] = []
    on_demand: bool = False


@dataclass(frozen=True, slots=True)
class Name:
    """One name under which an image is pulled.

    Attributes:
        repository: Such as `registry.lab/coredns`.
        tag: The tag that scenarios use; the content tag exists beside it.
        private: Whether the registry asks for credentials.
    """

    repository: str
    tag: str
    private: bool = False


@dataclass(frozen=True, slots=True)
class Recipe:
    """One image to build.

    Attributes:
        name: Its folder's name.
        folder: Where its Containerfile lies.
        names: Its names, the first being the main one.
        components: Binaries of the engine that go into its context.
        files: Path in the context → file on this machine.
        wheels: File with hash-locked requirements whose wheels go into `wheels/` of the context, or None.
        packages: Debian packages that are unpacked, with what they depend on, into `packages/` of the context.
        on_demand: Whether it is made only when a task wants it, and not put into every node in advance.
        needs_base: Whether its Containerfile takes `BASE`.
        content: Hash of all of this except the base.
    """

    name: str
    folder: Path
    names: tuple[Name, ...]
    components: tuple[str, ...] = ()
    files: dict[str, Path] = field(default_factory=dict)
    wheels: Path | None = None
    packages: tuple[str, ...] = ()
    on_demand: bool = False
    needs_base: bool = True
    content: str = ""

    def content_tag(self, base: str) -> str:
        """Return the 12 hex digits that stand for this image on that base.

        Args:
            base: The base's identity; without meaning for images that start from scratch.
        """
        return hashlib.sha256(f"{self.content}\0{base if self.needs_base else ''}".encode()).hexdigest()[:12]


def images_dir() -> Path:
    """Return the folder with one folder per image."""
    return paths.cluster_config_dir() / "images"


def discover(root: Path | None = None, *, on_demand: bool = False) -> list[Recipe]:
    """Read every image's recipe.

    Args:
        root: Folder with one folder per image; the project's own when left out.
        on_demand: Only those that are made on demand; the context of the others is then not looked at.

    Returns:
        The recipes, ordered by name.

    Raises:
        DataError: An `image.yaml` is malformed or names a file that is not there.
    """
    root = root or images_dir()
    found = [(source, _spec(source)) for source in sorted(root.glob("*/image.yaml"))]
    return [_read(source, spec) for source, spec in found if spec.on_demand or not on_demand]


def _spec(source: Path) -> _File:
    try:
        return _File.model_validate(catalog.read_yaml(source.read_text()))
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise DataError(f"This is not YAML: {error.problem}", where=f"{source}:{line}") from error
    except ValidationError as error:
        first = error.errors()[0]
        told = f"{'.'.join(map(str, first['loc'])) or 'the file'}: {first['msg']}"
        raise DataError(told, where=f"{source}:1", hint=f"known fields: {', '.join(_File.model_fields)}") from error
    except OSError as error:
        raise _unreadable(source, error) from error


def _unreadable(source: Path, error: OSError) -> DataError:
    return DataError(f"The image's recipe cannot be read: {error}", where=str(source))


def _read(source: Path, spec: _File) -> Recipe:
    folder = source.parent
    try:
        containerfile = (folder / "Containerfile").read_text()
    except OSError as error:
        raise _unreadable(source, error) from error
    main = Name(f"{PUBLIC_HOST}/{folder.name}", spec.tag)
    files = _context(folder, spec, source)
    wheels = paths.data_root() / spec.wheels if spec.wheels else None
    if wheels and not wheels.is_file():
        raise DataError(f"{spec.wheels} is not there", where=f"{source}:1")
    needs_base = "${BASE}" in containerfile
    return Recipe(
        name=folder.name,
        folder=folder,
        names=(main, *(_alias(main, alias) for alias in spec.aliases)),
        components=tuple(spec.components),
        files=files,
        wheels=wheels,
        packages=tuple(spec.packages),
        on_demand=spec.on_demand,
        needs_base=needs_base,
        content=_digest(containerfile, spec, files, wheels),
    )


def _alias(main: Name, alias: _Alias) -> Name:
    host = PRIVATE_HOST if alias.private else PUBLIC_HOST
    repository = alias.repository or main.repository.partition("/")[2]
    return Name(f"{host}/{repository}", alias.tag or main.tag, alias.private)


def _context(folder: Path, spec: _File, source: Path) -> dict[str, Path]:
    """Return the files of the build context: beside the Containerfile, and of the checkout."""
    files: dict[str, Path] = {}
    for root, names in ((folder, spec.files), (paths.data_root(), spec.checkout)):
        for name in names:
            path = root / name
            if path.is_file():
                files[name] = path
            elif path.is_dir():
                files |= {str(each.relative_to(root)): each for each in _walk(path)}
            else:
                raise DataError(f"{name} is not there", where=f"{source}:1", hint=f"looked in {root}")
    return dict(sorted(files.items()))


def _walk(folder: Path) -> list[Path]:
    return [path for path in sorted(folder.rglob("*")) if path.is_file() and not _IGNORED & set(path.parts)]


def _digest(containerfile: str, spec: _File, files: dict[str, Path], wheels: Path | None) -> str:
    digest = hashlib.sha256()
    known = catalog.load() if spec.components else {}
    keys = [f"{name} {known[name].key}" for name in sorted(spec.components) if name in known]
    if len(keys) != len(spec.components):
        raise DataError(f"One of {', '.join(spec.components)} is no component of the engine", where=str(images_dir()))
    parts = [catalog.go_arch(), containerfile, *keys]
    for name, path in files.items():
        parts += [name, path.read_bytes().hex()]
    parts.append(wheels.read_text() if wheels else "")
    parts += spec.packages
    for part in parts:
        digest.update(f"{len(part)}:{part}".encode())
    return digest.hexdigest()
