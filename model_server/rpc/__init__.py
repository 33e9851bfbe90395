"""The protocol over gRPC; needs the extra `grpc`, and is imported only where `grpc_port` is set.

`__main__` asks `server` whether it can run, `serve` starts and ends it. `server` opens the port, `service` answers,
`wire` translates infer requests, `schema` reads `inference.proto` and `health.proto`. Infer requests go through the
same `predictions` as those over HTTP.
"""
