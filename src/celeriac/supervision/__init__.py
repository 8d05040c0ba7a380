"""Child processes: started cleanly, watched without races, never left behind. Knows nothing of tasks.

``spawner.Spawner`` is the port; ``fork_server.ForkServer`` forks children from a clean process that has imported what
they need, ``fresh_spawner.FreshSpawner`` starts a new interpreter for each. ``child_process.ChildProcess`` is one
child as the process that started it (the node) sees it; ``lifeline`` is what lets no child outlive its node.
"""
