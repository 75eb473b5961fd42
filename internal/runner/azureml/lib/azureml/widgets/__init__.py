"""What a notebook shows: printed here."""

from azureml._missing import Named, module_getattr


class RunDetails(Named):
    def __init__(self, run_instance):
        self._run = run_instance

    def show(self, *args, **kwargs):
        d = self._run.get_details()
        print("%s: %s" % (d["runId"], d["status"]))

    def get_widget_data(self):
        return self._run.get_details()


__getattr__ = module_getattr(__name__)
