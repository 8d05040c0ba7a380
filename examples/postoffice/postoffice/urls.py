"""The addresses of the site."""

from django.urls import include, path

urlpatterns = [
    path("", include("letters.urls")),
    path("experiments/", include("experiments.urls")),
    path("daily/", include("daily.urls")),
    path("tasks/", include("insight.urls")),
    path("i18n/", include("django.conf.urls.i18n")),
]
