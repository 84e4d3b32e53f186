"""The Open Inference Protocol, version 2, over gRPC; needs the extra ``grpc``."""
