"""The address of a task."""

from django.urls import path

from insight import views

app_name = "insight"
urlpatterns = [path("<str:task_id>/", views.task, name="task")]
