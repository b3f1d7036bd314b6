"""A gRPC service and a client of it, for tests of the mesh without proxies.

    grpc_echo.py serve NAME            prints its port, then answers every call with NAME
    grpc_echo.py call TARGET           reads numbers from standard input; for each makes that many calls
                                       and prints a JSON object of how often whom answered
    grpc_echo.py clients ADDRESS WORD… asks the control plane there who follows it (CSDS): once, and twice on a
                                       stream; prints a JSON object of how many of the answers hold which word

The client follows the mesh by itself if TARGET begins with xds:/// and GRPC_XDS_BOOTSTRAP names its file.
"""

import collections
import concurrent.futures
import json
import sys

import grpc

METHOD = "/echo.Echo/Who"


def text(data):
    return data.decode()


def data(text):
    return text.encode()


def serve(name):
    """Answers calls until standard input ends."""
    answer = grpc.unary_unary_rpc_method_handler(
        lambda request, context: name, request_deserializer=text, response_serializer=data
    )
    server = grpc.server(concurrent.futures.ThreadPoolExecutor(max_workers=4))
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("echo.Echo", {"Who": answer}),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    print(port, flush=True)
    sys.stdin.read()
    server.stop(0)


def call(target):
    """Makes calls over one channel, as a long-lived application does."""
    with grpc.insecure_channel(target) as channel:
        who = channel.unary_unary(METHOD, request_serializer=data, response_deserializer=text)
        for line in sys.stdin:
            answers = collections.Counter()
            for _ in range(int(line)):
                try:
                    answers[who("", timeout=5, wait_for_ready=True)] += 1
                except grpc.RpcError as error:
                    answers[f"{error.code().name}: {error.details()}"] += 1
            print(json.dumps(answers), flush=True)


def clients(address, *words):
    """The messages are neither written nor read here: an empty request asks for everybody."""
    service = "/envoy.service.status.v3.ClientStatusDiscoveryService/"
    with grpc.insecure_channel(address) as channel:
        fetch = channel.unary_unary(service + "FetchClientStatus")
        stream = channel.stream_stream(service + "StreamClientStatus")
        answers = [fetch(b"", timeout=5), *stream(iter([b"", b""]), timeout=5)]
    print(json.dumps({word: sum(word.encode() in answer for answer in answers) for word in words}), flush=True)


if __name__ == "__main__":
    {"serve": serve, "call": call, "clients": clients}[sys.argv[1]](*sys.argv[2:])
