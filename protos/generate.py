"""Generate the modules, stubs, descriptor set and comments under `protos/gen` from the protos.

    python protos/generate.py            writes protos/gen
    python protos/generate.py --out DIR  writes elsewhere (the drift test compares the two)

Also lays out google/api and google/rpc for `buf` in `.cache/googleapis`, because buf reads protos from files and the
package `googleapis-common-protos` is where they are installed.
"""

import argparse
import json
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import grpc_tools
from google.api import http_pb2
from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet
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
    """Write generated modules, type stubs, `descriptors.binpb` and `comments.json` below `out`.

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
    part_comments(out)


def part_comments(out: Path) -> None:
    """Move the comments from the descriptor set into a file of their own, by full name: who reads them needs not know
    how protoc numbers the places in a source."""
    descriptors = out / "descriptors.binpb"
    files = FileDescriptorSet.FromString(descriptors.read_bytes())
    comments = {name: text for file in files.file for name, text in comments_of(file) if name.startswith("nextplay.")}
    (out / "comments.json").write_text(json.dumps(comments, indent=0, sort_keys=True, ensure_ascii=False) + "\n")
    for file in files.file:
        file.ClearField("source_code_info")
    descriptors.write_bytes(files.SerializeToString(deterministic=True))


def comments_of(file: FileDescriptorProto) -> Iterator[tuple[str, str]]:
    """The leading comment of each declaration of a file by its full name, without what it tells the linter."""
    for location in file.source_code_info.location:
        lines = [line for line in location.leading_comments.splitlines() if not line.lstrip().startswith("buf:lint:")]
        node, names = file, [file.package]
        # The path to a declaration is pairs of a repeated field and an index into it; a path to an option is not.
        for number, index in zip(location.path[::2], location.path[1::2], strict=False):
            field = node.DESCRIPTOR.fields_by_number[number]
            if not field.is_repeated or field.message_type is None:
                break
            node = getattr(node, field.name)[index]
            names.append(getattr(node, "name", ""))
        else:
            if lines:
                yield ".".join(names), " ".join(" ".join(lines).split())


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
