"""The addresses of the experiments."""

from django.urls import path

from experiments import views

app_name = "experiments"
urlpatterns = [
    path("", views.index, name="index"),
    path("addresses.csv", views.file, name="file"),
    path("<slug:slug>/start/", views.start, name="start"),
    path("<slug:slug>/cancel/", views.cancel, name="cancel"),
]
