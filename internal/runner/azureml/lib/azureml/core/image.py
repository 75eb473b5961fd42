"""Images of the first years: refused by name."""

from azureml._missing import Named
from azureml.exceptions import UserErrorException


class Image(Named):
    @staticmethod
    def create(*args, **kwargs):
        raise UserErrorException("Image.create is not there: Model.deploy packs a model, and cairn image build any Dockerfile")


class ContainerImage(Image):
    @staticmethod
    def image_configuration(*args, **kwargs):
        raise UserErrorException("ContainerImage.image_configuration is not there: InferenceConfig says what a model needs")
