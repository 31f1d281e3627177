"""Any RPC of a service without its protos: what there is, and how to call it, is asked of the server itself.

    python reflection.py 127.0.0.1:9001                                     lists services and their methods
    TOKEN=… python reflection.py 127.0.0.1:9001 \\
        nextplay.catalog.v1.VideoService/GetVideo '{"video_id": "…"}'       calls one, in JSON

`grpcurl -plaintext` does the same. Needs `pip install grpcio-reflection`.
"""

import os
import sys

import grpc
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.json_format import MessageToJson, Parse
from google.protobuf.message_factory import GetMessageClass
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase


def main(address: str, method: str | None = None, request: str = "{}") -> None:
    with grpc.insecure_channel(address) as channel:
        described = ProtoReflectionDescriptorDatabase(channel)
        pool = DescriptorPool(described)
        if method is None:
            for service in sorted(described.get_services()):
                for name in pool.FindServiceByName(service).methods_by_name:
                    print(f"{service}/{name}")
            return
        service, _, name = method.partition("/")
        rpc = pool.FindServiceByName(service).methods_by_name[name]
        message = Parse(request, GetMessageClass(rpc.input_type)(), descriptor_pool=pool)
        token = [("authorization", f"Bearer {os.environ['TOKEN']}")] if "TOKEN" in os.environ else []
        call = (channel.unary_stream if rpc.server_streaming else channel.unary_unary)(
            f"/{method}", type(message).SerializeToString, GetMessageClass(rpc.output_type).FromString
        )
        replies = call(message, metadata=token, timeout=30)
        for reply in replies if rpc.server_streaming else [replies]:
            print(MessageToJson(reply, preserving_proto_field_name=True, descriptor_pool=pool))


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except grpc.RpcError as failed:
        sys.exit(f"{failed.code().name}: {failed.details()}")
