"""The contenders: each module has `run(task, meter)`, which reads all records of a task."""
