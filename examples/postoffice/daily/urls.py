"""The addresses of what happens every day."""

from django.urls import path

from daily import views

app_name = "daily"
urlpatterns = [
    path("", views.index, name="index"),
    path("sessions/make/", views.make_sessions, name="make_sessions"),
    path("<slug:slug>/run/", views.run, name="run"),
    path("<slug:slug>/pause/", views.pause, name="pause"),
    path("<slug:slug>/resume/", views.resume, name="resume"),
]
