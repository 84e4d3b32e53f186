"""boto3 calling an endpoint, through a stand-in for SageMaker's front.

The front serves ``/endpoints/{name}/invocations``, as ``InvokeEndpoint`` is on the wire, and hands
the body to the container's ``/invocations``. Like SageMaker it strips all headers but the content
type, what is accepted and the custom attributes, in both directions.
"""

import http.client
import json
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

KEPT = {
    "content-type": "Content-Type",
    "accept": "Accept",
    "x-amzn-sagemaker-custom-attributes": "X-Amzn-SageMaker-Custom-Attributes",
}
port, rows = int(sys.argv[1]), json.loads(sys.argv[2])


class Front(BaseHTTPRequestHandler):
    def do_POST(self):
        assert self.path == "/endpoints/late/invocations"
        body = self.rfile.read(int(self.headers["Content-Length"]))
        sent = {name: self.headers[name] for name in KEPT.values() if name in self.headers}
        container = http.client.HTTPConnection("127.0.0.1", port)
        container.request("POST", "/invocations", body, sent)
        answer = container.getresponse()
        text = answer.read()
        if answer.status != 200:
            text = json.dumps({"OriginalStatusCode": answer.status, "Message": text.decode()})
            text = text.encode()
        self.send_response(200 if answer.status == 200 else 424)
        if answer.status != 200:
            self.send_header("x-amzn-errortype", "ModelError")
        for name, value in answer.getheaders():
            if name.lower() in KEPT:
                self.send_header(KEPT[name.lower()], value)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_):
        return None


front = ThreadingHTTPServer(("127.0.0.1", 0), Front)
threading.Thread(target=front.serve_forever, daemon=True).start()
client = boto3.client(
    "sagemaker-runtime",
    endpoint_url=f"http://127.0.0.1:{front.server_port}",
    region_name="eu-north-1",
    aws_access_key_id="none",
    aws_secret_access_key="none",
    config=Config(retries={"total_max_attempts": 1}),
)


def invoke(body, **more):
    answer = client.invoke_endpoint(EndpointName="late", Body=body, **more)
    return answer["Body"].read().decode(), answer["ContentType"], answer["CustomAttributes"]


names = list(rows[0])
csv = "\n".join(",".join("" if v is None else str(v) for v in row.values()) for row in rows)
lines = "\n".join(map(json.dumps, rows))
found = {
    "json": invoke(json.dumps({"instances": rows}), ContentType="application/json"),
    "csv": invoke(",".join(names) + "\n" + csv, ContentType="text/csv", Accept="text/csv"),
    "headless": invoke(csv, ContentType="text/csv; header=absent", Accept="application/jsonlines"),
    "lines": invoke(lines, ContentType="application/jsonlines", Accept="application/json"),
}
try:
    invoke("{}", ContentType="application/json")
except ClientError as error:
    found["refused"] = error.response["OriginalStatusCode"], error.response["Error"]["Code"]
front.shutdown()
print(json.dumps(found))
