def init():
    pass


def run(raw):
    return {"length": len(raw)}
