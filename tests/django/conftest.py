import sys

from tests.django.postoffice import POSTOFFICE

sys.path.insert(0, str(POSTOFFICE))
