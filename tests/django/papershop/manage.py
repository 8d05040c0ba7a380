import multiprocessing
import os
import sys

from django.core.management import execute_from_command_line

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "papershop.settings")
    if os.environ.get("PAPERSHOP_START_METHOD"):
        multiprocessing.set_start_method(os.environ["PAPERSHOP_START_METHOD"])
    execute_from_command_line(sys.argv)
