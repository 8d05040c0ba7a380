"""The scheduler: publishes tasks when their schedules say so.

Imports point down: ``service`` runs it, by itself or in the app process of a node; ``beat`` looks at the timetable;
``planning`` decides, as pure functions; ``calls`` makes messages; ``schedules_of_entries`` finds schedules.
"""
