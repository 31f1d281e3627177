"""Generate the modules, stubs and descriptor set under `protos/gen` from the protos.

    python protos/generate.py            writes protos/gen
    python protos/generate.py --out DIR  writes elsewhere (the drift test compares the two)

Also lays out google/api and google/rpc for `buf` in `.cache/googleapis`, because buf reads protos from files and the
package `googleapis-common-protos` is where they are installed.
"""

import argparse
import shutil
import sys
from pathlib import Path

import grpc_tools
from google.api import http_pb2
from grpc_tools import protoc

ROOT = Path(__file__).resolve().parent.parent
GOOGLEAPIS = ROOT / ".cache" / "googleapis"
GOOGLE_PROTOS = (
    "google/api/annotations.proto",
    "google/api/field_behavior.proto",
    "google/api/http.proto",
    "google/api/httpbody.proto",
)


def lay_out_googleapis() -> None:
    """Copy the few google/api protos that ours import to where buf and protoc find them."""
    shutil.rmtree(GOOGLEAPIS, ignore_errors=True)
    source = Path(http_pb2.__file__).parent.parent.parent
    for name in GOOGLE_PROTOS:
        target = GOOGLEAPIS / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source / name, target)


def generate(out: Path) -> None:
    """Write generated modules, type stubs and `descriptors.binpb` (with comments) below `out`.

    Raises SystemExit with protoc's own message when a proto does not compile.
    """
    protos = sorted(str(path.relative_to(ROOT / "protos")) for path in (ROOT / "protos" / "nextplay").rglob("*.proto"))
    shutil.rmtree(out / "nextplay", ignore_errors=True)
    out.mkdir(parents=True, exist_ok=True)
    include = [f"-I{ROOT / 'protos'}", f"-I{GOOGLEAPIS}", f"-I{Path(grpc_tools.__file__).parent / '_proto'}"]
    scripts = Path(sys.executable).parent
    status = protoc.main(
        [
            "protoc",
            *include,
            f"--plugin=protoc-gen-mypy={scripts / 'protoc-gen-mypy'}",
            f"--plugin=protoc-gen-mypy_grpc={scripts / 'protoc-gen-mypy_grpc'}",
            f"--python_out={out}",
            f"--grpc_python_out={out}",
            f"--mypy_out=quiet:{out}",
            f"--mypy_grpc_out=quiet:{out}",
            f"--descriptor_set_out={out / 'descriptors.binpb'}",
            "--include_imports",
            "--include_source_info",
            *protos,
        ]
    )
    if status != 0:
        raise SystemExit(status)
    for unused in out.rglob("*_pb2_grpc.py*"):
        if not unused.name.startswith(tuple(Path(p).stem for p in protos if p.endswith("_service.proto"))):
            unused.unlink()


def main() -> None:
    """Lay out the imports and generate."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--out", type=Path, default=ROOT / "protos" / "gen", help="where to write (default: protos/gen)"
    )
    arguments = parser.parse_args()
    lay_out_googleapis()
    generate(arguments.out)


if __name__ == "__main__":
    main()
