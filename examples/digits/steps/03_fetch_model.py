"""Step 3: fetch the model that the API image is built with."""
import os
import shutil
import subprocess
from pathlib import Path

MODEL_NAME = os.environ.get("MODEL_NAME", "digits")
MODEL_VERSION = os.environ.get("MODEL_VERSION") or "latest"
TARGET = Path("../api/model")


def main():
    source = f"{MODEL_NAME}@latest" if MODEL_VERSION == "latest" else f"{MODEL_NAME}:{MODEL_VERSION}"
    print(f"Fetching {source}")
    shutil.rmtree(TARGET, ignore_errors=True)
    subprocess.run(["cairn", "model", "download", source, "--to", str(TARGET)], check=True)


if __name__ == "__main__":
    main()
