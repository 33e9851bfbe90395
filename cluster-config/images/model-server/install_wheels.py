"""Install a folder of wheels without pip: unpack, leave out what never runs, compile. Runs while the image is built.

Bytecode carries no times (`unchecked-hash`): all files of the image are of 1970, and bytecode with times would count as
stale, which costs every start of the server two seconds.
"""

# ruff: noqa: INP001 - one file, run inside the build

import compileall
import py_compile
import sys
import zipfile
from pathlib import Path

LEFT_OUT = ("/tests/", "/test/", "/testing/tests/", "/_core/include/", "/tools/", "/transformers/", "/quantization/")


def wanted(name: str) -> bool:
    """Return whether a file of a wheel belongs into the image."""
    return not name.endswith((".pyi", ".h", ".cpp", ".a", "/")) and not any(part in f"/{name}" for part in LEFT_OUT)


def install(wheel: Path, target: Path) -> None:
    """Unpack one wheel; its `.data` folders end up where pip would put them, scripts are left out."""
    with zipfile.ZipFile(wheel) as archive:
        for name in filter(wanted, archive.namelist()):
            head, _, rest = name.partition("/")
            if head.endswith(".data"):
                kind, _, rest = rest.partition("/")
                if kind not in {"purelib", "platlib"}:
                    continue
                name = rest  # noqa: PLW2901 - the name it is installed under
            path = (target / name).resolve()
            if not path.is_relative_to(target.resolve()):
                sys.exit(f"{wheel.name} wants to write outside its folder: {name}")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(archive.read(name if not head.endswith(".data") else f"{head}/{kind}/{rest}"))


def main() -> None:
    """Install every wheel of the first argument's folder into the second's."""
    source, target = map(Path, sys.argv[1:])
    for wheel in sorted(source.glob("*.whl")):
        install(wheel, target)
    mode = py_compile.PycInvalidationMode.UNCHECKED_HASH
    if not compileall.compile_dir(target, quiet=1, invalidation_mode=mode):
        sys.exit("some of the modules do not compile")


if __name__ == "__main__":
    main()
