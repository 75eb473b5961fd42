"""Asks the API what a picture shows: python tools/classify.py http://127.0.0.1:7081/predict picture.png"""
import json
import sys
import urllib.error
import urllib.request
import uuid
from pathlib import Path


def ask(url, path):
    """The answer's status, headers and body, for a picture sent as the form field image."""
    boundary = uuid.uuid4().hex
    body = (
        f'--{boundary}\r\nContent-Disposition: form-data; name="image"; filename="{path.name}"\r\n'
        "Content-Type: image/png\r\n\r\n"
    ).encode() + path.read_bytes() + f"\r\n--{boundary}--\r\n".encode()
    request = urllib.request.Request(url, body, {"Content-Type": f"multipart/form-data; boundary={boundary}"})
    # A proxy has no business between two programs of this machine.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=30) as answer:
            return answer.status, answer.headers, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.headers, error.read().decode()


def main(url, pictures):
    for picture in pictures:
        status, headers, text = ask(url, Path(picture))
        print(json.dumps({
            "picture": picture, "status": status, "answer": json.loads(text) if status == 200 else text,
            "release": headers.get("X-Cairn-Release"), "prediction": headers.get("X-Cairn-Prediction"),
        }))


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    main(sys.argv[1], sys.argv[2:])
