"""A store of caches as Amazon's: moto, which speaks S3 (it checks no signature). Use as a fixture:
`from stores import s3_store`; one server for all tests of a session."""

import os
from dataclasses import dataclass

import pytest


@dataclass
class Store:
    url: str  # http://127.0.0.1:PORT
    client: object  # boto3's, of the bucket's owner

    def bucket(self, name):
        self.client.create_bucket(Bucket=name)
        return name

    def signed(self, method, bucket, key, **parameters):
        """A URL by which its bearer may do this one thing."""
        return self.client.generate_presigned_url(method, Params={"Bucket": bucket, "Key": key, **parameters})

    def content(self, bucket, key):
        return self.client.get_object(Bucket=bucket, Key=key)["Body"].read()


@pytest.fixture(scope="session")
def s3_store():
    import logging

    import boto3
    from moto.server import ThreadedMotoServer
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    os.environ["AWS_EC2_METADATA_DISABLED"] = "true"
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    url = "http://{}:{}".format(*server.get_host_and_port())
    client = boto3.client("s3", endpoint_url=url, region_name="us-east-1", aws_access_key_id="owner",
                          aws_secret_access_key="secret")
    yield Store(url, client)
    server.stop()
