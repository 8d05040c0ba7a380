"""The worker: one node, its children, and what they say to each other.

::

    node process (no code of the user's)
      main thread       node       signals, children, limits, dispatch; owns every socket to a child
      consumer thread   intake     owns the broker connection: takes, settles, renews the lease, recovers
    app process         app_main   imports the user's app, runs no task, tells the node its settings
    children            child_main def tasks in the main thread (or in threads), async def tasks on a loop beside them

A message travels: broker → ``intake`` → ``dispatcher`` (which child) → ``lane`` (the way to that child) →
``task_loop`` or ``async_loop`` (in the child) → back through the lane as a ``Done`` → ``node`` → ``intake`` → broker.
"""
