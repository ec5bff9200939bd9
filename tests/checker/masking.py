"""Reference masking: the sentence of the hardening page, searched naively.

Find all occurrences of all patterns, merge those that overlap, replace each merged run by [MASKED].
"""


def mask(data: bytes, patterns: list[bytes]) -> bytes:
    spans = []
    for pattern in {p for p in patterns if p}:
        at = data.find(pattern)
        while at >= 0:
            spans.append((at, at + len(pattern)))
            at = data.find(pattern, at + 1)
    merged: list[list[int]] = []
    for start, end in sorted(spans):
        if merged and start < merged[-1][1]:
            merged[-1][1] = max(merged[-1][1], end)
        else:
            merged.append([start, end])
    out, last = bytearray(), 0
    for start, end in merged:
        out += data[last:start] + b"[MASKED]"
        last = end
    return bytes(out + data[last:])
