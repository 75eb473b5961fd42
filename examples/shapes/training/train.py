"""A small network for small pictures."""

import argparse
import os

import numpy as np
import tensorflow as tf
from azureml.core import Run

CLASSES = ["circle", "square"]


def load(folder):
    x, y = [], []
    for name in sorted(os.listdir(folder)):
        with open(os.path.join(folder, name)) as f:
            x.append([[int(c) for c in line.strip()] for line in f])
        y.append(CLASSES.index(name.split("_")[0]))
    return np.asarray(x, "float32")[..., None], np.asarray(y)


parser = argparse.ArgumentParser()
parser.add_argument("--training-set", required=True)
parser.add_argument("--testing-set", required=True)
parser.add_argument("--epochs", type=int, default=60)
args = parser.parse_args()
run = Run.get_context()
tf.keras.utils.set_random_seed(7)
x, y = load(args.training_set)
tx, ty = load(args.testing_set)
net = tf.keras.Sequential([
    tf.keras.layers.Conv2D(8, 3, activation="relu", input_shape=x.shape[1:]), tf.keras.layers.MaxPooling2D(),
    tf.keras.layers.Conv2D(16, 3, activation="relu"), tf.keras.layers.Flatten(), tf.keras.layers.Dense(2, activation="softmax"),
])
net.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])


class Log(tf.keras.callbacks.Callback):
    def on_epoch_end(self, epoch, logs=None):
        run.log("loss", logs["loss"])
        run.log("accuracy", logs["accuracy"])


net.fit(x, y, epochs=args.epochs, batch_size=16, verbose=2, callbacks=[Log()])
loss, accuracy = net.evaluate(tx, ty, verbose=0)
run.log("test accuracy", accuracy)
print("test accuracy %.3f" % accuracy)
matrix = tf.math.confusion_matrix(ty, net.predict(tx).argmax(1), 2).numpy().tolist()
run.log_confusion_matrix("confusion", {"schema_type": "confusion_matrix", "schema_version": "1.0.0", "data": {"class_labels": CLASSES, "matrix": matrix}})
net.save(os.path.join("outputs", "shapes-cnn"))
