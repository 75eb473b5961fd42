import os


def init():
    pass


def run(batch):
    return [os.path.basename(name) for name in batch]
