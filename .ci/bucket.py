"""Waits for an S3 server and makes a bucket in it: bucket.py URL NAME."""

import sys
import time
import urllib.error
import urllib.request

url, name = sys.argv[1:3]
deadline = time.monotonic() + 60
while True:
    try:
        urllib.request.urlopen(urllib.request.Request(f"{url}/{name}", method="PUT"), timeout=5).read()
        break
    except (urllib.error.URLError, ConnectionError) as error:
        if time.monotonic() > deadline:
            sys.exit(f"no S3 server at {url}: {error}")
        time.sleep(0.3)
print(f"bucket {name} at {url}")
