"""Teaches schemathesis to send the body of a part of an upload."""

import schemathesis


@schemathesis.serializer("application/offset+octet-stream")
def part(ctx, value):
    return value if isinstance(value, bytes) else str(value).encode()
