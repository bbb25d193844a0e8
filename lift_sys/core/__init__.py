"""What a graph is made of, as plain data: nodes, contexts, successors, addresses, events, policies.

The engine above is one reader of these types; stores, observers and the determinism harness are
others. Nothing here imports a third-party package at run time, so `import lift_sys` stays cheap.
"""
