"""Trains a small network, logs how it goes, and writes the model."""
import argparse
import json
from pathlib import Path

import cloudpickle
import mlflow
import numpy as np
from PIL import Image
from sklearn.metrics import accuracy_score, confusion_matrix, log_loss
from sklearn.neural_network import MLPClassifier

CLASSES = ["three", "five", "eight"]


def load(folder):
    pixels, labels = [], []
    for path in sorted(folder.glob("*/*.png")):
        with Image.open(path) as image:
            pixels.append(np.asarray(image, dtype=np.float32).ravel() / 255)
        labels.append(CLASSES.index(path.parent.name))
    return np.stack(pixels), np.array(labels)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--training", type=Path, required=True)
    parser.add_argument("--testing", type=Path, required=True)
    parser.add_argument("--epochs", type=int, required=True)
    parser.add_argument("--learning-rate", type=float, required=True)
    parser.add_argument("--hidden-layer", type=int, required=True)
    parser.add_argument("--patience", type=int, default=0, help="stop after so many epochs without a better loss")
    parser.add_argument("--model", type=Path, required=True)
    args = parser.parse_args()

    train_x, train_y = load(args.training)
    test_x, test_y = load(args.testing)
    print(f"{len(train_x)} pictures to train with, {len(test_x)} to test with")

    model = MLPClassifier((args.hidden_layer,), learning_rate_init=args.learning_rate, batch_size=32, random_state=42)
    best, since = float("inf"), 0
    with mlflow.start_run():
        mlflow.log_params({"epochs": args.epochs, "learning_rate": args.learning_rate, "hidden_layer": args.hidden_layer})
        for epoch in range(1, args.epochs + 1):
            model.partial_fit(train_x, train_y, classes=range(len(CLASSES)))
            loss = float(log_loss(test_y, model.predict_proba(test_x), labels=range(len(CLASSES))))
            accuracy = float(accuracy_score(test_y, model.predict(test_x)))
            mlflow.log_metrics({"test_loss": loss, "accuracy": accuracy}, step=epoch)
            print(f"epoch {epoch:2d}  test_loss {loss:.4f}  accuracy {accuracy:.4f}", flush=True)
            best, since = (loss, 0) if loss < best else (best, since + 1)
            if args.patience and since >= args.patience:
                print(f"no better loss for {since} epochs")
                break

    matrix = confusion_matrix(test_y, model.predict(test_x), labels=range(len(CLASSES)))
    args.model.mkdir(parents=True, exist_ok=True)
    with (args.model / "model.pkl").open("wb") as file:
        cloudpickle.dump(model, file)
    (args.model / "classes.json").write_text(json.dumps(CLASSES) + "\n")
    np.save(args.model / "confusion_matrix.npy", matrix)
    print("rows are what is there, columns what is read: " + ", ".join(CLASSES))
    print(matrix)


if __name__ == "__main__":
    main()
