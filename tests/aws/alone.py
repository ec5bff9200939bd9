"""The metadata services at their own addresses, which only a network of one's own can have.

python -m aws.alone PROGRAM, under `unshare -n`: prints a list of [variables, what botocore finds, what PROGRAM tells].
"""

import fcntl
import json
import os
import socket
import struct
import subprocess
import sys

from .metadata import Metadata

SET_ADDRESS, SET_FLAGS = 0x8916, 0x8914  # SIOCSIFADDR, SIOCSIFFLAGS
UP = 1
IPV4 = ["169.254.169.254", "169.254.170.2"]
IPV6 = ["fd00:ec2::254"]
ENVIRONMENTS = [
    {},
    {"AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE": "IPv6"},
    {"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "/agent"},
]


def take_addresses():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as ask:
        fcntl.ioctl(ask, SET_FLAGS, struct.pack("16sh22x", b"lo", UP))
        for number, address in enumerate(IPV4):
            fcntl.ioctl(ask, SET_ADDRESS, struct.pack("16sHH4s16x", f"lo:{number}".encode(), socket.AF_INET, 0,
                                                      socket.inet_aton(address)))
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as ask:
        for address in IPV6:
            fcntl.ioctl(ask, SET_ADDRESS, struct.pack("16sIi", socket.inet_pton(socket.AF_INET6, address), 128,
                                                      socket.if_nametoindex("lo")))


def look(program, variables):
    import botocore.session
    import botocore.utils
    botocore.utils.ContainerMetadataFetcher.TIMEOUT_SECONDS = 60
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        del os.environ[name]
    os.environ |= {**variables, "AWS_DEFAULT_REGION": "us-east-1", "AWS_METADATA_SERVICE_TIMEOUT": "60"}
    creds = botocore.session.Session().get_credentials()
    theirs = creds and [creds.method, *list(creds.get_frozen_credentials())[:3]]
    ours = subprocess.run([program, "{}"], capture_output=True, check=True, timeout=120).stdout
    return [variables, theirs, json.loads(ours)]


def main():
    take_addresses()
    metadata = Metadata(("::", 80))
    print(json.dumps([look(sys.argv[1], variables) for variables in ENVIRONMENTS]))
    metadata.close()


if __name__ == "__main__":
    main()
