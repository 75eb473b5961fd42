"""Step 2: train a classifier, log how it went, register the model."""
import json
import os
import shutil
import subprocess
from pathlib import Path

import mlflow
import numpy as np
from mlflow.models import infer_signature
from PIL import Image
from sklearn.metrics import accuracy_score, confusion_matrix, f1_score, log_loss
from sklearn.neural_network import MLPClassifier

DATASET_NAME = os.environ.get("DATASET_NAME", "digits")
DATASET_VERSION = os.environ.get("DATASET_VERSION") or "latest"
MODEL_NAME = os.environ.get("MODEL_NAME", "digits")
EXPERIMENT_NAME = os.environ.get("EXPERIMENT_NAME", "digits")
RANDOM_SEED = int(os.environ.get("RANDOM_SEED", "42"))
EPOCHS = int(os.environ.get("EPOCHS", "15"))
HIDDEN_LAYER = int(os.environ.get("HIDDEN_LAYER", "64"))
LEARNING_RATE = float(os.environ.get("LEARNING_RATE", "0.005"))

DATA = Path("data")
REPORT = Path("report")


def load(split):
    name = f"{DATASET_NAME}-{split}"
    source = f"{name}@latest" if DATASET_VERSION == "latest" else f"{name}:{DATASET_VERSION}"
    print(f"Fetching {source}")
    folder = DATA / split
    subprocess.run(["cairn", "data", "download", source, "--to", str(folder)], check=True)
    pixels, labels = [], []
    for path in sorted(folder.glob("*/*.png")):
        with Image.open(path) as image:
            pixels.append(np.asarray(image, dtype=np.float32).ravel() / 255)
        labels.append(int(path.parent.name))
    return np.stack(pixels), np.array(labels)


def draw(matrix, cell=28):
    """The confusion matrix as a picture: the darker, the more."""
    shares = matrix / matrix.sum(axis=1, keepdims=True)
    gray = (255 * (1 - shares)).astype(np.uint8)
    return Image.fromarray(gray).resize((cell * len(matrix),) * 2, Image.Resampling.NEAREST)


def table(matrix):
    rows = ["      " + "".join(f"{c:5d}" for c in range(len(matrix))) + "   predicted"]
    rows += [f"{c:5d} " + "".join(f"{n:5d}" if n else "    ." for n in row) for c, row in enumerate(matrix)]
    return "\n".join(rows)


def main():
    for folder in (DATA, REPORT):
        shutil.rmtree(folder, ignore_errors=True)
    REPORT.mkdir()
    train_x, train_y = load("train")
    test_x, test_y = load("test")
    classes = np.unique(train_y)
    print(f"{len(train_x)} images to train with, {len(test_x)} to test with")

    mlflow.set_experiment(EXPERIMENT_NAME)
    with mlflow.start_run():
        mlflow.log_params(
            {
                "epochs": EPOCHS,
                "hidden_layer": HIDDEN_LAYER,
                "learning_rate": LEARNING_RATE,
                "random_seed": RANDOM_SEED,
                "dataset_version": DATASET_VERSION,
                "train_images": len(train_x),
                "test_images": len(test_x),
            }
        )
        model = MLPClassifier(
            (HIDDEN_LAYER,), learning_rate_init=LEARNING_RATE, batch_size=64, random_state=RANDOM_SEED
        )
        for epoch in range(1, EPOCHS + 1):
            model.partial_fit(train_x, train_y, classes=classes)
            metrics = {
                "train_loss": float(model.loss_),
                "test_loss": float(log_loss(test_y, model.predict_proba(test_x), labels=classes)),
                "test_accuracy": float(model.score(test_x, test_y)),
            }
            mlflow.log_metrics(metrics, step=epoch)
            print(f"epoch {epoch:2d}  " + "  ".join(f"{k} {v:.4f}" for k, v in metrics.items()), flush=True)

        predicted = model.predict(test_x)
        matrix = confusion_matrix(test_y, predicted, labels=classes)
        final = {
            "accuracy": float(accuracy_score(test_y, predicted)),
            "f1_macro": float(f1_score(test_y, predicted, average="macro")),
        }
        mlflow.log_metrics(final)
        mlflow.log_dict({"labels": classes.tolist(), "matrix": matrix.tolist()}, "confusion_matrix.json")
        mlflow.log_image(draw(matrix), "confusion_matrix.png")
        info = mlflow.sklearn.log_model(
            model,
            name="model",
            registered_model_name=MODEL_NAME,
            serialization_format="cloudpickle",
            signature=infer_signature(test_x[:5], predicted[:5]),
            pip_requirements="../requirements.txt",
        )

    print(table(matrix))
    print(f"accuracy {final['accuracy']:.4f}; registered as {MODEL_NAME} version {info.registered_model_version}")
    (REPORT / "metrics.json").write_text(json.dumps(final, indent=2) + "\n")
    (REPORT / "confusion_matrix.txt").write_text(table(matrix) + "\n")
    draw(matrix).save(REPORT / "confusion_matrix.png")
    if "GITHUB_OUTPUT" in os.environ:
        with open(os.environ["GITHUB_OUTPUT"], "a") as out:
            out.write(f"model_version={info.registered_model_version}\naccuracy={final['accuracy']:.4f}\n")
    if "GITHUB_STEP_SUMMARY" in os.environ:
        with open(os.environ["GITHUB_STEP_SUMMARY"], "a") as out:
            out.write(f"### {MODEL_NAME} version {info.registered_model_version}\n\n")
            out.write(f"Accuracy {final['accuracy']:.4f}\n\n```\n{table(matrix)}\n```\n")


if __name__ == "__main__":
    main()
