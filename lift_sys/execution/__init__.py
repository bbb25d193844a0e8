"""Running nodes: one at a time with retries and deadlines, or in groups that become one result.

`ParallelExecutor` is the door. A group is structured: nothing outlives the call, results stand in
declared order, all failures are reported together, and cancellation is awaited.
"""
