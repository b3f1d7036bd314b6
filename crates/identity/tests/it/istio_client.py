"""Asks an authority for a certificate in Istio's wire form, without any generated code.

Arguments: address, file with the roots, file with the request, join token.
"""
import sys

import grpc

address, roots, request, token = sys.argv[1:5]


def varint(number):
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def text(field, value):
    return varint(field << 3 | 2) + varint(len(value)) + value


# IstioCertificateRequest: csr = 1, validity_duration = 3 (seconds), metadata = 4 (google.protobuf.Struct, as Istio's agents send).
csr = open(request, "rb").read()
value = text(2, text(3, b"a-cluster"))
metadata = text(1, text(1, b"ClusterID") + value)
message = text(1, csr) + varint(3 << 3 | 0) + varint(3600) + text(4, metadata)

credentials = grpc.ssl_channel_credentials(open(roots, "rb").read())
options = [("grpc.ssl_target_name_override", "istiod.istio-system.svc")]
with grpc.secure_channel(address, credentials, options) as channel:
    call = channel.unary_unary("/istio.v1.auth.IstioCertificateService/CreateCertificate")
    try:
        answer = call(message, timeout=20, metadata=[("authorization", "Bearer " + token)])
        print("OK", answer.hex())
    except grpc.RpcError as error:
        print(error.code().name, error.details())
